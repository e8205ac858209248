package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/duration"
)

const delayKey = "backend.lifecycle.serverShutdownDelay"

// farewell is how long Delay tells connections to close. A busy client then moves on without an error. Shutdown closes
// a connection between two answers, perhaps while the next request is on its way.
const farewell = time.Second

func readShutdownDelay(config *appconfig.Config) (time.Duration, error) {
	delay, err := duration.Read(config, delayKey)
	if err != nil {
		err = fmt.Errorf("config key '%s' in '%s': %w", delayKey, config.LayerOf(delayKey), err)
	}
	return delay, err
}

// Delay waits before a Shutdown while load balancers learn that readiness fails. The server answers everything until
// delay is over, on new connections too. For one more second each answer tells its connection to close. Delay returns
// at once if there is no delay, and when Shutdown is called.
func (s *Server) Delay(delay time.Duration) {
	if delay > 0 {
		s.wait(delay)
		s.leaving.Store(true)
		s.wait(farewell)
	}
}

func (s *Server) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.stopping:
	}
}

// saysFarewell adds "Connection: close" to answers while the server is leaving.
func (s *Server) saysFarewell(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Shutdown accepts no more connections and waits for the requests in flight. When ctx ends, it cuts them off.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were still in flight: %w", err), s.server.Close())
	}
	return nil
}
