package host_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// vault is a koanf provider, like those of koanf's collection.
type vault map[string]any

func (v vault) ReadBytes() ([]byte, error) { return nil, errors.New("no bytes") }

func (v vault) Read() (map[string]any, error) {
	if len(v) == 0 {
		return nil, errors.New("sealed")
	}
	return v, nil
}

func TestProvidersAreLayersOfTheHost(t *testing.T) {
	for name, secrets := range map[string]vault{"open": {"echo": map[string]any{"word": "of the vault"}}, "sealed": nil} {
		h, err := plugintest.Start(t, "echo: {word: of the file, password: short}\n", host.Options{
			Plugins: []plugin.Plugin{echo()},
			Config: appconfig.Options{
				Environ:   []string{"APP_CONFIG_echo_password=of the environment"},
				Providers: []appconfig.Provider{{Name: "vault", Provider: secrets}},
			},
		})
		if secrets == nil {
			if err == nil || !strings.Contains(err.Error(), "vault") || !strings.Contains(err.Error(), "sealed") {
				t.Errorf("%s: the start says %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, body, _ := get(t, h.URL()+"/api/echo/word"); body != "of the vault" {
			t.Errorf("%s: the word is %q", name, body)
		}
		if log := h.Log.String(); !strings.Contains(log, `["defaults.yaml","app-config.yaml","vault","env"]`) {
			t.Errorf("%s: the log does not name the layers:\n%s", name, log)
		}
	}
}

// Nothing tells the host of a change in a provider that does not watch its source.
func TestReloadReadsProvidersAgain(t *testing.T) {
	var word atomic.Value
	word.Store("one")
	h := plugintest.OpenOptions(t, "", host.Options{Plugins: []plugin.Plugin{echo()}, Config: appconfig.Options{
		Providers: []appconfig.Provider{{Name: "vault", Provider: reading(func() (map[string]any, error) {
			return map[string]any{"echo": map[string]any{"word": word.Load()}}, nil
		})}},
	}})
	for _, next := range []string{"two", "three"} {
		word.Store(next)
		h.Reload()
		h.Log.Wait(t, "reading the configuration again")
		h.Log.Wait(t, "the changed config is in use")
		if _, body, _ := get(t, h.URL()+"/api/echo/word"); body != next {
			t.Errorf("the word is %q, want %q", body, next)
		}
	}
}

// reading is a provider made of a function.
type reading func() (map[string]any, error)

func (reading) ReadBytes() ([]byte, error)      { return nil, errors.New("no bytes") }
func (r reading) Read() (map[string]any, error) { return r() }
