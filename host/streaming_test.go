package host_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// A plugin's events reach the client one by one, whatever it accepts. Events sent before a panic arrive.
func TestPluginStreamsEvents(t *testing.T) {
	for _, accept := range []string{"identity", "gzip, zstd"} {
		t.Run(accept, func(t *testing.T) {
			seen := make(chan struct{})
			h := plugintest.Open(t, "", plugin.Plugin{
				ID: "stream", Path: "/stream",
				New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
					env.Auth.Allow("/", backstageauth.Unauthenticated)
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Content-Type", "text/event-stream")
						_, _ = io.WriteString(w, "data: 1\n")
						w.(http.Flusher).Flush()
						select {
						case <-seen:
						case <-r.Context().Done():
						}
						panic("no more events")
					}), nil
				},
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // for a host that holds the event back
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL()+"/api/stream", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Encoding", accept)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			events := bufio.NewReader(answer.Body)
			if event, err := events.ReadString('\n'); err != nil || event != "data: 1\n" {
				t.Errorf("event %q, %v", event, err)
			}
			seen <- struct{}{}
			if rest, err := io.ReadAll(events); err == nil || len(rest) > 0 {
				t.Errorf("after the panic: %q, %v; want an answer that breaks off", rest, err)
			}
			if got := h.Log.String(); !strings.Contains(got, `panic="no more events"`) || !strings.Contains(got, "streaming_test.go:") || !strings.Contains(got, "\n\t") {
				t.Errorf("the panic's stack is not in the log, in lines of its own:\n%s", got)
			}
		})
	}
}
