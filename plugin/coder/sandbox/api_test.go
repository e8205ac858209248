package sandbox

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
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
	for _, path := range []string{
		"/api/v2/users/me", "/api/v2/users/me/login-type", "/api/v2/workspaces", "/api/v2/workspacebuilds/x/parameters",
	} {
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

// The frontend plugin asks for the parameters of each build.
func TestBuildParametersAreThoseOfTheUsersOwnWorkspaces(t *testing.T) {
	s := open(t, options())
	token := exchange(t, s, tokenForm(allow(t, s, "sam", ask()))).Access
	other := exchange(t, s, tokenForm(allow(t, s, "lin", ask()))).Access
	var list struct {
		Workspaces []struct {
			Name        string
			LatestBuild struct{ ID string } `json:"latest_build"`
		}
	}
	got := send(t, "GET", s.CoderURL()+"/api/v2/workspaces", "", "Coder-Session-Token", token)
	if err := json.Unmarshal([]byte(got.body), &list); err != nil || len(list.Workspaces) == 0 {
		t.Fatal(err, got.body)
	}
	for _, ws := range list.Workspaces {
		parameters := s.CoderURL() + "/api/v2/workspacebuilds/" + ws.LatestBuild.ID + "/parameters"
		if got := send(t, "GET", parameters, "", "Coder-Session-Token", token); !got.is(200, `[{"name":"repo_url","value":"https://github.com/example/`+ws.Name+`"}]`) {
			t.Errorf("%s: %d %s", ws.Name, got.status, got.body)
		}
		if got := send(t, "GET", parameters, "", "Coder-Session-Token", other); got.status != 404 {
			t.Errorf("%s, for somebody else: %d %s", ws.Name, got.status, got.body)
		}
	}
	if got := send(t, "GET", s.CoderURL()+"/api/v2/users/me/login-type", "", "Coder-Session-Token", token); !got.is(200, `{"login_type":"password"}`) {
		t.Errorf("%d %s", got.status, got.body)
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
	if !strings.Contains(csp, "connect-src http://localhost:7007;") || !strings.Contains(csp, "img-src 'self' "+s.CoderURL()+";") {
		t.Error(csp)
	}
	if strings.Contains(got.body, testSecret) {
		t.Error("the secret is in the page")
	}
}
