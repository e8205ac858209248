package wire

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/plugintest"
	"github.com/understudy-host/understudy/plugin/proxy"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}

// groups holds the configuration that the real peers of each group had.
var groups = map[string]string{"legacy": "subject.yaml", "provider": "subject.yaml", "host": "subject.yaml", "proxy": "subject.yaml", "tls": "tls.yaml"}

// secrets match what must not be in a log.
var secrets = map[string]*regexp.Regexp{
	"client secret":      regexp.MustCompile(clientKey),
	"access token":       regexp.MustCompile(`wire-access-token-\d+`),
	"refresh token":      regexp.MustCompile(`wire-refresh-token-\d+|big-[\w-]+-0\.1\.2\.|own-(single|[abd])\b`),
	"authorization code": regexp.MustCompile(`wire-code-\d+|c0de-[\w-]+|code=plain-[\w-]*`),
	"OAuth state":        regexp.MustCompile(`state=[0-9a-f]{60,}`),
	"nonce or cookie":    regexp.MustCompile(`coder-(nonce|refresh-token|state-[0-9a-f]+)=[^;\s"]+`),
	"nasty token":        regexp.MustCompile(regexp.QuoteMeta(nastyToken)),
	"user":               regexp.MustCompile(`wren@example\.com`),
}

func TestScenarios(t *testing.T) {
	list, err := readAllowances(filepath.Join("testdata", "allowed-differences.json"))
	if err != nil {
		t.Fatal(err)
	}
	if outside() != "" {
		list = nil
	}
	var logs []*plugintest.Log
	var played atomic.Int32
	var names []string
	for group, setup := range groups {
		scenarios, err := readScenarios(group)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range scenarios {
			names = append(names, s.name)
		}
		t.Run(group, func(t *testing.T) {
			rigs := newRigs(t, setup, &logs)
			for _, s := range scenarios {
				t.Run(strings.TrimPrefix(s.name, group+"/"), func(t *testing.T) {
					t.Parallel()
					judge(t, rigs, s, list)
					played.Add(1)
				})
			}
		})
	}
	var log strings.Builder
	for _, l := range logs {
		log.WriteString(l.String())
	}
	if outside() == "" && !strings.Contains(log.String(), "/api/auth/coder/") {
		t.Error("the requests are not in the log")
	}
	for kind, pattern := range secrets {
		if hits := pattern.FindAllString(log.String(), -1); hits != nil {
			t.Errorf("the log holds the %s %d times", kind, len(hits))
		}
	}
	for _, entry := range list {
		recorded := slices.Contains(names, entry.Scenario) || entry.Scenario == "*" || strings.HasSuffix(entry.Scenario, "/*")
		if int(played.Load()) == len(names) && entry.ours && recorded && entry.used.Load() == 0 {
			t.Errorf("an allowed difference is not needed any more: %s %s (%s)", entry.Scenario, entry.Field, entry.Why)
		}
	}
}

// judge plays a scenario and reports the differences that are not on the list. If there is a transcript of the newer
// auth library, the closer one of the two counts.
func judge(t *testing.T, rigs rigs, s *scenario, list []*allowance) {
	r := <-rigs
	defer func() { rigs <- r }()
	got, err := r.play(s)
	if err != nil {
		t.Fatal(err)
	}
	open := refused(list, s.name, compare(s.golden, got))
	if len(open) > 0 && s.next != nil && list != nil {
		if other := refused(list, s.name, compare(s.next, got)); len(other) <= len(open) {
			open = other
		}
	}
	for i, d := range open {
		if i == 8 {
			t.Errorf("… and %d more", len(open)-i)
			break
		}
		t.Errorf("%s:\n  golden %s\n  got    %s", d.field, d.golden, d.got)
	}
}

// outside returns the host:port of a server that was started by hand, or "". See the package comment.
func outside() string { return strings.TrimPrefix(os.Getenv("UNDERSTUDY_WIRE_TARGET"), "http://") }

// rigs is a pool. A rig that was taken from it belongs to the taker until it is put back.
type rigs chan *rig

func newRigs(t *testing.T, setup string, logs *[]*plugintest.Log) rigs {
	t.Helper()
	if target := outside(); target != "" {
		pool := make(rigs, 1)
		pool <- outsideRig(t, target, setup)
		return pool
	}
	pool := make(rigs, runtime.GOMAXPROCS(0))
	for range cap(pool) {
		pool <- newRig(t, setup, logs)
	}
	return pool
}

// newRig starts a fake Coder and a host that is configured for it.
func newRig(t *testing.T, setup string, logs *[]*plugintest.Log) *rig {
	t.Helper()
	c := startCoder(t, "127.0.0.1:0")
	text, err := os.ReadFile(filepath.Join("testdata", setup))
	if err != nil {
		t.Fatal(err)
	}
	config := string(bytes.ReplaceAll(text, []byte("CODER"), []byte(c.origin())))
	h := plugintest.OpenOptions(t, config, host.Options{
		Plugins: []plugin.Plugin{coder.Plugin(), proxy.Plugin()}, NotFound: http.HandlerFunc(coder.NotFound),
		Config: appconfig.Options{Environ: []string{"NODE_ENV=production", "LOG_LEVEL=debug"}},
	})
	*logs = append(*logs, h.Log)
	return &rig{target: strings.TrimPrefix(h.URL(), "http://"), backend: backendURL(h.URL(), setup), coder: c}
}

func outsideRig(t *testing.T, target, setup string) *rig {
	t.Helper()
	return &rig{target: target, backend: backendURL("http://"+target, setup), coder: startCoder(t, "127.0.0.1:7191")}
}

// backendURL returns backend.baseUrl.
func backendURL(served, setup string) *url.URL {
	if setup == "tls.yaml" {
		return &url.URL{Scheme: "https", Host: "backstage.example.com"}
	}
	u, err := url.Parse(served)
	if err != nil {
		panic(err)
	}
	u.Host = "localhost:" + u.Port()
	return u
}
