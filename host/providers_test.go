package host_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
)

// vault is a koanf provider, as any of koanf's collection could be.
type vault map[string]any

func (v vault) ReadBytes() ([]byte, error) { return nil, errors.New("no bytes") }

func (v vault) Read() (map[string]any, error) {
	if len(v) == 0 {
		return nil, errors.New("sealed")
	}
	return v, nil
}

func TestProvidersAreLayersOfTheHost(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, baseConfig+"echo: {word: of the file, password: short}\n")
	for name, secrets := range map[string]vault{"open": {"echo": map[string]any{"word": "of the vault"}}, "sealed": nil} {
		log := new(lines)
		h := host.New(host.Options{
			RootDir: dir, Log: log, Environ: []string{"APP_CONFIG_echo_password=of the environment"},
			Providers: []appconfig.Provider{{Name: "vault", Provider: secrets}},
		})
		h.Add(echo())
		if secrets == nil {
			if err := h.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "vault") || !strings.Contains(err.Error(), "sealed") {
				t.Errorf("%s: the start says %v", name, err)
			}
			continue
		}
		open(t, h)
		if _, body, _ := get(t, h.URL()+"/api/echo/word"); body != "of the vault" {
			t.Errorf("%s: the word is %q", name, body)
		}
		if text := log.String(); !strings.Contains(text, "loaded config from app-config.yaml, vault, env") {
			t.Errorf("%s: the log does not name the layers:\n%s", name, text)
		}
	}
}
