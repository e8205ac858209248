package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRequestIsRepeatedOnceIfNothingWasSent(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	broken := errors.New("write: broken pipe")
	for name, test := range map[string]struct {
		body  string
		fails func(r *http.Request) error
		calls int
		pause time.Duration
	}{
		"refused":                     {"", func(*http.Request) error { return refused }, 2, pause},
		"refused with a body":         {"body", func(*http.Request) error { return refused }, 2, pause},
		"dead before the header":      {"body", func(*http.Request) error { return broken }, 2, 0},
		"dead, net/http has seen to":  {"", func(*http.Request) error { return broken }, 1, 0},
		"dead after a part of a body": {"body", func(r *http.Request) error { _, _ = r.Body.Read(make([]byte, 1)); return broken }, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, failing := 0, true
				var first io.Reader
				next := &transport{roundTripper(func(r *http.Request) (*http.Response, error) {
					calls++
					if failing {
						failing = false
						first = r.Body
						err := test.fails(r)
						if r.Body != nil {
							_ = r.Body.Close() // as net/http does
						}
						return nil, err
					}
					text := ""
					if r.Body != nil {
						if n, err := first.Read(make([]byte, 1)); n > 0 || err == nil {
							t.Error("the first attempt reads on in the body of the second")
						}
						all, err := io.ReadAll(r.Body)
						if err != nil {
							t.Error(err)
						}
						text = string(all)
					}
					return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Body": {text}}}, nil
				})}
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://backend/", strings.NewReader(test.body))
				if test.body == "" {
					r.Body = nil
				}
				begun := time.Now()
				answer, err := next.RoundTrip(r)
				if took := time.Since(begun); calls != test.calls || took != test.pause {
					t.Errorf("%d attempts in %s, want %d in %s", calls, took, test.calls, test.pause)
				}
				if (err == nil) != (test.calls == 2) || err == nil && answer.Header.Get("X-Body") != test.body {
					t.Errorf("answer %v, %v", answer, err)
				}
			})
		})
	}
}

func TestThirdAttemptIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		next := &transport{roundTripper(func(*http.Request) (*http.Response, error) {
			calls++
			return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		})}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://backend/", nil)
		if _, err := next.RoundTrip(r); err == nil || calls != 2 {
			t.Errorf("%d attempts, %v", calls, err)
		}
	})
}
