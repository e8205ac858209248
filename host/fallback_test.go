package host_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// named is a backend that answers with its name and what it was asked for.
func named(t *testing.T, name string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, name+" "+r.RequestURI)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func fallback(target string) string {
	return "echo: {word: word}\nunderstudy: {fallback: {target: '" + target + "'}}\n"
}

func TestWhatNoPluginServesGoesToTheFallback(t *testing.T) {
	h := plugintest.Open(t, fallback(named(t, "node")), echo())
	for path, own := range map[string]bool{
		"/api/echo/word": true, "/api/echo": true, "/api/echo/nothing": true, "/API/ECHO/word": true, "/api/echo//word": true,
		// Some server could read these as the plugin's.
		"/api//echo/word": true, "/api/%65cho/word": true, "/api%2Fecho/word": true, "/api/x/../echo/word": true, "/api/./echo": true, "//api/echo": true,
		"/": false, "/api": false, "/api/": false, "/api/echoes": false, "/api/catalog/entities?filter=a": false, "/api/x/echo": false,
		"/api/catalog/x%2Fapi%2Fecho": false, "/api/echo-2/word": false, "/.backstage/health/v1/readiness": true, "/.backstage/other": false,
	} {
		_, body, header := get(t, h.URL()+path)
		if strings.HasPrefix(body, "node ") == own || !own && body != "node "+path || (header.Get("X-Frame-Options") != "") != own {
			t.Errorf("%s: %q %v", path, body, header)
		}
	}
	if !strings.Contains(h.Log.String(), "requests that no plugin serves go to the fallback") {
		t.Errorf("the log does not say where everything else goes:\n%s", h.Log)
	}
}

func TestWithoutAFallbackNothingIsPassedOn(t *testing.T) {
	h := plugintest.Open(t, "echo: {word: word}\nbackend: {trustProxy: nonsense}\n", echo())
	if status, body, header := get(t, h.URL()+"/api/catalog"); status != http.StatusNotFound || body != "" || header.Get("X-Frame-Options") == "" {
		t.Errorf("%d %q %v", status, body, header)
	}
}

func TestFallbackThatIsThisHostItselfIsRefused(t *testing.T) {
	_, err := plugintest.Start(t, "backend: {listen: '127.0.0.1:7', baseUrl: 'http://localhost:7'}\n"+fallback("http://localhost:7"), host.Options{Plugins: []plugin.Plugin{echo()}})
	if err == nil || !strings.Contains(err.Error(), "config key 'understudy.fallback.target' in '") || !strings.Contains(err.Error(), "is the address of this host itself") {
		t.Error(err)
	}
}

// Requests that run when the target changes end at the old one. No request fails, here or there.
func TestFallbackChangesWhileRequestsRun(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(entered)
			<-release
		}
		_, _ = io.WriteString(w, "old "+r.RequestURI)
	}))
	defer old.Close()
	h := plugintest.Open(t, fallback(old.URL), echo())
	waiting := make(chan string)
	go func() {
		_, body, _ := get(t, h.URL()+"/wait")
		waiting <- body
	}()
	<-entered
	var changed atomic.Bool
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				isChanged := changed.Load()
				status, body, _ := get(t, h.URL()+"/x")
				if status != http.StatusOK || body != "new /x" && (body != "old /x" || isChanged) {
					t.Errorf("%d %q", status, body)
				}
				if status, body, _ := get(t, h.URL()+"/api/echo/word"); status != http.StatusOK || body != "word" {
					t.Errorf("the plugin: %d %q", status, body)
				}
			}
		})
	}
	h.Write(fallback(named(t, "new")))
	h.Log.Wait(t, "the changed config is in use")
	changed.Store(true)
	if _, body, _ := get(t, h.URL()+"/x"); body != "new /x" {
		t.Errorf("after the change: %q", body)
	}
	h.Write(fallback("not a URL"))
	h.Log.Wait(t, "the changed config is not used")
	if _, body, _ := get(t, h.URL()+"/x"); body != "new /x" {
		t.Errorf("after a wrong change: %q", body)
	}
	close(stop)
	load.Wait()
	close(release)
	if body := <-waiting; body != "old /wait" {
		t.Errorf("the request in flight got %q", body)
	}
	h.Write("echo: {word: word}\n")
	h.Log.Wait(t, "the changed config is in use")
	if status, body, _ := get(t, h.URL()+"/x"); status != http.StatusNotFound || body != "" {
		t.Errorf("without a fallback: %d %q", status, body)
	}
}

// A stop does not wait for what has no end.
func TestStopEndsStreamsOfTheFallback(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			connection, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(io.Discard, connection)
			_ = connection.Close()
			return
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer backend.Close()
	h := plugintest.Open(t, fallback(backend.URL), echo())
	var answers []*http.Response
	for _, upgrade := range []string{"", "websocket"} {
		r, err := http.NewRequest(http.MethodGet, h.URL()+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		if upgrade != "" {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", upgrade)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	if err := h.Close(); err != nil { // after half a minute, if it waits
		t.Error(err)
	}
	for _, answer := range answers {
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A gigabyte goes through the host in each direction, and the memory of client, host and backend together hardly grows.
func TestGigabyteIsStreamedBothWays(t *testing.T) {
	const most = 20 << 20
	size := int64(1 << 30)
	if testing.Short() {
		size = 100 << 20
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.CopyN(w, zeros{}, size)
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
	}))
	defer backend.Close()
	h := plugintest.Open(t, fallback(backend.URL), echo())
	get(t, h.URL()+"/api/echo/word")
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, length := range []int64{size, -1} { // -1 is in chunks
		sent := size
		if length < 0 {
			sent /= 10
		}
		r, err := http.NewRequest(http.MethodPost, h.URL()+"/upload", io.LimitReader(zeros{}, sent))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil || string(body) != strconv.FormatInt(sent, 10) {
			t.Errorf("the backend got %s bytes, %v", body, err)
		}
	}
	answer, err := http.Get(h.URL() + "/download")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil || n != size {
		t.Errorf("the client got %d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > most { // what the system has ever given
		t.Errorf("the memory grew by %d bytes", grown)
	} else {
		t.Logf("the memory grew by %d bytes", grown)
	}
}
