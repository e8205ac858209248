package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/mux"
	"go.uber.org/goleak"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}

// options are those of a host with the given plugins.
func options(plugins ...plugin.Plugin) host.Options { return host.Options{Plugins: plugins} }

func get(t testing.TB, url string) (status int, body string, header http.Header) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

const echoSchema = `{"type": "object", "properties": {"echo": {"type": "object", "properties": {
	"word": {"type": "string"}, "password": {"type": "string", "visibility": "secret"}}}}}`

// echo is a plugin that answers with what it was given.
func echo() plugin.Plugin {
	return plugin.Plugin{ID: "echo", Path: "/echo", Schema: []byte(echoSchema), New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
		env.Auth.Allow("/", backstageauth.Unauthenticated)
		word, err := env.Config.GetString("echo.word")
		if err != nil {
			return nil, err
		}
		if word == "fail" {
			return nil, errors.New("config key 'echo.word' is fail, expected anything else")
		}
		password, _, err := env.Config.GetOptionalString("echo.password")
		if err != nil {
			return nil, err
		}
		_, foreign, err := env.Config.GetOptional("other.key")
		if err != nil {
			return nil, err
		}
		env.Logger.Info("set up with " + password)
		router := mux.NewRouter().SkipClean(true)
		router.HandleFunc("/word", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, word) })
		router.HandleFunc("/foreign", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, foreign) })
		router.HandleFunc("/base", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, env.BaseURL)
		})
		router.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("out of " + password) })
		router.HandleFunc("/late", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 4096))
			panic("late")
		})
		router.PathPrefix("/path").HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.URL.Path+" "+r.URL.EscapedPath()+" "+r.RequestURI)
		})
		return router, nil
	}}
}

func TestPluginIsServedBelowItsMount(t *testing.T) {
	h := plugintest.OpenOptions(t, "echo: {word: hello}\nother: {key: 1}\n", host.Options{
		Plugins: []plugin.Plugin{echo()}, NotFound: http.HandlerFunc(coder.NotFound),
	})
	for path, want := range map[string]string{
		"/api/echo/word":         "200 hello",
		"/API/Echo/word":         "200 hello",
		"/api/echo/foreign":      "200 false", // the plugin sees only what its schema declares
		"/api/echo/base":         "200 " + strings.Replace(h.URL(), "127.0.0.1", "localhost", 1) + "/api/echo",
		"/api/echo/path/a%2Fb?x": "200 /path/a/b /path/a%2Fb /api/echo/path/a%2Fb?x",
		"/api/echo%2Fword":       "404 ",
		"/api/echoes":            "404 ",
		"/api":                   "404 ",
		"/api/auth":              "404 ",
		"/":                      "404 ",
		"/api/%65cho/word":       "404 ",
		"/api/%61uth/github":     "404 ",
		"/api/auth/a%2Fb": `404 {"error":{"name":"NotFoundError","message":"Unknown auth provider 'a/b'"},` +
			`"request":{"method":"GET","url":"/a%2Fb"},"response":{"statusCode":404}}`,
		"/api/auth/github/start?code=s3cret": `404 {"error":{"name":"NotFoundError","message":"Unknown auth provider 'github'"},` +
			`"request":{"method":"GET","url":"/github/start?code=***"},"response":{"statusCode":404}}`,
	} {
		status, body, header := get(t, h.URL()+path)
		if got := fmt.Sprintf("%d %s", status, body); got != want {
			t.Errorf("GET %s: %s, want %s", path, got, want)
		}
		if body == "" && header.Get("Content-Type") != "" {
			t.Errorf("GET %s: an empty answer of type %s", path, header.Get("Content-Type"))
		}
		if header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: no security headers", path)
		}
	}
	if got := h.Log.String(); !strings.Contains(got, `Z echo           info  plugin mounted url="`) {
		t.Errorf("the plugin's log lines do not name it:\n%s", got)
	}
}

func TestSecretsOfTheSchemaAreNotLogged(t *testing.T) {
	h := plugintest.Open(t, "echo: {word: hello, password: open-sesame}\n", echo())
	get(t, h.URL()+"/api/echo/panic")
	if got := h.Log.String(); strings.Contains(got, "open-sesame") || !strings.Contains(got, "set up with ***") {
		t.Errorf("log:\n%s", got)
	}
}

func TestPanicOfAPluginIsItsOwn(t *testing.T) {
	h := plugintest.Open(t, "echo: {word: hello, password: open-sesame}\n", echo())
	status, body, header := get(t, h.URL()+"/api/echo/panic?code=s3cret")
	want := `{"error":{"name":"Error","message":"Internal Server Error"},"request":{"method":"GET","url":"/api/echo/panic?code=***"},"response":{"statusCode":500}}`
	if status != 500 || body != want || header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("answer %d %s %s\nwant 500 %s", status, header.Get("Content-Type"), body, want)
	}
	if got := h.Log.String(); !strings.Contains(got, "request handler panicked") || !strings.Contains(got, "host_test.go") || strings.Contains(got, "s3cret") {
		t.Errorf("the log does not tell of the panic, or tells too much:\n%s", got)
	}
	if answer, err := http.Get(h.URL() + "/api/echo/late"); err == nil {
		_, err = io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err == nil {
			t.Error("an answer that panicked half-way looks whole")
		}
	}
	if status, body, _ := get(t, h.URL()+"/api/echo/word"); status != 200 || body != "hello" {
		t.Errorf("after a panic: %d %s", status, body)
	}
}

func TestStartStopsAtProblems(t *testing.T) {
	panicky := plugin.Plugin{ID: "panicky", Path: "/panicky", Schema: []byte(`{}`), New: func(context.Context, plugin.Environment) (http.Handler, error) {
		panic("no")
	}}
	empty := plugin.Plugin{ID: "empty", Path: "/empty", Schema: []byte(`{}`), New: func(context.Context, plugin.Environment) (http.Handler, error) { return nil, nil }}
	twin := echo()
	twin.ID, twin.Path = "twin", "/echo/inner"
	for _, c := range []struct {
		name, yaml string
		plugins    []plugin.Plugin
		want       []string
	}{
		{"a missing key of a plugin", "other: 1\n", []plugin.Plugin{echo()}, []string{"plugin echo: Missing required config value at 'echo.word' in 'app-config.yaml'"}},
		{"problems of two plugins", "echo: {word: fail}\n", []plugin.Plugin{echo(), empty}, []string{
			"plugin echo: config key 'echo.word' is fail, expected anything else\n", "plugin empty: New returned no handler",
		}},
		{"a panic in New", "", []plugin.Plugin{panicky}, []string{"plugin panicky: panicked while it was set up: no"}},
		{"no base URL", "backend: {baseUrl: null}\n", nil, []string{"'backend.baseUrl'"}},
		{"a base URL that is none", "app: {baseUrl: localhost}\nbackend: {baseUrl: '/api', listen: 127.0.0.1:0}\n", nil, []string{
			"config key 'backend.baseUrl' in 'app-config.yaml'", "is not an absolute http or https URL, expected the URL at which",
		}},
		{"a base URL with a query", "backend: {baseUrl: 'http://localhost:7007/?a=b'}", nil, []string{
			"config key 'backend.baseUrl' in 'app-config.yaml': it has more than a host and a path",
		}},
		{"a base URL with a password", "backend: {baseUrl: 'http://a:b@localhost:7007'}", nil, []string{
			"config key 'backend.baseUrl' in 'app-config.yaml': it has more than a host and a path, expected",
		}},
		{"overlapping mounts", "echo: {word: hello}\n", []plugin.Plugin{echo(), twin}, []string{"plugin twin: at /echo/inner it conflicts with plugin echo at /echo"}},
		{"a value of the wrong type", "echo: {word: {}}\n", []plugin.Plugin{echo()}, []string{
			"must be string { type=string } at /echo/word in 'app-config.yaml'",
		}},
		{"a value in a list of the wrong type", "auth: {experimentalExtraAllowedOrigins: [a, {}]}\n", nil, []string{
			"at /auth/experimentalExtraAllowedOrigins/1 in 'app-config.yaml'",
		}},
		{"misspelt keys of our own", "understudy: {sandbx: {enabled: true}, session: {key: a}}\n", nil, []string{
			"config key 'understudy.sandbx' in 'app-config.yaml' is not one that this program knows",
			"{ additionalProperty=key } at /understudy/session in 'app-config.yaml'",
		}},
		{"a file that is not YAML", "a: [", nil, []string{"app-config.yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := plugintest.Start(t, c.yaml, options(c.plugins...))
			if err == nil {
				t.Fatal("the host starts")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "goroutine") {
				t.Errorf("the error holds a stack:\n%v", err)
			}
		})
	}
}

func TestRunFinishesRequestsAndThenRunsHooks(t *testing.T) {
	entered, release, answered := make(chan struct{}), make(chan struct{}), make(chan string, 1)
	hooks := make(chan string, 2)
	slow := plugin.Plugin{ID: "slow", Path: "/slow", New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
		env.Auth.Allow("/", backstageauth.Unauthenticated)
		for _, name := range []string{"one", "other"} {
			env.Lifecycle.OnShutdown(func(context.Context) error {
				select {
				case body := <-answered:
					answered <- body
				default:
					t.Error("a hook runs before the request in flight is answered")
				}
				hooks <- name
				return nil
			})
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			_, _ = io.WriteString(w, "finished")
			answered <- "finished"
		}), nil
	}}
	log := new(plugintest.Log)
	h := host.New(host.Options{Plugins: []plugin.Plugin{slow}, Log: log, Config: appconfig.Options{
		RootDir: t.TempDir(), AllowMissingDefault: true,
		Environ: []string{"APP_CONFIG_backend_baseUrl=http://localhost:0", "APP_CONFIG_backend_listen=127.0.0.1:0"},
	}})
	if h.URL() != "" {
		t.Errorf("before the start the URL is %s", h.URL())
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	log.Wait(t, "listening")
	body := make(chan string)
	go func() {
		_, got, _ := get(t, h.URL()+"/api/slow/x")
		body <- got
	}()
	<-entered
	stop()
	close(release)
	if got := <-body; got != "finished" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(hooks) != 2 {
		t.Errorf("%d hooks ran, want 2", len(hooks))
	}
	http.DefaultClient.CloseIdleConnections()
}

// They are logged if the start succeeds without a value, and if it fails because one is missing.
func TestUnsetVariablesAreNamed(t *testing.T) {
	for key, yaml := range map[string]string{
		"echo.password":               "echo: {word: hello, password: '${NOT_SET_HERE}'}\n",
		"echo.word":                   "echo: {word: '${NOT_SET_HERE}'}\n",
		"backend.auth.keys[0].secret": "backend: {auth: {keys: [{secret: '${NOT_SET_HERE}'}]}}\n",
	} {
		h, err := plugintest.Start(t, yaml, options(echo()))
		if (err == nil) != (key == "echo.password") {
			t.Errorf("%s is not set: %v", key, err)
		}
		if want := `variable="NOT_SET_HERE" keys=["` + key + `"]`; strings.Count(h.Log.String(), want) != 1 {
			t.Errorf("the log does not say %q once:\n%s", want, h.Log)
		}
	}
}

func TestConcurrentRequests(t *testing.T) {
	h := plugintest.Open(t, "echo: {word: hello}\n", echo())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if status, body, _ := get(t, h.URL()+"/api/echo/word"); status != 200 || body != "hello" {
					t.Errorf("%d %s", status, body)
				}
			}
		})
	}
	group.Wait()
}
