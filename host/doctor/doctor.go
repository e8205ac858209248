// Package doctor looks at what people find out only by a sign-in that fails: whether the servers that a backend needs
// answer as they should, and whether browsers reach the backend as its configuration says.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/httpclient"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/origin"
	"github.com/understudy-host/understudy/plugin"
)

// Limits of each request.
const (
	timeout   = 10 * time.Second
	maxAnswer = 1 << 20
)

// Run examines a backend with a configuration, and reports what it finds as it goes.
func Run(ctx context.Context, o host.Options, config *appconfig.Config, report func(plugin.Finding)) error {
	all, err := schema.Compile(o.Schemas()...)
	if err != nil {
		return err
	}
	transport, warning := httpclient.New(httpclient.Options{})
	defer transport.CloseIdleConnections()
	d := doctor{config: config, report: report, client: &http.Client{
		Transport: transport, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if warning != nil {
		d.say(plugin.Doubt, "NODE_EXTRA_CA_CERTS", "%v", warning)
	}
	_, err = httpserver.ReadOptions(config)
	if err := errors.Join(all.Validate(config), err); err != nil {
		d.misconfigured(err)
		return nil
	}
	var layers []string
	for _, layer := range config.Layers() {
		layers = append(layers, layer.Name)
	}
	d.say(plugin.Good, "the configuration", "%s, and it matches the schemas", strings.Join(layers, ", "))
	for _, x := range o.Extensions {
		if on, _ := x.Enabled(config); on {
			d.say(plugin.Skipped, "everything else", "%s is true, so %s stands in for the servers: leave that layer out with --config", x.Key, x.Name)
			return nil
		}
	}
	base, err := config.GetString("backend.baseUrl")
	if err != nil {
		d.say(plugin.Wrong, "the configuration", "%v, expected the URL at which browsers find this backend", err)
		return nil
	}
	base = strings.TrimRight(base, "/")
	if d.reachable(ctx, base) {
		d.cors(ctx, base)
	}
	d.fallback(ctx)
	if err := d.keys(ctx, o, base); err != nil {
		d.misconfigured(err)
	}
	for _, p := range o.Plugins {
		if p.Examine == nil {
			continue
		}
		own, err := schema.Compile(p.Source())
		if err != nil {
			return p.Named(err)
		}
		p.Examine(ctx, plugin.Environment{
			Logger: zap.NewNop(), Config: own.Scope(config), BaseURL: base + "/api" + p.Path, Lifecycle: new(plugin.Lifecycle),
		}, report)
	}
	return nil
}

type doctor struct {
	config *appconfig.Config
	report func(plugin.Finding)
	client *http.Client
}

func (d doctor) say(result plugin.Result, of, format string, args ...any) {
	d.report(plugin.Finding{Result: result, Of: of, Text: fmt.Sprintf(format, args...)})
}

// misconfigured reports each line of an error of the configuration.
func (d doctor) misconfigured(err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		d.say(plugin.Wrong, "the configuration", "%s", line)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get sends a request and returns the answer. The error does not repeat the URL.
func (d doctor) get(ctx context.Context, method, address string, header http.Header) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return answer{}, errors.New("it is no URL")
	}
	request.Header = header
	header.Set("User-Agent", "understudy")
	response, err := d.client.Do(request)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return answer{response.StatusCode, response.Header, body}, err
}

// reachable looks whether a backend answers at backend.baseUrl.
func (d doctor) reachable(ctx context.Context, base string) bool {
	of := "backend.baseUrl " + base
	got, err := d.get(ctx, http.MethodGet, base+"/.backstage/health/v1/readiness", http.Header{})
	switch {
	case err != nil:
		d.say(plugin.Wrong, of, "%v: start the host, or correct backend.baseUrl, the name or the proxy in front; browsers use this URL", err)
		return false
	case got.status == http.StatusServiceUnavailable:
		d.say(plugin.Doubt, of, "a backend answers, and is not ready: it starts or stops")
	case got.status != http.StatusOK:
		d.say(plugin.Doubt, of, "readiness has status %d: the proxy in front may keep /.backstage to itself", got.status)
	default:
		d.say(plugin.Good, of, "a backend answers, and is ready")
	}
	return true
}

// cors looks whether the app's origin may call the backend with credentials.
func (d doctor) cors(ctx context.Context, base string) {
	app, err := d.config.GetString("app.baseUrl")
	if err != nil {
		d.say(plugin.Wrong, "app.baseUrl", "%v, expected the URL at which browsers find the app", err)
		return
	}
	page, err := origin.Of(app)
	if err != nil {
		d.say(plugin.Wrong, "app.baseUrl", "%v", err)
		return
	}
	of := "calls from " + page
	if own, _ := origin.Of(base); own == page {
		d.say(plugin.Good, of, "the app is on the backend's origin")
		return
	}
	got, err := d.get(ctx, http.MethodOptions, base+"/api/", http.Header{
		"Origin": {page}, "Access-Control-Request-Method": {http.MethodPost}, "Access-Control-Request-Headers": {"x-requested-with"},
	})
	switch {
	case err != nil:
		d.say(plugin.Wrong, of, "%v", err)
	case got.header.Get("Access-Control-Allow-Origin") != page:
		d.say(plugin.Wrong, of, "the backend does not allow the app's origin: set backend.cors.origin to it")
	case got.header.Get("Access-Control-Allow-Credentials") != "true":
		d.say(plugin.Wrong, of, "the backend takes no cookies from the app: set backend.cors.credentials to true")
	default:
		d.say(plugin.Good, of, "the backend allows them, with credentials")
	}
}

// fallback looks at the Node backend that everything else goes to.
func (d doctor) fallback(ctx context.Context) {
	const key = "understudy.fallback.target"
	target, ok, err := d.config.GetOptionalString(key)
	if err != nil || !ok {
		d.say(plugin.Skipped, "the Node backend", "%s is not set", key)
		return
	}
	target = strings.TrimRight(target, "/")
	got, err := d.get(ctx, http.MethodGet, target+"/.backstage/health/v1/readiness", http.Header{})
	switch {
	case err != nil:
		d.say(plugin.Wrong, key, "%v: start the Node backend, or correct the URL", err)
	case got.status != http.StatusOK:
		d.say(plugin.Doubt, key, "the Node backend's readiness has status %d", got.status)
	default:
		d.say(plugin.Good, key, "the Node backend answers, and is ready")
	}
}
