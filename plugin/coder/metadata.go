package coder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/origin"
)

// How long metadata is good for, and how soon it is asked for again when Coder did not give it.
const (
	metadataLife  = time.Hour
	metadataRetry = 10 * time.Minute
)

// errForeignEndpoint refuses metadata that would have the client secret sent elsewhere.
var errForeignEndpoint = errors.New("an endpoint is not on the deployment's origin")

// endpoints are where a deployment is asked for consent, tokens and revocation.
type endpoints struct {
	authorize, token, revoke string
	basicOnly                bool // the token endpoint takes client_secret_basic and not client_secret_post
}

// metadata knows a deployment's endpoints: those of its RFC 8414 document, and until that has come, or when
// Coder does not serve one, the fixed paths that every version has. Requests never wait for it.
type metadata struct {
	deployment string
	http       *http.Client
	log        *zap.Logger
	ctx        context.Context // ends when the plugin's handler is no longer used
	known      atomic.Pointer[endpoints]
	due        atomic.Int64 // when to ask again, in Unix seconds
}

// newMetadata makes a metadata that knows the fixed paths; nothing is asked for yet.
func newMetadata(ctx context.Context, deployment string, c *http.Client, log *zap.Logger) *metadata {
	m := &metadata{deployment: deployment, http: c, log: log, ctx: ctx}
	m.known.Store(m.fixed())
	return m
}

// fixed are the paths that every version of Coder has.
func (m *metadata) fixed() *endpoints {
	at := m.deployment + "/oauth2/"
	return &endpoints{authorize: at + "authorize", token: at + "tokens", revoke: at + "revoke"}
}

// endpoints returns what is known, and has it looked up anew in the background when that is due.
func (m *metadata) endpoints() endpoints {
	// Whoever finds it due moves the date first, so that one request of many starts the lookup.
	now, due := time.Now().Unix(), m.due.Load()
	if now >= due && m.ctx.Err() == nil && m.due.CompareAndSwap(due, now+int64(metadataRetry/time.Second)) {
		go m.update()
	}
	return *m.known.Load()
}

// update asks once and keeps what is known when that fails.
func (m *metadata) update() {
	ctx, cancel := context.WithTimeout(m.ctx, 10*time.Second)
	defer cancel()
	found, err := m.fetch(ctx)
	// Somebody should know, but not each minute.
	if errors.Is(err, errForeignEndpoint) {
		m.log.Warn("ignoring Coder's OAuth2 metadata", zap.String("deployment", m.deployment), zap.Error(err))
		m.due.Store(time.Now().Add(metadataLife).Unix())
		return
	}
	if err != nil {
		// Older versions of Coder have none, so this is no news.
		m.log.Debug("no OAuth2 metadata from Coder, using its fixed paths",
			zap.String("deployment", m.deployment), zap.Error(err))
		return
	}
	if before := m.known.Swap(found); *before != *found {
		m.log.Info("using Coder's OAuth2 metadata", zap.String("deployment", m.deployment),
			zap.String("authorize", found.authorize), zap.String("token", found.token))
	}
	m.due.Store(time.Now().Add(metadataLife).Unix())
}

// fetch reads the document and fills in what it leaves out with the fixed paths.
func (m *metadata) fetch(ctx context.Context) (*endpoints, error) {
	ctx = context.WithValue(ctx, acceptKey{}, "application/json")
	document := m.deployment + "/.well-known/oauth-authorization-server"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, document, nil)
	if err != nil {
		return nil, err
	}
	body, err := do(m.http, request, "reading metadata")
	if err != nil {
		return nil, err
	}
	var says struct {
		Authorize string   `json:"authorization_endpoint"`
		Token     string   `json:"token_endpoint"`
		Revoke    string   `json:"revocation_endpoint"`
		Methods   []string `json:"token_endpoint_auth_methods_supported"`
		PKCE      []string `json:"code_challenge_methods_supported"`
	}
	if err := json.Unmarshal(body, &says); err != nil {
		return nil, errors.New("the metadata is not JSON")
	}
	// The client secret goes to the token endpoint: it must be the deployment that it was configured for.
	for _, endpoint := range []string{says.Authorize, says.Token, says.Revoke} {
		if endpoint != "" && !m.owns(endpoint) {
			return nil, fmt.Errorf("%w: %s", errForeignEndpoint, endpoint)
		}
	}
	if len(says.PKCE) > 0 && !slices.Contains(says.PKCE, "S256") {
		m.log.Warn("Coder's OAuth2 metadata does not list the PKCE method S256", zap.String("deployment", m.deployment))
	}
	fixed := m.fixed()
	return &endpoints{
		authorize: cmp.Or(says.Authorize, fixed.authorize),
		token:     cmp.Or(says.Token, fixed.token),
		revoke:    cmp.Or(says.Revoke, fixed.revoke),
		basicOnly: slices.Contains(says.Methods, basicAuth) && !slices.Contains(says.Methods, postAuth),
	}, nil
}

// owns tells whether endpoint is on the deployment's origin and free of a query or fragment.
func (m *metadata) owns(endpoint string) bool {
	deployment, err1 := origin.Of(m.deployment)
	other, err2 := origin.Of(endpoint)
	return err1 == nil && err2 == nil && deployment == other && !strings.ContainsAny(endpoint, "?#@")
}
