package appconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

const remoteTimeout = 30 * time.Second

// fetch reads a remote document.
func (l *loader) fetch(ctx context.Context, u *url.URL) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // it would repeat the URL
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
	client := l.options.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
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
