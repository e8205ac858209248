package coder

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/plugin/coder/identity"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// identity reads understudy.identity, and says what is missing for a signIn to have an effect.
func (r *reader) identity(s *settings) {
	around := identity.Surroundings{Mount: s.mount, Secrets: []string{s.legacy.ClientSecret}, Deployments: []string{s.legacy.Deployment}}
	for _, key := range s.keys {
		around.Secrets = append(around.Secrets, string(key))
	}
	clients := make(map[string]string)
	for env, app := range s.byEnv {
		around.Secrets, around.Deployments = append(around.Secrets, app.ClientSecret), append(around.Deployments, app.Deployment)
		if app.signIn {
			clients[env] = app.ClientID
		}
	}
	o, warnings, err := identity.ReadOptions(r.config, around)
	r.problems = append(r.problems, err)
	s.warnings = append(s.warnings, warnings...)
	switch {
	case o == nil:
		for _, env := range slices.Sorted(maps.Keys(clients)) {
			s.warnings = append(s.warnings, s.byEnv[env].key+".signIn has no effect without "+strings.Join(identity.RequiredKeys(), " and ")+
				": no Backstage identity is issued here, the session is for access to Coder")
		}
	case len(clients) == 0:
		s.warnings = append(s.warnings, "understudy.identity has no effect: no environment of auth.providers.coder has signIn")
	default:
		if ids := slices.Sorted(maps.Values(clients)); len(slices.Compact(ids)) < len(clients) {
			s.warnings = append(s.warnings, "environments with a signIn share a clientId: the Node backend's requests do not tell them apart")
		}
		o.Clients, o.MaxCalls = clients, s.calls.MaxCalls
		if !s.borrowed {
			o.Keys = s.keys
		}
		s.identity = o
	}
}

// answerTime is how long after its start a request still waits for an identity: the server gives up after a minute, and the
// tokens that Coder has rotated must not be lost.
const answerTime = 55 * time.Second

// sessionFor returns the response for the app, with a Backstage identity if the environment signs people in. The identity is
// issued anew each time. Its error is an *identity.Error, which is in the log; the tokens are in the cookies.
func (h *handler) sessionFor(ctx context.Context, r *request, e *environment, t *upstream.Tokens, p *upstream.Profile) (sessionResponse, error) {
	response := newSessionResponse(t, p)
	if !h.relay.SignsIn(e.name) {
		return response, nil
	}
	ctx, cancel := context.WithDeadline(ctx, r.began.Add(answerTime))
	defer cancel()
	issued, err := h.relay.Identity(ctx, e.name, p)
	if err != nil {
		h.log.Warn("the Node backend issued no identity", zap.String("env", e.name), zap.String("target", h.relay.Target()),
			zap.Int("status", err.Reason.Status), zap.String("error", err.Error()), zap.String("hint", err.Hint))
		return response, err
	}
	response.Identity = issued
	return response, nil
}

// identityFailed returns the error for an app whose refresh got no identity. The session at Coder lives on.
func identityFailed(w http.ResponseWriter, err error) error {
	e, _ := errors.AsType[*identity.Error](err)
	failure := refreshFailed(e.Reason)
	if failure.Status = e.Reason.Status; failure.Status != http.StatusUnauthorized {
		failure.Name = gatewayName(failure.Status)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter/time.Second)))
	}
	return failure
}
