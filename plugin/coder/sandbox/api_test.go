package sandbox

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMetadata(t *testing.T) {
	s := open(t, options())
	var got map[string]any
	document := send(t, "GET", s.CoderURL()+"/.well-known/oauth-authorization-server", "").body
	if err := json.Unmarshal([]byte(document), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "scopes_supported")
	want := map[string]any{
		"issuer":                                s.CoderURL(),
		"authorization_endpoint":                s.CoderURL() + "/oauth2/authorize",
		"token_endpoint":                        s.CoderURL() + "/oauth2/tokens",
		"revocation_endpoint":                   s.CoderURL() + "/oauth2/revoke",
		"response_types_supported":              []any{"code"},
		"grant_types_supported":                 []any{"authorization_code", "refresh_token"},
		"code_challenge_methods_supported":      []any{"S256"},
		"token_endpoint_auth_methods_supported": []any{"client_secret_basic", "client_secret_post"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestAPINeedsAToken(t *testing.T) {
	s := open(t, options())
	for _, path := range []string{"/api/v2/users/me", "/api/v2/workspaces"} {
		for name, headers := range map[string][]string{
			"none": {}, "unknown": {"Authorization", "Bearer aaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbb"},
			"basic": {"Authorization", "Basic eDp5"}, "empty": {"Coder-Session-Token", ""},
		} {
			got := send(t, "GET", s.CoderURL()+path, "", headers...)
			var body struct{ Message, Detail string }
			if err := json.Unmarshal([]byte(got.body), &body); err != nil {
				t.Fatal(err)
			}
			if got.status != 401 || body.Message != signedOut || body.Detail == "" ||
				!strings.HasPrefix(got.header.Get("WWW-Authenticate"), `Bearer realm="coder"`) {
				t.Errorf("%s with %s: %d %s", path, name, got.status, got.body)
			}
		}
	}
	if got := send(t, "GET", s.CoderURL()+"/api/v2/nowhere", ""); !got.is(404, "Route not found.") {
		t.Errorf("unknown route: %d %s", got.status, got.body)
	}
}

func TestWorkspaces(t *testing.T) {
	s := open(t, options())
	token := exchange(t, s, tokenForm(allow(t, s, "sam", ask()))).Access
	for query, want := range map[string][]string{
		"": {
			"catalog-api", "sam-dev", "search-reindex", "docs-site", "payments-spike",
		},
		"?q=owner:me": {
			"catalog-api", "sam-dev", "search-reindex", "docs-site", "payments-spike",
		},
		"?q=owner:dana":          {},
		"?q=dev":                 {"sam-dev"},
		"?q=name:API+owner:sam":  {"catalog-api"},
		"?q=owner:me+owner:dana": {},
	} {
		got := send(t, "GET", s.CoderURL()+"/api/v2/workspaces"+query, "", "Authorization", "Bearer "+token)
		var list struct {
			Workspaces []struct {
				ID, Name    string
				OwnerName   string `json:"owner_name"`
				LatestBuild struct {
					Status, WorkspaceID string
				} `json:"latest_build"`
				Health struct{ Healthy bool }
			}
			Count int
		}
		if err := json.Unmarshal([]byte(got.body), &list); err != nil || got.status != 200 {
			t.Fatalf("%s: %d %s %v", query, got.status, got.body, err)
		}
		names, ids := []string{}, map[string]bool{}
		for _, ws := range list.Workspaces {
			names = append(names, ws.Name)
			ids[ws.ID] = true
			if ws.OwnerName != "sam" || ws.LatestBuild.Status == "" || len(ws.ID) != 36 ||
				ws.Health.Healthy != (ws.Name != "sam-dev") {
				t.Errorf("%s: %+v", query, ws)
			}
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
		if len(ids) != len(names) {
			t.Errorf("%s: ids are not unique", query)
		}
	}
	got := send(t, "GET", s.CoderURL()+"/api/v2/workspaces?q=colour:red", "", "Authorization", "Bearer "+token)
	if !got.is(400, "Invalid workspace search query.") {
		t.Errorf("unknown key: %d %s", got.status, got.body)
	}
}

func TestAvatarIsAnImage(t *testing.T) {
	s := open(t, options())
	got := send(t, "GET", s.CoderURL()+"/avatars/dana.svg", "")
	if got.header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(got.body, ">DO<") {
		t.Errorf("%s %s", got.header.Get("Content-Type"), got.body)
	}
	for d := xml.NewDecoder(strings.NewReader(got.body)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if got := send(t, "GET", s.CoderURL()+"/avatars/nobody.svg", ""); got.status != 404 {
		t.Errorf("nobody: %d", got.status)
	}
}

// What the demo app passes on is GET, the path, the query and Authorization; nothing else.
func TestDemoProxy(t *testing.T) {
	o := options()
	var seen *http.Request
	o.Middleware = func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = r.Clone(r.Context())
			w.WriteHeader(http.StatusTeapot)
		})
	}
	s := open(t, o)
	got := send(t, "GET", s.DemoURL()+"/coder-api/v2/workspaces?q=owner%3Ame", "",
		"Authorization", "Bearer x", "Cookie", "a=b", "Coder-Session-Token", "y", "X-Other", "z")
	if got.status != http.StatusTeapot || seen == nil {
		t.Fatalf("status %d", got.status)
	}
	delete(seen.Header, "Accept-Encoding") // Go's transport adds it by itself
	want := http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer x"}}
	if diff := cmp.Diff(want, seen.Header); diff != "" || seen.URL.String() != "/api/v2/workspaces?q=owner%3Ame" {
		t.Errorf("%s (-want +got):\n%s", seen.URL, diff)
	}
	seen = nil
	for _, try := range [][2]string{
		{"POST", "/coder-api/v2/workspaces"},
		{"GET", "/coder-api/oauth2/tokens"},
		{"GET", "/coder-api/v2/../../oauth2/tokens"},
		{"GET", "/coder-api/v2/%2e%2e/%2e%2e/oauth2/tokens"},
		{"DELETE", "/coder-api/v2/users/me"},
	} {
		if got := send(t, try[0], s.DemoURL()+try[1], ""); got.status < 300 || seen != nil {
			t.Errorf("%s %s: %d reached the stand-in: %v", try[0], try[1], got.status, seen != nil)
		}
	}
}

func TestDemoPageKnowsItsPeers(t *testing.T) {
	o := options()
	o.BackendURL += "/base/"
	s := open(t, o)
	got := send(t, "GET", s.DemoURL()+"/", "")
	if !got.is(200, `data-backend="http://localhost:7007/base"`) || !got.is(200, `data-client-id="backstage"`) {
		t.Error(got.body)
	}
	csp := got.header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "connect-src 'self' http://localhost:7007;") || !strings.Contains(csp, "img-src 'self' "+s.CoderURL()+";") {
		t.Error(csp)
	}
	if strings.Contains(got.body, testSecret) {
		t.Error("the secret is in the page")
	}
}
