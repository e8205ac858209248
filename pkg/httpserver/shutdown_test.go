package httpserver_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/httpserver"
)

func TestShutdownDelayHasBackstagesForms(t *testing.T) {
	const key = "  lifecycle: { serverShutdownDelay: "
	for text, want := range map[string]time.Duration{
		"": 0, key + "null }": 0, key + "0s }": 0,
		key + "'10s' }": 10 * time.Second, key + "3 seconds }": 3 * time.Second, key + "1.5 Mins }": 90 * time.Second,
		key + "500ms }": 500 * time.Millisecond,
		key + "PT10S }": 10 * time.Second, key + "PT1M0.5S }": 60500 * time.Millisecond, key + "'PT1,5S' }": 1500 * time.Millisecond,
		key + "{ seconds: 10 } }": 10 * time.Second, key + "{ minutes: 1, milliseconds: '5' } }": time.Minute + 5*time.Millisecond,
	} {
		o, err := options(t, text)
		if err != nil || o.ShutdownDelay != want {
			t.Errorf("%q: %v, %v, want %v", text, o.ShutdownDelay, err, want)
		}
	}
	for _, value := range []string{"10", "'10'", "soon", "-1s", "{}", "{ second: 1 }", "[1s]", "true", "PT"} {
		_, err := options(t, key+value+" }")
		if err == nil || !strings.Contains(err.Error(), "config key 'backend.lifecycle.serverShutdownDelay' in 'app-config.yaml'") {
			t.Errorf("%s: error %v, want one that names the key and the file", value, err)
		}
	}
}

// All is served until the delay is over, on new connections too. Then each answer tells its connection to close, and
// after a second nobody is left who would lose a request.
func TestDelayServesOnAndThenTellsConnectionsToClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := &pipes{connections: make(chan net.Conn)}
		server := httpserver.Serve(listener, nil, zap.NewNop(), http.HandlerFunc(notFound))
		kept, fresh := &http.Transport{DialContext: listener.dial}, &http.Transport{DialContext: listener.dial, DisableKeepAlives: true}
		defer kept.CloseIdleConnections()
		get := func(transport *http.Transport) (reused, told bool) {
			t.Helper()
			request := httptest.NewRequest("GET", server.URL(), nil).WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
			}))
			answer, err := transport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			body(t, answer)
			synctest.Wait()
			return reused, answer.Close
		}
		get(kept)
		begun := time.Now()
		var returned time.Duration
		go func() {
			server.Delay(10 * time.Second)
			returned = time.Since(begun)
		}()
		time.Sleep(9999 * time.Millisecond)
		get(fresh)
		if reused, told := get(kept); !reused || told {
			t.Errorf("at the end of the delay: the connection was kept: %v, told to close: %v", reused, told)
		}
		time.Sleep(2 * time.Millisecond)
		if reused, told := get(kept); !reused || !told {
			t.Errorf("after the delay: the connection was kept: %v, told to close: %v", reused, told)
		}
		get(fresh)
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := 11 * time.Second; returned != want {
			t.Errorf("Delay returned after %v, want %v", returned, want)
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestDelayEndsWithShutdown(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			server := httpserver.Serve(&pipes{connections: make(chan net.Conn)}, nil, zap.NewNop(), http.HandlerFunc(notFound))
			begun := time.Now()
			time.AfterFunc(time.Minute, func() { _ = server.Shutdown(t.Context()) })
			server.Delay(delay)
			if got := time.Since(begun); got != min(delay, time.Minute) {
				t.Errorf("a delay of %v took %v", delay, got)
			}
			if err := server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
