package known_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig/known"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// The list is what the published schemas say: each kind of line is read as it was written.
func TestKeysKnowWhoMaySeeWhat(t *testing.T) {
	t.Parallel()
	const config = `{
		"app": {"title": "x", "extensions": [{"a": "x"}]},
		"backend": {"baseUrl": "x", "listen": "x", "database": {"client": "x", "connection": {"password": "x", "host": "x"}, "knexConfig": {"a": 1}},
			"auth": {"externalAccess": [{"type": "x", "options": {"token": "x"}}]}},
		"integrations": {"github": [{"host": "x", "token": "x"}]},
		"proxy": {"endpoints": {"/x": {"headers": {"Authorization": "x", "Other": "x"}}}},
		"jira": {"token": "x"}}`
	v, err := value.ParseJSON([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	known.Keys().Annotate(v, "", func(keyword, path, visibility string) { got[path] += keyword + " " + visibility })
	for path, want := range map[string]string{
		"/app/title": "visibility frontend", "/app/extensions": "deepVisibility frontend", "/backend/baseUrl": "visibility frontend", "/backend/listen": "",
		"/backend/database/client": "", "/backend/database/connection": "visibility secret", "/backend/database/connection/password": "visibility secret",
		"/backend/database/connection/host": "", "/backend/auth/externalAccess/0/options/token": "visibility secret", "/integrations/github/0/token": "visibility secret",
		"/integrations/github/0/host": "visibility frontend", "/proxy/endpoints/~x/headers/Authorization": "", "/proxy/endpoints//x/headers/Authorization": "visibility secret",
		"/proxy/endpoints//x/headers/Other": "", "/jira/token": "",
	} {
		if got[path] != want {
			t.Errorf("%s is %q, want %q", path, got[path], want)
		}
	}
}

func TestKeysKnowWhatMayBeWhere(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"backend.listen": true, "backend.lisen": false, "permission": true, "permissions": false, "backend.database.knexConfig.any.thing": true,
		"catalog.providers.github.one.organization": true, "catalog.providers.github.one.organisation": false, "proxy.endpoints./x.target": true,
		"app.title.deeper": true, "jira": false, "integrations.github.tokne": false,
	} {
		at := known.Keys()
		for name := range strings.SplitSeq(key, ".") {
			if at = at.Below(name); at == nil {
				break
			}
		}
		if (at != nil) != want {
			t.Errorf("%s is known: %v, want %v", key, at != nil, want)
		}
	}
}

// The file holds keys and letters, and the versions that it was made from: no texts of others.
func TestFileHoldsFactsAlone(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^(# Made by generate\.mjs .*|# @backstage/[a-z0-9-]+@\d+\.\d+\.\d+| *[^ ]+( [fs]?[FS]?o?)?)$`)
	packages := 0
	for each := range strings.Lines(string(text)) {
		if !line.MatchString(strings.TrimSuffix(each, "\n")) {
			t.Errorf("unexpected line %q", each)
		}
		if strings.HasPrefix(each, "# @backstage/") {
			packages++
		}
	}
	if packages < 70 {
		t.Errorf("made from %d packages", packages)
	}
}

func BenchmarkKeys(b *testing.B) {
	for b.Loop() {
		known.Keys()
	}
}
