package backstageauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/understudy-host/understudy/pkg/discovery"
	"github.com/understudy-host/understudy/pkg/logging"
)

// The limits of the issuers of a kind together. A plugin's token names its issuer before it is checked, so anybody can name
// many.
const (
	maxIssuers  = 100
	maxFetches  = 8 // at once
	maxKeySet   = 256 << 10
	askBurst    = 60 // issuers that have never shown their keys, at once
	askInterval = time.Second
)

// issuers keeps the keys of issuers by URL.
type issuers struct {
	life    context.Context
	client  *http.Client
	warning error         // what is wrong with the roots of the client, or nil
	slots   chan struct{} // one for each fetch under way

	mu     sync.Mutex
	sets   map[string]*keySet
	used   map[string]time.Time
	asking *budget
}

func newIssuers(life context.Context, transport http.RoundTripper, warning error) *issuers {
	return &issuers{
		life: life, warning: warning, slots: make(chan struct{}, maxFetches),
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		sets: make(map[string]*keySet), used: make(map[string]time.Time),
		asking: &budget{burst: askBurst, interval: askInterval},
	}
}

// at returns the keys of the issuer that shows them at url. Those that were not used for the longest time make room,
// and before them those of issuers that have never shown any.
func (i *issuers) at(url string) *keySet {
	i.mu.Lock()
	defer i.mu.Unlock()
	set := i.sets[url]
	if set == nil {
		if len(i.sets) >= maxIssuers {
			i.evict()
		}
		set = &keySet{
			url: url, get: i.get, asking: i.asking, life: i.life, budget: &budget{burst: fetchBurst, interval: fetchInterval},
		}
		i.sets[url] = set
	}
	i.used[url] = time.Now()
	return set
}

func (i *issuers) evict() {
	oldest, found := "", false
	for url, set := range i.sets {
		empty, better := set.empty(), oldest == "" || i.used[url].Before(i.used[oldest])
		if empty && !found || empty == found && better {
			oldest, found = url, empty
		}
	}
	delete(i.sets, oldest)
	delete(i.used, oldest)
}

// get fetches a key set. Its errors hold no secrets of the URL, and nothing of the answer.
func (i *issuers) get(ctx context.Context, target string) ([]jose.JSONWebKey, error) {
	select {
	case i.slots <- struct{}{}:
		defer func() { <-i.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	keys, err := i.download(ctx, target)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("get keys from %s: %w", logging.URL(target), err), i.warning)
	}
	return keys, nil
}

func (i *issuers) download(ctx context.Context, target string) ([]jose.JSONWebKey, error) {
	address, err := discovery.Resolve(ctx, net.DefaultResolver, target)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the URL is malformed")
	}
	request.Header.Set("Accept", "application/json")
	answer, err := i.client.Do(request)
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err // the URL is in the error already
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d, expected 200", answer.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeySet {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxKeySet)
	}
	return parseKeys(data)
}
