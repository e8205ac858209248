package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMetadata(t *testing.T) {
	var serve http.HandlerFunc
	coder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r) }))
	defer coder.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pool := NewPool(ctx, Options{Timeout: time.Minute}, zap.NewNop())
	document := func(change map[string]any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			d := map[string]any{"issuer": coder.URL, "authorization_endpoint": coder.URL + "/a", "token_endpoint": coder.URL + "/t", "revocation_endpoint": coder.URL + "/r"}
			maps.Copy(d, change)
			_ = json.NewEncoder(w).Encode(d)
		}
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	fixed := endpoints{authorize: coder.URL + "/oauth2/authorize", token: coder.URL + "/oauth2/tokens", revoke: coder.URL + "/oauth2/revoke"}
	tests := map[string]struct {
		serve http.HandlerFunc
		want  endpoints
	}{
		"whole":          {document(nil), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/r", false, coder.URL, false}},
		"basic only":     {document(map[string]any{"token_endpoint_auth_methods_supported": []string{BasicAuth}}), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/r", true, coder.URL, false}},
		"in part":        {document(map[string]any{"revocation_endpoint": nil}), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/oauth2/revoke", false, coder.URL, false}},
		"another origin": {document(map[string]any{"token_endpoint": "https://evil.example/t"}), fixed},
		"user in URL":    {document(map[string]any{"token_endpoint": strings.Replace(coder.URL, "://", "://x@", 1) + "/t"}), fixed},
		"issuer":         {document(map[string]any{"issuer": coder.URL + "/", "authorization_response_iss_parameter_supported": true}), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/r", false, coder.URL + "/", true}},
		"other issuer":   {document(map[string]any{"issuer": "https://evil.example"}), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/r", false, "", false}},
		"issuer's path":  {document(map[string]any{"issuer": coder.URL + "/other"}), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/r", false, "", false}},
		"no issuer":      {document(map[string]any{"issuer": nil}), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/r", false, "", false}},
		"none":           {http.NotFound, fixed},
		"not JSON":       {body("<html>"), fixed},
		"too large":      {body(`{"token_endpoint":"` + coder.URL + `/t","x":"` + strings.Repeat("x", maxAnswer) + `"}`), fixed},
	}
	for name, test := range tests {
		serve = test.serve
		m := newMetadata(pool, coder.URL)
		m.update()
		if got := *m.known.Load(); got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// exchangeError returns the error of an exchange that Coder answers with status 400 and body.
func exchangeError(t *testing.T, ctx context.Context, body string) *Error {
	t.Helper()
	coder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(body))
	}))
	defer coder.Close()
	running, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := NewPool(running, Options{Timeout: time.Minute}, zap.NewNop()).Client(Application{ClientID: "a", ClientSecret: "secret", Deployment: coder.URL})
	_, err := c.exchange(ctx, Code{Code: "secret-code"})
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want an *Error", err)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "prose") {
			t.Errorf("the error repeats what was sent or answered: %v", e)
		}
	}
	return failure
}

func TestErrorsHoldCodersCodeAndNoBody(t *testing.T) {
	failure := exchangeError(t, t.Context(), `{"error":"invalid_grant","error_description":"prose"}`)
	if failure.Kind != Refused || failure.Code != "invalid_grant" || failure.Status != 400 || failure.UserText() != "the Coder deployment refused with invalid_grant" {
		t.Errorf("%+v: %s", failure, failure.UserText())
	}
	if want := "exchanging the code at Coder: status 400: invalid_grant"; failure.Error() != want {
		t.Errorf("the log says %q, want %q", failure.Error(), want)
	}
}

func TestErrorsHoldNothingThatIsNoErrorCode(t *testing.T) {
	if failure := exchangeError(t, t.Context(), `{"error":"secret-code"}`); failure.Code != "" || failure.Kind != Unavailable {
		t.Errorf("%+v", failure)
	}
}

func TestErrorsOfABrowserThatHungUp(t *testing.T) {
	closed, hangUp := context.WithCancel(t.Context())
	hangUp()
	failure := exchangeError(t, closed, "{}")
	if failure.Kind != Unreachable || failure.Hint() != "the browser went away before Coder was asked" {
		t.Errorf("%+v: %s", failure, failure.Hint())
	}
}

func TestFromTakesAnyError(t *testing.T) {
	failure := From(errors.New("broken"))
	if failure.Kind != Unavailable || failure.GatewayStatus() != 502 || !strings.HasSuffix(failure.Error(), ": broken") {
		t.Errorf("%+v: %v", failure, failure)
	}
}

func TestRefreshSendsOnlyWhatIsWanted(t *testing.T) {
	var form url.Values
	var header http.Header
	c := offline(t, func(r *http.Request) string {
		_ = r.ParseForm()
		form, header = r.PostForm, r.Header
		return `{"access_token":"a"}`
	})
	want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r0"}, "client_id": {""}, "client_secret": {""}}
	for scope, sent := range map[string][]string{"": nil, " ": nil, "a b": {"a b"}} {
		if _, err := c.refresh(t.Context(), "r0", scope); err != nil {
			t.Fatal(err)
		}
		want["scope"] = sent
		for _, name := range slices.Concat(slices.Collect(maps.Keys(form)), slices.Collect(maps.Keys(want))) {
			if name != "client_id" && name != "client_secret" && !slices.Equal(form[name], want[name]) {
				t.Errorf("scope %q: %s is %q, want %q", scope, name, form[name], want[name])
			}
		}
		// net/http would send a request again that may have been processed.
		if header.Get("Idempotency-Key")+header.Get("X-Idempotency-Key") != "" {
			t.Error("the refresh has an Idempotency-Key")
		}
	}
}

func TestTokensOfMoreThan16kBAreMalformed(t *testing.T) {
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		for length, ok := range map[int]bool{16 << 10: true, 16<<10 + 1: false} {
			c := offline(t, func(*http.Request) string {
				tokens := map[string]string{"access_token": "a", "refresh_token": "r"}
				tokens[name] = strings.Repeat("x", length)
				text, _ := json.Marshal(tokens)
				return string(text)
			})
			_, err := c.exchange(t.Context(), Code{Code: "code"})
			if (err == nil) != ok || err != nil && From(err).Kind != Malformed {
				t.Errorf("%s of %d bytes: %v", name, length, err)
			}
		}
	}
}
