package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/plugin/plugintest"
)

// One line at the start names the keys of Backstage that nothing here reads.
func TestKeysWithoutEffectAreNamedInOneLine(t *testing.T) {
	h := plugintest.Open(t, `
backend: { database: { client: pg }, rateLimit: { window: 1s }, lifecycle: { startupRequestPauseTimeout: 1s }, cors: { origin: 'http://a' }, own: 1 }
auth: { environment: development }
catalog: { rules: [] }
jira: { url: x }
echo: {word: one}
`, echo())
	const want = `keys of Backstage that have no effect here keys=["backend.database","backend.lifecycle.startupRequestPauseTimeout","backend.rateLimit"]`
	if got := h.Log.String(); strings.Count(got, "have no effect here") != 1 || !strings.Contains(got, want) {
		t.Errorf("want one line with %s:\n%s", want, got)
	}
	h = plugintest.Open(t, "echo: {word: one}\n", echo())
	if got := h.Log.String(); strings.Contains(got, "have no effect here") {
		t.Errorf("without such keys:\n%s", got)
	}
}

// The log strikes out what Backstage's packages, or the app's schemas, call secret, also if nothing here reads it.
func TestSecretsOfTheAppAreNotLogged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "schema.json")
	schema := `{"schemas":[{"packageName":"a","path":"a","value":{"type":"object","properties":{"jira":{"type":"object","properties":{"word":{"type":"string","visibility":"secret"}}}}}}],"backstageConfigSchemaVersion":1}`
	if err := os.WriteFile(path, []byte(schema), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]string{
		"known":  "integrations: {github: [{host: g, token: canary-token}]}\n",
		"schema": fmt.Sprintf("jira: {word: canary-token}\nunderstudy: {schema: '%s'}\n", path),
	} {
		h := plugintest.Open(t, "echo: {word: one}\n"+config, echo())
		get(t, h.URL()+"/api/echo/canary-token")
		if got := h.Log.String(); strings.Contains(got, "canary-token") || !strings.Contains(got, "/api/echo/***") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}
