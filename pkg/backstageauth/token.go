package backstageauth

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
)

// The types of Backstage's tokens, in their headers.
const (
	typUser    = "vnd.backstage.user"
	typLimited = "vnd.backstage.limited-user" // of a cookie: says who the user is, and nothing of their groups
	typPlugin  = "vnd.backstage.plugin"

	audUser = "backstage" // the audience of older user tokens, which have no type
)

// maxToken is the length of the longest token that is looked at. Longer ones do not fit into a request's headers.
const maxToken = 16 << 10

// asymmetric are the algorithms of keys that an issuer publishes. None of them takes a public key for a secret.
var asymmetric = []jose.SignatureAlgorithm{
	jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// token is a token that nobody has checked yet.
type token struct {
	raw           string
	typ, alg, kid string
	claims        *claims // nil if there are none to read
}

type claims struct {
	Issuer    string       `json:"iss"`
	Subject   string       `json:"sub"`
	Audience  jwt.Audience `json:"aud"`
	Expiry    *float64     `json:"exp"`
	NotBefore *float64     `json:"nbf"`
	IssuedAt  *float64     `json:"iat"`

	OnBehalfOf string `json:"obo"` // of a plugin's token: the limited token of the user that the plugin acts for
	Proof      string `json:"uip"` // of a user's token: the signature of its limited token
}

// read reads what a token says about itself. A text that is no JWT has no type and no claims, and an encrypted one has a
// type, as for npm's jose.
func read(raw string) token {
	t := token{raw: raw}
	const signed, encrypted = 3, 5 // parts
	parts := strings.SplitN(raw, ".", encrypted+1)
	if len(raw) > maxToken || len(parts) != signed && len(parts) != encrypted {
		return t
	}
	var header struct {
		Typ string `json:"typ"`
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	if decode(parts[0], &header) != nil {
		return t
	}
	t.typ, t.alg, t.kid = header.Typ, header.Alg, header.Kid
	if c := new(claims); len(parts) == signed && decode(parts[1], c) == nil {
		t.claims = c
	}
	return t
}

// decode reads a part of a JWT, with a decoder that tells letter case apart and refuses a key that is there twice.
func decode(part string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// What is wrong with a token, for the operator's log.
var (
	errMalformed   = errors.New("the token is not a JWT with an accepted algorithm")
	errSignature   = errors.New("the signature is not that of the issuer's key, or the token needs an extension")
	errClaims      = errors.New("the claims are malformed")
	errMissing     = errors.New("a required claim is missing")
	errExpired     = errors.New("the token has expired")
	errNotYetValid = errors.New("the token is not valid yet")
	errIssuer      = errors.New("the token has another issuer")
	errAudience    = errors.New("the token has another audience")
	errType        = errors.New("the token has another type")
)

// rules are what a token has to satisfy beside its signature.
type rules struct {
	typ        string                    // "" for any
	algorithms []jose.SignatureAlgorithm // those that are accepted
	issuers    []string                  // nil for any
	audiences  []string                  // nil for any
	required   bool                      // iat, exp and sub must be there
}

// keyFinder finds the one key for a token's header.
type keyFinder func(ctx context.Context, kid, alg string) (any, error)

// verify checks a token. Headers of the token that bring a key, or say where there is one, are ignored. go-jose refuses
// critical extensions.
func verify(ctx context.Context, raw string, find keyFinder, r rules) (*claims, error) {
	if len(raw) > maxToken {
		return nil, errMalformed
	}
	parsed, err := jwt.ParseSigned(raw, r.algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, errMalformed
	}
	header := parsed.Headers[0]
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); r.typ != "" && typ != r.typ {
		return nil, errType
	}
	// A key is only looked for if the token could be good: looking may be a request to the issuer.
	c := new(claims)
	if parsed.UnsafeClaimsWithoutVerification(c) != nil {
		return nil, errClaims
	}
	if err := c.check(r, time.Now()); err != nil {
		return nil, err
	}
	key, err := find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	if err := parsed.Claims(key); err != nil {
		return nil, errSignature
	}
	return c, nil
}

// check compares the claims with the rules. Like Backstage, it grants no tolerance for clocks.
func (c *claims) check(r rules, now time.Time) error {
	seconds := float64(now.Unix())
	switch {
	case r.required && (c.IssuedAt == nil || c.Expiry == nil || c.Subject == ""):
		return errMissing
	case r.issuers != nil && !slices.Contains(r.issuers, c.Issuer):
		return errIssuer
	case r.audiences != nil && !slices.ContainsFunc(r.audiences, func(a string) bool { return slices.Contains(c.Audience, a) }):
		return errAudience
	case c.NotBefore != nil && !(*c.NotBefore <= seconds):
		return errNotYetValid
	case c.Expiry != nil && !(*c.Expiry > seconds):
		return errExpired
	}
	return nil
}
