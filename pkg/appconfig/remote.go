package appconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"time"
)

const (
	defaultPoll   = time.Minute
	remoteTimeout = 30 * time.Second
)

// displayURL returns a URL as it may be shown: without a password and without its query, which may hold a token.
func displayURL(u *url.URL) string {
	shown := *u
	shown.RawQuery, shown.Fragment = "", ""
	return shown.Redacted()
}

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
	text, err := io.ReadAll(io.LimitReader(response.Body, maxFileSize+1))
	if err != nil {
		return fail(err)
	}
	if len(text) > maxFileSize {
		return fail(fmt.Errorf("larger than %d bytes", maxFileSize))
	}
	return text, nil
}

// loadURL loads a remote document. Nothing can be included into it, as in Backstage.
func (l *loader) loadURL(ctx context.Context, u *url.URL) (Layer, error) {
	name := displayURL(u)
	return loadLayer(name, name, &transformer{environ: l.environ}, func() ([]byte, error) { return l.remote(ctx, u) })
}

// loadFile loads a local file and all that it includes, and notes what it reads.
func (l *loader) loadFile(path string, files *files) (Layer, error) {
	t := &transformer{environ: l.environ, readFile: func(path string) (string, error) {
		text, err := files.read(path, `failed to include "%s", file does not exist`)
		return validUTF8(text), err
	}}
	read := func() ([]byte, error) { return files.read(path, `Config file "%s" does not exist`) }
	return loadLayer(filepath.Base(path), path, t, read)
}

// loadLayer reads, parses and transforms a document. An empty file is no layer at all: it has no data.
func loadLayer(name, path string, t *transformer, read func() ([]byte, error)) (layer Layer, err error) {
	remote := t.readFile == nil
	layer = Layer{Name: name, Path: path}
	layer.Data, err = load(read, func(text []byte) (object *Object, err error) {
		value, pos, err := parseYAML(validUTF8(text), &source{path: path})
		if err != nil || value == nil && !remote {
			return nil, err
		}
		if value == nil {
			err = errors.New("configuration data is null")
		} else {
			object, err = t.document(value, pos, scope{filepath.Dir(path), &include{path: path}})
		}
		if err != nil {
			err = &LoadError{path, err, remote}
		}
		return object, err
	})
	layer.unset = t.unset
	return layer, err
}
