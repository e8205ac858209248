package appconfig_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/knadh/koanf/v2"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

// settings is a koanf provider, like those of koanf's collection.
type settings map[string]any

func (s settings) ReadBytes() ([]byte, error)    { return nil, errors.New("no bytes") }
func (s settings) Read() (map[string]any, error) { return s, nil }

var (
	_ koanf.Provider = settings{}
	_ koanf.Parser   = yaml.Parser{}
	_ koanf.Provider = appconfig.Layer{}
)

// Code that uses koanf itself can load the layers that Backstage's rules select, as values or as documents.
func TestLayersAreKoanfProviders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app-config.yaml"), "a: { b: 1, c: '${WORD}' }\n")
	config, err := appconfig.Load(t.Context(), appconfig.Options{RootDir: dir, Environ: []string{"WORD=file", "APP_CONFIG_a_b=2"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, parser := range map[string]koanf.Parser{"maps": nil, "text": yaml.Parser{}} {
		k := koanf.New(".")
		for _, layer := range config.Layers() {
			if err := k.Load(layer, parser); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(map[string]any{"a.b": 2.0, "a.c": "file"}, k.All()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestProvidersAreLayersAboveTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app-config.yaml"), "a: { b: 1, c: file }\n")
	config, err := appconfig.Load(t.Context(), appconfig.Options{
		RootDir:   dir,
		Providers: []appconfig.Provider{{Name: "vault", Provider: settings{"a": map[string]any{"b": 2, "d": []any{int64(3)}}}}},
		Environ:   []string{"APP_CONFIG_a_d=true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := config.Get("")
	if got := string(value.FormatJSON(v)); err != nil || got != `{"a":{"d":true,"b":2,"c":"file"}}` {
		t.Errorf("got %s, %v", got, err)
	}
	_, err = config.GetString("a.b")
	if want := "Invalid type in config for key 'a.b' in 'vault', got number, wanted string"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// watched is a koanf provider that reports its changes.
type watched struct {
	settings atomic.Value // of the type settings
	watches  chan func(event any, err error)
	ended    chan struct{}
}

func (w *watched) ReadBytes() ([]byte, error)    { return nil, errors.New("no bytes") }
func (w *watched) Read() (map[string]any, error) { return w.settings.Load().(settings), nil }
func (w *watched) Unwatch() error                { close(w.ended); return nil }

func (w *watched) Watch(callback func(event any, err error)) error {
	w.watches <- callback
	return nil
}

func TestWatchHonoursTheWatchOfAProvider(t *testing.T) {
	t.Parallel()
	provider := &watched{watches: make(chan func(any, error), 1), ended: make(chan struct{})}
	provider.settings.Store(settings{"a": 1})
	w := newWatching(t, map[string]string{"app-config.yaml": "b: 1\n"})
	w.options.Providers = []appconfig.Provider{{Name: "vault", Provider: provider}}
	t.Cleanup(func() { <-provider.ended }) // when the watch has ended
	w.start()
	changed := <-provider.watches

	provider.settings.Store(settings{"a": 2})
	changed(nil, nil)
	w.want(2.0)
	changed(nil, errors.New("the lease is over"))
	w.wantError("cannot watch vault: the lease is over")
	provider.settings.Store(settings{"a": 3})
	changed(nil, nil)
	w.want(3.0)
}

// A provider cannot be stopped, so the load does not wait for it.
func TestLoadDoesNotWaitForAProviderWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	free := make(chan struct{})
	defer close(free)
	_, err := appconfig.Load(ctx, appconfig.Options{
		RootDir: t.TempDir(), AllowMissingDefault: true,
		Providers: []appconfig.Provider{{Name: "vault", Provider: slow(func() {
			cancel()
			<-free
		})}},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// slow is a koanf provider that waits before it reads.
type slow func()

func (slow) ReadBytes() ([]byte, error)      { return nil, errors.New("no bytes") }
func (s slow) Read() (map[string]any, error) { s(); return nil, nil }

func TestKoanfUnmarshalsTheMergedConfig(t *testing.T) {
	t.Parallel()
	config, _ := mustLoad(t, map[string]string{
		"app-config.yaml":       "backend: { listen: { port: 7007, host: ~ }, origins: [a] }\n",
		"app-config.local.yaml": "backend: { listen: { port: 8080 }, origins: [b, c] }\n",
	})
	store, err := config.Koanf()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Listen  struct{ Port int }
		Origins []string
	}
	if err := store.Unmarshal("backend", &got); err != nil {
		t.Fatal(err)
	}
	if got.Listen.Port != 8080 || !cmp.Equal(got.Origins, []string{"b", "c"}) || store.Exists("backend.listen.host") {
		t.Errorf("got %+v, %v", got, store.Keys())
	}
}

// text is a koanf provider that returns a document.
type text string

func (d text) ReadBytes() ([]byte, error)  { return []byte(d), nil }
func (text) Read() (map[string]any, error) { return nil, errors.New("it wants a parser") }

func TestParserGivesOurYAMLToAnyKoanf(t *testing.T) {
	t.Parallel()
	store := koanf.New(".")
	if err := store.Load(text("a: {b:[0o7, yes]}"), yaml.Parser{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{7.0, "yes"}, store.Get("a.b")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	written, err := store.Marshal(yaml.Parser{})
	if err != nil || string(written) != `{"a":{"b":[7,"yes"]}}` {
		t.Errorf("written as %s, %v", written, err)
	}
	for document, want := range map[string]string{"[1]": "expected an object", "a: [": "at line 1, column 5"} {
		if err := store.Load(text(document), yaml.Parser{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", document, err, want)
		}
	}
	if err := store.Load(text(""), yaml.Parser{}); err != nil {
		t.Errorf("an empty document: %v", err)
	}
}
