package coder

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// htmlUTF8 is what express calls HTML.
const htmlUTF8 = "text/html; charset=utf-8"

// callback is GET /oauth/callback, where Coder sends the older frontend's popup back to. The flow was begun
// by the bridge, or by that frontend itself, which makes a state that proves nothing.
func (h *handler) callback(w http.ResponseWriter, r *http.Request) {
	query := parseQuery(r.URL.RawQuery)
	state, _ := param(query, "state")
	if r.Method == http.MethodHead {
		h.callbackHead(w, r)
		return
	}
	jar := h.jar(w, r, &h.older.app, "")
	code := single(query, "code")
	// A refusal has no code, and is not a missing one.
	if reason, _ := param(query, "error"); reason != "" && code == "" {
		h.refusedAtCoder(w, r, jar, state)
		return
	}
	if code == "" {
		h.log.Error("OAuth callback missing authorization code")
		missingCode(w, r)
		return
	}
	// The state before the code. One that looks like ours but is not in this browser is never taken for the
	// older frontend's: the shapes differ.
	f, expired, ours := jar.flow(h.ring, state)
	switch {
	case ours && f.Mode == bridgeMode:
		jar.end(state)
	case !ours && h.settings.allowLegacy && (state == "" || isOlderState(state)):
	default:
		h.unknownState(w, r, jar, expired)
		return
	}
	// The Accept header is axios's.
	granted, err := h.older.exchange(r.Context(), code, f.Verifier, "application/json, text/plain, */*")
	if err != nil {
		h.callbackFailed(w, r, f, err)
		return
	}
	page{
		Title: "Authentication Successful",
		Text:  "Authentication successful! This window will close automatically...",
		Tell: &tell{
			Messages: []message{{
				Data:    map[string]string{"type": "coder-oauth-success", "token": granted.access},
				Origins: h.listeners(f),
			}},
			Close: 500,
			Alone: "Authentication successful! You can close this window.",
		},
	}.serve(w, r, http.StatusOK, htmlUTF8)
	h.log.Info("OAuth authentication successful", zap.Bool("bridge", ours))
}

// callbackHead answers as GET would, without spending the code or ending a flow.
func (h *handler) callbackHead(w http.ResponseWriter, r *http.Request) {
	if single(parseQuery(r.URL.RawQuery), "code") == "" {
		missingCode(w, r)
		return
	}
	page{}.serve(w, r, http.StatusOK, htmlUTF8)
}

// missingCode is the answer of the published plugin, to the letter.
func missingCode(w http.ResponseWriter, r *http.Request) {
	quiet(w.Header())
	w.Header().Set("Content-Type", htmlUTF8)
	w.WriteHeader(http.StatusBadRequest)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte("Missing authorization code"))
	}
}

// refusedAtCoder tells that Coder, or the user there, said no. Older versions of Coder say it without a state.
func (h *handler) refusedAtCoder(w http.ResponseWriter, r *http.Request, jar *cookieJar, state string) {
	query := parseQuery(r.URL.RawQuery)
	f, _, ours := jar.flow(h.ring, state)
	if ours && f.Mode == bridgeMode {
		jar.end(state)
	} else if state == "" {
		pending := jar.pending(h.ring)
		if i := slices.IndexFunc(pending, func(p flow) bool { return p.Mode == bridgeMode }); i >= 0 {
			f = pending[i]
		}
	}
	// The text is for people; the code is for an app that listens.
	code, description := refusal(query, ours && f.Mode == bridgeMode)
	text := "Coder refused the sign-in (" + code + ")."
	if code == "access_denied" {
		text = "The sign-in was cancelled or denied at Coder."
	}
	if description != "" {
		text += " Coder says: " + description
	}
	h.log.Warn("sign-in refused at Coder", zap.String("error", code), zap.Bool("bridge", f.Mode == bridgeMode))
	h.olderFailure(w, r, http.StatusBadRequest, f, code, text)
}

// unknownState refuses a callback that was not begun here before anything is spent.
func (h *handler) unknownState(w http.ResponseWriter, r *http.Request, jar *cookieJar, expired bool) {
	text := "This sign-in was not started in this browser, or has been used already. Please start again from Backstage."
	if expired {
		text = "The sign-in took longer than ten minutes. Please start again from Backstage."
	}
	h.log.Warn("OAuth callback with a state that is not valid here", zap.Bool("expired", expired),
		zap.Strings("stateCookies", jar.flowNames()), zap.Bool("allowLegacyState", h.settings.allowLegacy))
	h.olderFailure(w, r, http.StatusForbidden, flow{}, "invalid_state", text)
}

// callbackFailed tells that the exchange did not work out: the fault is Coder's, so the status is a gateway's.
func (h *handler) callbackFailed(w http.ResponseWriter, r *http.Request, f flow, err error) {
	upstream, ok := errors.AsType[*upstreamError](err)
	if !ok {
		upstream = &upstreamError{kind: trouble, doing: "exchanging the code", err: err}
	}
	h.log.Error("OAuth token exchange failed", zap.String("deployment", h.older.app.deployment),
		zap.Int("status", upstream.status), zap.String("error", upstream.Error()), zap.String("hint", upstream.hint()))
	// The published texts where there were any; the others had axios's messages with internal addresses.
	text := strings.ToUpper(upstream.says()[:1]) + upstream.says()[1:] + ". Close this window and try again."
	if upstream.kind == nonsense {
		text = "Coder deployment did not respond with access token"
	}
	h.olderFailure(w, r, upstream.gateway(), f, cmp.Or(upstream.code, "temporarily_unavailable"), text)
}

// olderFailure shows why a sign-in failed and tells the opener too, which the published plugin never did. The
// window stays open, because the older frontend has no place where it would show the reason.
func (h *handler) olderFailure(w http.ResponseWriter, r *http.Request, status int, f flow, code, text string) {
	page{
		Title: "Authentication Failed", Heading: "Authentication failed", Text: text,
		Tell: &tell{
			Messages: []message{{
				Data:    map[string]string{"type": "coder-oauth-error", "error": code, "message": text},
				Origins: h.listeners(f),
			}},
			Alone: text,
		},
	}.serve(w, r, status, htmlUTF8)
}

// listeners are the origins that the opener may have: the one that the flow was begun from, when it is known.
func (h *handler) listeners(f flow) []string {
	// Checked again, for the allowed origins may have changed since the flow was begun.
	if f.Origin != "" && h.settings.allows(f.Origin) {
		return []string{f.Origin}
	}
	return h.settings.exactOrigins
}
