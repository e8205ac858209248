package backstageauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/understudy-host/understudy/pkg/apierror"
)

// checker checks a token of an external caller. The subject is "" if the token is not one of its own.
type checker interface {
	check(ctx context.Context, i *issuers, t token) (subject string, err error)
}

// minStatic is the length of the shortest static token.
const minStatic = 8

// staticChecker accepts one token. It compares hashes, so that the time tells nothing of it.
type staticChecker struct {
	hash    [sha256.Size]byte
	subject string
}

func newStaticChecker(token, subject string) staticChecker {
	return staticChecker{sha256.Sum256([]byte(token)), subject}
}

func (x staticChecker) check(_ context.Context, _ *issuers, t token) (string, error) {
	hash := sha256.Sum256([]byte(t.raw))
	if subtle.ConstantTimeCompare(hash[:], x.hash[:]) == 1 {
		return x.subject, nil
	}
	return "", nil
}

// legacyChecker accepts what is signed with a shared secret, as backends before the current auth system did.
type legacyChecker struct {
	secret  []byte
	subject string
}

// legacySubject is the subject of all such tokens.
const legacySubject = "backstage-server"

func (x legacyChecker) check(ctx context.Context, _ *issuers, t token) (string, error) {
	if t.alg != string(jose.HS256) || t.claims == nil || t.claims.Subject != legacySubject || len(t.claims.Audience) > 0 {
		return "", nil
	}
	// HMAC fills a short key up with zeros. go-jose refuses those below 32 bytes, and Backstage recommends 24.
	key := append([]byte(nil), x.secret...)
	for len(key) < sha256.BlockSize {
		key = append(key, 0)
	}
	_, err := verify(ctx, t.raw, func(context.Context, string, string) (any, error) { return key, nil },
		rules{algorithms: []jose.SignatureAlgorithm{jose.HS256}})
	if errors.Is(err, errSignature) {
		return "", nil // another entry's
	}
	return x.subject, err
}

// jwksChecker accepts the tokens of an issuer that shows its keys at url.
type jwksChecker struct {
	url    string
	rules  rules
	prefix string
}

func (x jwksChecker) check(ctx context.Context, i *issuers, t token) (string, error) {
	if t.claims == nil {
		return "", nil
	}
	c, err := verify(ctx, t.raw, i.at(x.url).find, x.rules)
	if err != nil || c.Subject == "" {
		return "", nil //nolint:nilerr // as in Backstage, it may be another entry's token
	}
	return x.prefix + c.Subject, nil
}

// restrict returns what a caller may do in the plugin.
func (x external) restrict(pluginID string) (*AccessRestrictions, error) {
	if x.access == nil {
		return nil, nil
	}
	if a := x.access[pluginID]; a != nil {
		return a, nil
	}
	return nil, apierror.NotAllowed("This token's access is restricted to plugin(s) '" + strings.Join(x.plugins, "', '") + "'")
}
