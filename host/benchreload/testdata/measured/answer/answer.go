// Package answer is the plugin whose code and configuration are changed.
package answer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"

	"github.com/gorilla/mux"

	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
)

const schema = `{
  "type": "object",
  "required": ["measured"],
  "properties": {
    "measured": {
      "type": "object",
      "required": ["word"],
      "properties": {"word": {"type": "string"}}
    }
  }
}`

// Plugin returns the plugin.
func Plugin() plugin.Plugin {
	return plugin.Plugin{ID: "measured", Path: "/measured", Schema: []byte(schema), New: newRouter}
}

func newRouter(_ context.Context, env plugin.Environment) (http.Handler, error) {
	env.Auth.Allow("/", backstageauth.Unauthenticated)
	word, err := env.Config.GetString("measured.word")
	if err != nil {
		return nil, err
	}
	arrivals, err := os.OpenFile(os.Getenv("MEASURED_ARRIVALS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	env.Lifecycle.OnShutdown(func(context.Context) error { return arrivals.Close() })
	router := mux.NewRouter()
	router.HandleFunc("/numbers", Numbers)
	router.HandleFunc("/answer", func(w http.ResponseWriter, r *http.Request) {
		_, err := fmt.Fprintln(arrivals, r.Header.Get("X-Id"))
		sent, readErr := io.Copy(io.Discard, r.Body)
		if err != nil || readErr != nil {
			http.Error(w, fmt.Sprint(err, readErr), http.StatusInternalServerError)
			return
		}
		// The version is in the head of the answer, at the start of the body and at its end.
		version := code + " " + word
		w.Header().Set("X-Version", version)
		_, _ = fmt.Fprintln(w, version)
		_ = http.NewResponseController(w).Flush()
		_, _ = fmt.Fprintln(w, strings.Repeat(".", 8<<10))
		_, _ = fmt.Fprintln(w, sent)
		_, _ = fmt.Fprintln(w, version)
	})
	return router, nil
}

// Numbers answers what the process holds, after a garbage collection.
func Numbers(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("stacks") {
		_ = pprof.Lookup("goroutine").WriteTo(w, 1)
		return
	}
	runtime.GC()
	debug.FreeOSMemory()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	_ = json.NewEncoder(w).Encode(map[string]uint64{
		"pid": uint64(os.Getpid()), "goroutines": uint64(runtime.NumGoroutine()), "heap": memory.HeapAlloc,
	})
}
