package upstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Facts are what a deployment shows without a user.
type Facts struct {
	Took     time.Duration // until the answer
	Version  string        // as Coder says it, "" if it does not
	Expires  time.Time     // of the certificate; zero over http
	Ahead    time.Duration // how far the clock of this host is ahead of Coder's
	Metadata error         // why the OAuth2 metadata cannot be used
	PKCE     bool          // the metadata lists S256
	Issuer   string        // of the metadata, if it is not the deployment URL
}

// Examine asks a deployment what anybody may ask. Its error says why there is no answer.
func (c *Client) Examine(ctx context.Context) (*Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, c.pool.timeout)
	defer cancel()
	var f Facts
	var build struct{ Version string }
	begin := time.Now()
	body, err := c.pool.call(ctx, "asking for the version", http.MethodGet, c.app.Deployment+"/api/v2/buildinfo", "", f.note(begin))
	if err != nil && From(err).Status == 0 {
		return nil, err
	}
	_ = json.Unmarshal(body, &build) // another server, or another version: the metadata tells
	f.Version = strings.Map(printable, build.Version[:min(len(build.Version), 40)])
	body, err = c.pool.call(ctx, "reading metadata", http.MethodGet, c.app.Deployment+documentPath, "", func(*http.Request) {})
	var d document
	if err == nil {
		d, err = c.metadata.read(body)
	}
	f.Metadata, f.PKCE = err, slices.Contains(d.PKCE, "S256")
	if d.Issuer != "" && !c.metadata.is(d.Issuer) {
		f.Issuer = d.Issuer
	}
	return &f, nil
}

func printable(c rune) rune {
	if c < '!' || c > '~' {
		return -1
	}
	return c
}

// note returns a prepare function for a call that has the answer's headers noted.
func (f *Facts) note(begin time.Time) func(*http.Request) {
	return func(r *http.Request) {
		seen := func(answer *http.Response) {
			f.Took = time.Since(begin)
			if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
				f.Expires = answer.TLS.PeerCertificates[0].NotAfter
			}
			if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
				// The header has whole seconds, and was written on the way.
				f.Ahead = begin.Add(f.Took / 2).Sub(date.Add(time.Second / 2)).Round(time.Second)
			}
		}
		*r = *r.WithContext(context.WithValue(r.Context(), seenKey{}, seen))
	}
}

// seenKey is the context key of a function that sees the answer's headers.
type seenKey struct{}

// CheckClient finds out whether Coder knows the application and its secret: it sends a code that does not exist. Coder
// checks the client first. The error is nil if only the code is refused. No code and no session begins or ends.
func (c *Client) CheckClient(ctx context.Context) error {
	part := strings.ToLower(rand.Text())
	_, err := c.exchange(ctx, Code{
		Code: "coder_" + part[:10] + "_" + part, Verifier: oauth2.GenerateVerifier(), RedirectURI: c.app.CallbackURL,
		Accept: "application/json",
	})
	if err == nil {
		return malformed(exchanging, "tokens for a code that does not exist")
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Code == "invalid_grant" {
		return nil
	}
	return err
}
