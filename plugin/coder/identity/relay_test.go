package identity

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/understudy-host/understudy/pkg/memo"
)

func TestIdentityIsThatOfTheNodeBackend(t *testing.T) {
	n := newNode(t)
	r, logs := relay(t, options(n.URL))
	n.relay = r
	for _, env := range []string{"development", "staging"} {
		got, err := r.Identity(t.Context(), env, &wren)
		if err != nil || string(got) != issued {
			t.Fatalf("%s: %v: %s", env, err, got)
		}
	}
	if len(n.seen()) != 2 {
		t.Fatalf("%d requests for two identities", len(n.seen()))
	}
	for _, asked := range n.seen() {
		if asked.Method != http.MethodGet || len(asked.Cookies()) != 1 || asked.Header.Get("Authorization") != "" || len(asked.URL.Query()) != 1 {
			t.Errorf("%s %s with %v", asked.Method, asked.URL, asked.Header)
		}
		noSecrets(t, logs, asked.Cookies()[0].Value)
	}
	if !r.SignsIn("development") || r.SignsIn("production") || (*Relay)(nil).SignsIn("development") {
		t.Error("SignsIn")
	}
}

// TestNodeBackendFails has each way in which the Node backend can fail, with the status and the text for the app.
func TestNodeBackendFails(t *testing.T) {
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was followed to %s", r.Method, r.URL) }))
	defer foreign.Close()
	const strange = "Error: Failed to sign in to Backstage, its backend gave an answer that is not understood"
	tests := map[string]struct {
		fail   func(w http.ResponseWriter, r *http.Request) bool
		status int
		want   string // name and message
	}{
		"refuses":     {reply(401, unresolved), 401, "Error: Failed to sign-in, unable to resolve user identity."},
		"not allowed": {reply(401, `{"error":{"name":"AuthenticationError","message":"Refresh failed; caused by NotAllowedError: no","cause":{"name":"NotAllowedError","message":"no"}}}`), 401, "NotAllowedError: no"},
		"no such env": {reply(404, `{"error":{"name":"NotFoundError","message":"No configuration available for the 'x' environment of this provider."}}`), 401, "NotFoundError: No configuration available for the 'x' environment of this provider."},
		"no name":     {reply(403, `{"error":{"message":"no"}}`), 401, "Error: no"},
		"404 HTML":    {reply(404, "<h1>"+prose+"</h1>"), 502, strange},
		"404 JSON":    {reply(404, `{"message":"`+prose+`"}`), 502, strange},
		"500":         {reply(500, `{"error":{"name":"Error","message":"`+prose+`"}}`), 502, strange},
		"503":         {reply(503, prose), 502, strange},
		"204":         {reply(204, ""), 502, strange},
		"200 HTML":    {reply(200, "<h1>"+prose+"</h1>"), 502, strange},
		"no identity": {reply(200, `{"profile":{},"providerInfo":{}}`), 502, strange},
		"null":        {reply(200, `{"backstageIdentity":null}`), 502, strange},
		"no token":    {reply(200, `{"backstageIdentity":{"token":""}}`), 502, strange},
		"odd token":   {reply(200, `{"backstageIdentity":{"token":{}}}`), 502, strange},
		"an array":    {reply(200, `[1]`), 502, strange},
		"huge":        {reply(200, `{"backstageIdentity":`+issued+`,"padding":"`+strings.Repeat("x", maxAnswer)+`"}`), 502, strange},
		"huge headers": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			return true
		}, 502, "Error: Failed to sign in to Backstage, its backend cannot be reached"},
		"hangs up": {func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, 502, "Error: Failed to sign in to Backstage, its backend cannot be reached"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, foreign.URL, http.StatusFound)
			return true
		}, 502, strange},
		"redirects 307": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, foreign.URL, http.StatusTemporaryRedirect)
			return true
		}, 502, strange},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			r, _ := relay(t, options(n.URL))
			n.relay, n.fail = r, test.fail
			got, err := r.Identity(t.Context(), "development", &wren)
			e := err
			if got != nil || e.Reason.Status != test.status || e.Reason.Name+": "+e.Reason.Message != test.want || e.Hint == "" {
				t.Errorf("%s, status %d, %q, hint %q", got, e.Reason.Status, e.Reason.Name+": "+e.Reason.Message, e.Hint)
			}
			if len(n.seen()) != 1 {
				t.Errorf("%d requests with one handle", len(n.seen()))
			}
			for _, text := range []string{e.Reason.Message, e.Error()} {
				if strings.Contains(text, prose) || strings.Contains(text, n.URL) || strings.Contains(text, n.seen()[0].Cookies()[0].Value) {
					t.Errorf("%q", text)
				}
			}
		})
	}
}

func TestNodeBackendThatIsDown(t *testing.T) {
	n := newNode(t)
	r, _ := relay(t, options(n.URL))
	n.Close()
	_, err := r.Identity(t.Context(), "development", &wren)
	if e := err; e.Reason.Status != 502 || e.Reason.Message != "Failed to sign in to Backstage, its backend cannot be reached" || !strings.Contains(e.Hint, targetKey) {
		t.Errorf("status %d, %q, hint %q", e.Reason.Status, e.Reason.Message, e.Hint)
	}
}

// roundTrip is a transport in the test's own time.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNodeBackendThatIsSlow(t *testing.T) {
	for name, body := range map[string]io.ReadCloser{"no answer": nil, "half of an answer": hanging{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := offline(t, nil, nil)
				r.http = &http.Client{Transport: roundTrip(func(request *http.Request) (*http.Response, error) {
					if body == nil {
						<-request.Context().Done()
						return nil, request.Context().Err()
					}
					return &http.Response{StatusCode: 200, Body: hanging{request.Context()}}, nil
				})}
				began := time.Now()
				_, err := r.Identity(t.Context(), "development", &wren)
				if e := err; e.Reason.Status != 504 || e.Reason.Message != "Failed to sign in to Backstage, its backend did not answer in time" || time.Since(began) != maxTime {
					t.Errorf("after %s: status %d, %q", time.Since(began), e.Reason.Status, e.Reason.Message)
				}
			})
		})
	}
}

func TestAnswerWithoutEndIsNotRead(t *testing.T) {
	r, _ := offline(t, nil, nil)
	var endless flood
	r.http = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: &endless}, nil
	})}
	_, err := r.Identity(t.Context(), "development", &wren)
	if e := err; e.Reason.Status != 502 || !strings.Contains(e.Error(), "larger than 64 kB") || endless > maxAnswer+1 {
		t.Errorf("after %d bytes: %v", endless, err)
	}
}

// flood is a body that goes on for a gigabyte. It counts its bytes.
type flood int64

func (f *flood) Read(b []byte) (int, error) {
	if *f += flood(len(b)); *f > 1<<30 {
		return 0, io.EOF
	}
	return len(b), nil
}
func (f *flood) Close() error { return nil }

// hanging is a body that never ends.
type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) { <-h.ctx.Done(); return 0, h.ctx.Err() }
func (h hanging) Close() error             { return nil }

func TestHandleIsNeverSentTwice(t *testing.T) {
	n := newNode(t)
	r, _ := relay(t, options(n.URL))
	n.relay = r
	for range 3 { // connections that could be used again
		if _, err := r.Identity(t.Context(), "development", &wren); err != nil {
			t.Fatal(err)
		}
	}
	n.asked, n.fail = nil, func(w http.ResponseWriter, _ *http.Request) bool {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return true
		}
		_ = conn.Close()
		return true
	}
	if _, err := r.Identity(t.Context(), "development", &wren); err == nil || len(n.seen()) != 1 {
		t.Errorf("%v after %d requests", err, len(n.seen()))
	}
}

func TestCallsToTheNodeBackendAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := offline(t, nil, func(o *Options) { o.MaxCalls = 10 })
		var now, most atomic.Int64
		r.http = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(maxTime + time.Second)
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"backstageIdentity":` + issued + `}`))}, nil
		})}
		began := time.Now()
		var outcomes sync.Map
		var group sync.WaitGroup
		for i := range 30 {
			group.Go(func() {
				_, err := r.Identity(t.Context(), "development", &wren)
				outcomes.Store(i, [2]any{err, time.Since(began)})
			})
		}
		group.Wait()
		count := map[string]int{}
		outcomes.Range(func(_, value any) bool {
			outcome := value.([2]any)
			switch err, after := outcome[0].(*Error), outcome[1].(time.Duration); {
			case err == nil:
				count["answer"]++
			case err.Reason.Status == 503 && err.RetryAfter > 0 && after == 0:
				count["busy at once"]++
			case err.Reason.Status == 503 && after == maxTime:
				count["busy after the wait"]++
			}
			return true
		})
		if most.Load() != 10 || count["answer"] != 10 || count["busy at once"] != 10 || count["busy after the wait"] != 10 {
			t.Errorf("%d at once, %v", most.Load(), count)
		}
	})
}

func TestBrowserThatLeavesEndsTheCall(t *testing.T) {
	n := newNode(t)
	ctx, leave := context.WithCancel(t.Context())
	r, _ := relay(t, options(n.URL))
	n.fail = func(_ http.ResponseWriter, r *http.Request) bool { leave(); <-r.Context().Done(); return true }
	if _, err := r.Identity(ctx, "development", &wren); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestRandomKeyOutlivesAReload(t *testing.T) {
	o := options("http://node.invalid")
	o.Keys = nil
	kept := memo.New(nil, nil)
	var relays []*Relay
	for range 2 {
		g := newGeneration(t, kept)
		r, err := New(t.Context(), g.Environment, o, new(Listeners))
		if err != nil {
			t.Fatal(err)
		}
		relays = append(relays, r)
	}
	if status, _, _ := exchange(relays[1], clientID, relays[0].mustSeal(t, "development")); status != 200 {
		t.Errorf("the next generation: status %d", status)
	}
	stranger, _ := relay(t, o)
	if status, _, _ := exchange(stranger, clientID, relays[0].mustSeal(t, "development")); status != 400 {
		t.Errorf("another process: status %d", status)
	}
}

func TestReasonsAreClean(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"no such user", "no such user"},
		{"a\n\tb\x00c\u202ed", "a b c d"},
		{"request to http://catalog:7007/x failed", "request to … failed"},
		{"token " + strings.Repeat("eyJ", 100), "token …"},
		{"<b>&'", "<b>&'"},
	} {
		if got := clean(test.text); got != test.want {
			t.Errorf("%q: %q", test.text, got)
		}
	}
	long := clean(strings.Repeat("é ", 1000))
	if n := len([]rune(long)); n != maxReason || strings.IndexFunc(long, unicode.IsControl) >= 0 {
		t.Errorf("%d characters", n)
	}
}

func FuzzNodeAnswers(f *testing.F) {
	for _, body := range []string{unresolved, `{"error":{"message":"x","cause":null}}`, `[]`, ``} {
		f.Add(401, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		e := refused(status, []byte(body))
		text, err := json.Marshal(e.Reason)
		if err != nil || len(text) > 8*maxReason || e.Reason.Message == "" || e.Reason.Status != 401 && e.Reason.Status != 502 {
			t.Errorf("status %d: %s: %v", e.Reason.Status, text, err)
		}
	})
}
