package identity

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/httpclient"
	"github.com/understudy-host/understudy/pkg/memo"
	"github.com/understudy-host/understudy/pkg/seal"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// providerPath is where a Backstage backend has its Coder provider.
const providerPath = "/api/auth/coder"

// Limits of a call to the Node backend.
const (
	maxTime    = 10 * time.Second // with the wait for its turn
	maxAnswer  = 64 << 10
	retryAfter = 5 * time.Second // if there are too many
)

// Relay asks the Node backend for identities, and answers what that asks for. It belongs to one generation of the plugin.
// It is safe for concurrent use.
type Relay struct {
	options *Options
	log     *zap.Logger
	ring    *seal.Ring
	used    *memo.Value[used]
	slots   *upstream.Slots
	http    *http.Client
}

// New returns a relay, whose listener is open until the generation of env ends.
func New(ctx context.Context, env plugin.Environment, o *Options, l *Listeners) (*Relay, error) {
	keys := o.Keys
	if len(keys) == 0 {
		kept, err := memo.Of(env.Memo, "identity key", func() string { return rand.Text() + rand.Text() })
		if err != nil {
			return nil, err
		}
		kept.Do(func(text *string) { keys = [][]byte{[]byte(*text)} })
	}
	ring, err1 := seal.New(purpose, keys...)
	known, err2 := memo.Of(env.Memo, "used identity handles", func() used { return make(used) })
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	transport, _ := httpclient.New(httpclient.Options{DialTimeout: maxTime}) // package upstream warns of the same
	r := &Relay{options: o, log: env.Logger, ring: ring, used: known, slots: upstream.NewSlots(o.MaxCalls), http: &http.Client{
		Transport: transport,
		// A redirect would give the handle to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return r, l.use(ctx, env, r)
}

// Target returns the base URL of the Node backend.
func (r *Relay) Target() string { return r.options.Target }

// SignsIn reports whether an environment signs people in to Backstage. A nil relay signs nobody in.
func (r *Relay) SignsIn(env string) bool {
	if r == nil {
		return false
	}
	_, ok := r.options.Clients[env]
	return ok
}

// Owns reports whether a value is a handle of a relay. A browser has none.
func (r *Relay) Owns(value string) bool {
	if r == nil {
		return false
	}
	_, err := r.ring.Open(value, string(handle))
	return err == nil
}

// Identity returns the member backstageIdentity of Backstage's answers for the user with this profile, as the Node backend
// gives it. Each call makes a handle and one request.
func (r *Relay) Identity(ctx context.Context, env string, profile *upstream.Profile) (json.RawMessage, *Error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	if !r.slots.Take(ctx) {
		e := failure(http.StatusServiceUnavailable, "is asked by too many at once", errors.New("too many calls at once"),
			"see why the Node backend is slow, or raise coder.oauth.maxConcurrentCalls")
		e.RetryAfter = retryAfter
		return nil, e
	}
	defer r.slots.Release()
	sealed, err := r.seal(handle, env, *profile)
	if err != nil {
		return nil, failure(http.StatusBadGateway, "cannot be asked", err, "shorten it at Coder")
	}
	status, body, err := r.ask(ctx, env, sealed)
	if err != nil {
		return nil, noAnswer(err)
	}
	if status != http.StatusOK {
		return nil, refused(status, body)
	}
	var answer struct {
		Identity json.RawMessage `json:"backstageIdentity"`
	}
	var identity struct {
		Token string `json:"token"`
	}
	switch {
	case len(body) > maxAnswer:
		return nil, malformed(status, "it is larger than 64 kB")
	case json.Unmarshal(body, &answer) != nil || json.Unmarshal(answer.Identity, &identity) != nil || identity.Token == "":
		return nil, malformed(status, "it has no backstageIdentity with a token")
	}
	return answer.Identity, nil
}

// ask makes the request, once: on a connection of its own, net/http does not make it again.
func (r *Relay) ask(ctx context.Context, env, sealed string) (status int, body []byte, err error) {
	address := r.options.Provider() + "/refresh?env=" + url.QueryEscape(env)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	request.Close = true
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "understudy")
	request.Header.Set("X-Requested-With", "XMLHttpRequest")
	request.Header.Set("Cookie", "coder-refresh-token="+sealed)
	response, err := r.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	return response.StatusCode, body, err
}
