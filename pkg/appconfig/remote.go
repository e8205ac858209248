package appconfig

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

const (
	remoteTimeout = 30 * time.Second
	maxRedirects  = 10
)

// userInURL matches the user and the password of a URL in an error.
var userInURL = regexp.MustCompile(`//[^\s"]*@`)

// fetch reads a remote document.
func (l *loader) fetch(ctx context.Context, u *url.URL) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // it would repeat the URL
		}
		if text := err.Error(); userInURL.MatchString(text) { // of a proxy, or of a redirect
			err = textError(userInURL.ReplaceAllString(text, "//***@"))
		}
		return nil, &LoadError{displayURL(u), err, true}
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return fail(errors.New("only http and https URLs can be read"))
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fail(err)
	}
	client := *l.client
	if client.CheckRedirect == nil {
		client.CheckRedirect = checkRedirect
	}
	response, err := client.Do(request)
	if err != nil {
		if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown && l.warning != nil {
			err = fmt.Errorf("%w; %w", errors.Unwrap(err), l.warning)
		}
		return fail(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fail(textError("Request failed with " + response.Status))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, value.MaxFileSize+1))
	if err != nil {
		return fail(err)
	}
	if len(text) > value.MaxFileSize {
		return fail(fmt.Errorf("larger than %d bytes", value.MaxFileSize))
	}
	return text, nil
}

// checkRedirect follows a redirect without a Referer, which would tell another server the query: it may hold a token. It
// does not leave https.
func checkRedirect(request *http.Request, via []*http.Request) error {
	request.Header.Del("Referer")
	switch {
	case len(via) >= maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case via[0].URL.Scheme == "https" && request.URL.Scheme != "https":
		return fmt.Errorf("refused a redirect from https to %s", request.URL.Scheme)
	}
	return nil
}

// documents holds the remote documents as they were last read, by URL.
type documents struct {
	fetch func(context.Context, *url.URL) ([]byte, error)
	mu    sync.Mutex
	known map[string]document
}

type document struct {
	text    []byte
	problem string // the error that was last reported
}

// read returns a remote document, from memory if it was read before.
func (d *documents) read(ctx context.Context, u *url.URL) ([]byte, error) {
	d.mu.Lock()
	known, ok := d.known[u.String()]
	d.mu.Unlock()
	if ok && known.text != nil {
		return known.text, nil
	}
	text, err := d.fetch(ctx, u)
	if err == nil {
		d.note(u, text, nil)
	}
	return text, err
}

// note records the result of reading a document, and reports whether it is new.
func (d *documents) note(u *url.URL, text []byte, err error) (news bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.known[u.String()]
	next := document{text: text}
	if err != nil {
		next = document{known.text, err.Error()}
	}
	d.known[u.String()] = next
	return next.problem != "" && next.problem != known.problem || !bytes.Equal(next.text, known.text)
}

// refresh is the result of reading the remote documents again.
type refresh struct {
	changed bool
	errs    []error // new ones
}

// refresh reads the remote documents again in the background, since a server may be slow. If one cannot be read, the
// last version is kept.
func (d *documents) refresh(ctx context.Context, targets []target) <-chan refresh {
	done := make(chan refresh, 1)
	go func() {
		var r refresh
		for _, t := range targets {
			if t.url == nil {
				continue
			}
			text, err := d.fetch(ctx, t.url)
			switch news := d.note(t.url, text, err); {
			case news && err != nil:
				r.errs = append(r.errs, err)
			case news:
				r.changed = true
			}
		}
		done <- r
	}()
	return done
}
