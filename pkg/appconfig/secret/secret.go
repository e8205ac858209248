// Package secret finds the values of a configuration that look secret, by their keys and by their forms. It is for values
// that no schema describes, and would rather hide too much than too little.
package secret

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/logging"
)

// Mask returns a value of the configuration with mask in place of every string and number in it that looks secret.
func Mask(v any, mask string) any { return masker{mask}.value(v, false) }

type masker struct{ mask string }

// value masks what is in v. named reports whether a key says that it is secret.
func (m masker) value(v any, named bool) any {
	switch v := v.(type) {
	case string:
		if v != "" && (named || Looks(v)) {
			return m.mask
		}
	case float64:
		if named {
			return m.mask
		}
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = m.value(item, named)
		}
		return items
	case *value.Object:
		return m.object(v, named)
	}
	return v
}

// object masks what is in an object. Below "tokens" or "secrets" names are free, so everything is secret. An object that
// has a name and a value, such as a header, is one of a list.
func (m masker) object(object *value.Object, named bool) *value.Object {
	out := value.NewObject(object.Len())
	listed := false
	for _, key := range []string{"name", "key", "header"} {
		name, _ := object.Get(key)
		text, ok := name.(string)
		listed = listed || ok && object.Has("value") && Named(text)
	}
	for key, item := range object.All() {
		within, isObject := item.(*value.Object)
		switch {
		case isObject && !holdsSecrets(key):
			item = m.object(within, named && !describes(key))
		case listed && (key == "name" || key == "key" || key == "header"):
		default:
			item = m.value(item, Named(key) || named && !describes(key) || listed && key == "value")
		}
		out.SetAt(key, item, object.Position(key))
	}
	return out
}

var (
	// strong are parts of keys whose values are secret, however the key goes on.
	strong = strings.Fields("password passwd passphrase passcode pwd secret token credential apikey accesskey privatekey signingkey encryptionkey " +
		"sharedkey accountkey masterkey sealingkey servicekey authkey connectionstring authorization jwt bearer assertion cookie webhookurl")
	// weak are the last words of other such keys.
	weak = strings.Fields("key keys auth sig signature dsn pat otp pin salt pass passwords sid sas htpasswd netrc dockerconfigjson")
	// descriptions are the ends of keys that say something about a secret. Their values are not secret.
	descriptions = strings.Fields("url uri endpoint path file filename dir name type ttl expiry expiration expires lifetime duration timeout enabled policy " +
		"length algorithm algorithms alg method issuer audience limit count size prefix suffix field ref provider store scope scopes required rotation interval " +
		"format mode version location arn region header username user")
)

// Named reports whether a key says that its value is secret: "clientSecret", "X-Api-Key", "DB_PASSWORD", but not
// "tokenEndpoint" and "publicKey".
func Named(key string) bool {
	words, joined := split(key)
	if len(words) == 0 || describes(key) || strings.HasSuffix(joined, "publickey") || strings.HasSuffix(joined, "publickeys") {
		return false
	}
	return holdsSecrets(key) || slices.Contains(weak, words[len(words)-1])
}

// holdsSecrets reports whether everything below a key is secret.
func holdsSecrets(key string) bool {
	_, joined := split(key)
	return !describes(key) && slices.ContainsFunc(strong, func(word string) bool { return strings.Contains(joined, word) })
}

// describes reports whether a key is about something and does not hold it.
func describes(key string) bool {
	words, joined := split(key)
	return len(words) > 0 && slices.Contains(descriptions, words[len(words)-1]) && !strings.HasSuffix(joined, "webhookurl")
}

// split returns the words of a key in lower case, and the key without what is between them.
func split(key string) (words []string, joined string) {
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words, word = append(words, strings.ToLower(string(word))), nil
		}
	}
	runes := []rune(key)
	for i, c := range runes {
		switch {
		case !unicode.IsLetter(c):
			flush()
			continue
		case unicode.IsUpper(c) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			flush() // clientSecret, APIKey
		}
		word = append(word, c)
	}
	flush()
	return words, strings.Join(words, "")
}

// known are the forms of secrets that can be told: keys and certificates in PEM, JSON web tokens, tokens with a prefix that
// their issuer gives them, password hashes, credentials of a header, and settings in a text ("Password=…").
var known = regexp.MustCompile(`-----BEGIN [A-Z]` +
	`|\beyJ[\w-]{5,}\.[\w-]+\.` +
	`|\b(?:gh[a-z]_|github_pat_|gl[a-z]{2,4}-|xox[a-z]-|xapp-|GOCSPX-|npm_|dop_v1_|hv[sbr]\.|ATATT3|ATBB|dckr_pat_|pypi-|shp[a-z]{2}_|lin_api_|PMAK-|NRAK-|` +
	`sq0[a-z]{3}-|gls?c?a?_|whsec_|[srp]k_(?:live|test)_|sk-|SG\.|AGE-SECRET-KEY-|ya29\.|figd_|secret_|rubygems_|sntry[su]_|pul-|tskey-)[\w.-]{8,}` +
	`|\bA(?:KIA|SIA|GPA|ROA)[A-Z0-9]{8,}|\bAIza[\w-]{16,}|\bdapi[0-9a-f]{16,}|\b[A-Za-z0-9]{10}-[A-Za-z0-9]{22}\b` +
	`|\$(?:2[abxy]?|5|6|apr1|argon2\w*|scrypt)\$` +
	`|hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/|\.logic\.azure\.com` +
	`|(?i:(?:^|[^a-z])(?:bearer|token|apikey|negotiate|digest|aws4-hmac-sha256) +[\w+/=.~-]{16,})|(?i:^bearer +\S)` +
	`|(?i:(?:pass(?:word|wd|phrase)?|pwd|secret|token|_?auth|(?:account|access|api|shared\w*|private)[_ -]?key|sharedaccesssignature|authorization|sig)["']?\s*[=:]\s*["']?[^\s"';]{3})` +
	`|^[^\s:/@]+:[^\s@/][^\s@]*@(?:\w*\()?[\w.-]+`)

// random is what a generated key looks like if it also has letters of both cases and digits.
var random = regexp.MustCompile(`^(?:[\w-]{32,}|[A-Za-z0-9+/]{30,}={1,2})$`)

// basic matches credentials of a header.
var basic = regexp.MustCompile(`(?i)\bbasic +([A-Za-z0-9+/_-]+)=*`)

// Looks reports whether a text has the form of a secret, or has one in it: a token, a private key, credentials, a URL with
// a password.
func Looks(text string) bool {
	if known.MatchString(text) {
		return true
	}
	if random.MatchString(text) && strings.ContainsFunc(text, unicode.IsUpper) && strings.ContainsFunc(text, unicode.IsLower) && strings.ContainsFunc(text, unicode.IsDigit) {
		return true
	}
	if found := basic.FindStringSubmatch(text); found != nil {
		plain, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(found[1]))
		if err == nil && strings.Contains(string(plain), ":") {
			return true
		}
	}
	return slices.ContainsFunc(strings.Fields(text), holdsURL)
}

// holdsURL reports whether a word is a URL with a user or with a parameter that has a secret, in its query or fragment.
// Paths are those of files and pages.
func holdsURL(word string) bool {
	begin := strings.Index(word, "//")
	if begin < 0 {
		return false
	}
	if colon := strings.Index(word, "://"); colon >= 0 {
		begin = colon + 1
	}
	path, query, _ := strings.Cut(strings.ReplaceAll(word[begin+len("//"):], "#", "?"), "?")
	authority, _, _ := strings.Cut(path, "/")
	authority, query = "//"+authority, "?"+query
	return logging.URL(authority) != authority || logging.URL(query) != query
}
