package upstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/origin"
)

// How long metadata is valid, and how soon it is fetched again after a failure.
const (
	metadataLife  = time.Hour
	metadataRetry = 10 * time.Minute
)

// Reasons not to use a document.
var (
	// errForeignEndpoint refuses metadata that would have the client secret sent to another server.
	errForeignEndpoint = errors.New("an endpoint is not on the deployment's origin")
	// errNone says that what was read is no metadata: the deployment is too old, or something else than Coder.
	errNone = errors.New("no OAuth2 metadata")
)

// endpoints are where a deployment is asked for consent, tokens and revocation, and what it says of its answers.
type endpoints struct {
	authorize, token, revoke string
	basicOnly                bool   // the token endpoint takes client_secret_basic but not client_secret_post
	issuer                   string // as in the document, otherwise ""
	issuerSent               bool   // all answers have the parameter iss (RFC 9207)
}

// metadata knows the endpoints of a deployment: those of its RFC 8414 document, or, until that is known and if
// Coder does not serve one, the fixed paths that every version has. Requests never wait for the document.
type metadata struct {
	pool       *Pool
	deployment string
	limit      *limiter
	known      atomic.Pointer[endpoints]
	due        atomic.Int64 // when to fetch again, in Unix seconds
	warned     sync.Once    // of a deployment at which sign-ins will fail
}

// newMetadata returns metadata that knows the fixed paths. It does not fetch anything yet.
func newMetadata(pool *Pool, deployment string) *metadata {
	m := &metadata{pool: pool, deployment: deployment}
	m.limit = newLimiter(pool.maxCalls, pool.log.With(zap.String("deployment", deployment)))
	m.known.Store(m.fixed())
	return m
}

// fixed returns the paths that every version of Coder has.
func (m *metadata) fixed() *endpoints {
	at := m.deployment + "/oauth2/"
	return &endpoints{authorize: at + "authorize", token: at + "tokens", revoke: at + "revoke"}
}

// endpoints returns what is known, and fetches the document in the background if that is due.
func (m *metadata) endpoints() endpoints {
	// The date is moved before the fetch, so that only one of many requests starts it.
	now, due := time.Now().Unix(), m.due.Load()
	if now >= due && m.pool.ctx.Err() == nil && m.due.CompareAndSwap(due, now+int64(metadataRetry/time.Second)) {
		go m.update()
	}
	return *m.known.Load()
}

// update fetches the document once. If that fails, it keeps what is known.
func (m *metadata) update() {
	ctx, cancel := context.WithTimeout(m.pool.ctx, 10*time.Second)
	defer cancel()
	log := m.pool.log.With(zap.String("deployment", m.deployment))
	found, err := m.fetch(ctx)
	switch {
	case errors.Is(err, errForeignEndpoint):
		log.Warn("ignoring Coder's OAuth2 metadata", zap.Error(err))
	case errors.Is(err, errNone):
		m.warned.Do(func() {
			log.Warn("Coder serves no OAuth2 metadata: versions before 2.25 have none and refuse sign-ins with PKCE; update "+
				"Coder, or check that the deployment URL is that of Coder and that no proxy blocks its /.well-known", zap.Error(err))
		})
		return
	case err != nil: // Coder is down or slow
		log.Debug("no OAuth2 metadata from Coder, using its fixed paths", zap.Error(err))
		return
	default:
		if before := m.known.Swap(found); *before != *found {
			log.Debug("using Coder's OAuth2 metadata", zap.String("authorize", found.authorize), zap.String("token", found.token))
		}
	}
	m.due.Store(time.Now().Add(metadataLife).Unix())
}

// document is what is read of a deployment's RFC 8414 document.
type document struct {
	Issuer     string   `json:"issuer"`
	IssuerSent bool     `json:"authorization_response_iss_parameter_supported"`
	Authorize  string   `json:"authorization_endpoint"`
	Token      string   `json:"token_endpoint"`
	Revoke     string   `json:"revocation_endpoint"`
	Methods    []string `json:"token_endpoint_auth_methods_supported"`
	PKCE       []string `json:"code_challenge_methods_supported"`
}

const documentPath = "/.well-known/oauth-authorization-server"

// fetch reads the document and completes it with the fixed paths.
func (m *metadata) fetch(ctx context.Context) (*endpoints, error) {
	// The document is for everybody who signs in, so that strangers must not keep it away.
	_, release, err := m.limit.hold(SignedIn(ctx), "reading metadata")
	if err != nil {
		return nil, err
	}
	defer release()
	body, err := m.pool.call(ctx, "reading metadata", http.MethodGet, m.deployment+documentPath, "", func(r *http.Request) {
		r.Header.Set("Accept", "application/json")
	})
	if err != nil {
		if status := From(err).Status; status >= 300 && status < 500 && status != http.StatusTooManyRequests {
			err = fmt.Errorf("%w: %w", errNone, err)
		}
		return nil, err
	}
	document, err := m.read(body)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(document.PKCE, "S256") {
		m.warned.Do(func() {
			m.pool.log.Warn("Coder's OAuth2 metadata does not list the PKCE method S256, without which sign-ins fail: update "+
				"Coder to 2.25 or newer", zap.String("deployment", m.deployment), zap.Strings("listed", document.PKCE))
		})
	}
	// One deployment must not speak for another (RFC 8414, section 3.3).
	if document.Issuer != "" && !m.is(document.Issuer) {
		m.warned.Do(func() {
			m.pool.log.Warn("Coder's OAuth2 metadata names an issuer that is not the deployment URL: answers that name it are "+
				"refused; set the deployment URL to it", zap.String("deployment", m.deployment), zap.String("issuer", document.Issuer))
		})
		document.Issuer = ""
	}
	fixed := m.fixed()
	return &endpoints{
		authorize: cmp.Or(document.Authorize, fixed.authorize),
		token:     cmp.Or(document.Token, fixed.token),
		revoke:    cmp.Or(document.Revoke, fixed.revoke),
		basicOnly: slices.Contains(document.Methods, BasicAuth) && !slices.Contains(document.Methods, PostAuth),
		issuer:    document.Issuer, issuerSent: document.IssuerSent,
	}, nil
}

// read reads the document and checks that its endpoints are the deployment's own.
func (m *metadata) read(body []byte) (d document, err error) {
	if err := json.Unmarshal(body, &d); err != nil { // old versions answer unknown paths with their start page
		return d, fmt.Errorf("%w: not JSON", errNone)
	}
	for _, endpoint := range []string{d.Authorize, d.Token, d.Revoke} {
		if endpoint != "" && !m.owns(endpoint) {
			return d, fmt.Errorf("%w: %s", errForeignEndpoint, endpoint)
		}
	}
	return d, nil
}

// owns reports whether endpoint is on the deployment's origin, without user, query and fragment.
func (m *metadata) owns(endpoint string) bool {
	deployment, _ := origin.Of(m.deployment) // a URL that was checked
	other, err := origin.Of(endpoint)
	return err == nil && deployment == other && !strings.ContainsAny(endpoint, "?#@")
}
