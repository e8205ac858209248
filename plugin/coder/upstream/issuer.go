package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrIssuer says that an answer is not from the deployment that was asked.
var ErrIssuer = errors.New("the answer is not from the Coder deployment that was asked")

// is reports whether issuer is the deployment: letter case of the host, a usual port and a slash at the end do not count.
func (m *metadata) is(issuer string) bool {
	if !m.owns(issuer) {
		return false
	}
	deployment, _ := url.Parse(m.deployment) // a URL that was checked
	other, err := url.Parse(issuer)
	return err == nil && strings.TrimRight(deployment.Path, "/") == strings.TrimRight(other.Path, "/")
}

// CheckIssuer checks the parameter iss of an answer of the authorization endpoint (RFC 9207), which tells deployments
// apart that answer at one callback URL. given says that the answer has it. Its errors wrap ErrIssuer.
func (c *Client) CheckIssuer(iss string, given bool) error {
	known := c.metadata.known.Load()
	switch {
	case !given && known.issuerSent:
		return fmt.Errorf("%w: it has no iss parameter, which the metadata announces", ErrIssuer)
	case !given, known.issuer != "" && iss == known.issuer,
		known.issuer == "" && strings.TrimSuffix(iss, "/") == strings.TrimSuffix(c.app.Deployment, "/"):
		return nil
	}
	return fmt.Errorf("%w: iss is %.200q, expected %q", ErrIssuer, iss, cmp.Or(known.issuer, c.app.Deployment))
}
