package coder

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/express"
)

func TestSignInAlwaysUsesPKCE(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	to, _ := url.Parse(br.get("/start?env=staging&scope=x,a|y").Header.Get("Location"))
	query := to.Query()
	if query.Get("code_challenge_method") != "S256" || len(query.Get("code_challenge")) != 43 || query.Get("scope") != "x a y b" {
		t.Errorf("asked for %v", query)
	}
	for name := range query {
		if !strings.Contains(" response_type client_id redirect_uri scope state code_challenge code_challenge_method ", " "+name+" ") {
			t.Errorf("Coder does not know the parameter %s", name)
		}
	}
	br.signIn("development") // the fake refuses a wrong verifier
	if verifier := b.coder.seen("/oauth2/tokens")[0].form.Get("code_verifier"); len(verifier) != 43 {
		t.Errorf("code_verifier of %d characters", len(verifier))
	}
}

func TestSignIn(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	said := br.signIn("development")
	if !strings.HasPrefix(said.token(), accessPrefix) || said.to() != appURL || said.Close != 100 {
		t.Errorf("the app gets %+v", said)
	}
	if who := said.Messages[1].Data.Response.Profile; who != (profileInfo{Email: "wren@example.com", Picture: "https://x.example/a.png", DisplayName: "Wren Tester"}) {
		t.Errorf("profile %+v", who)
	}
	if token := br.cookie("/refresh", refreshCookie); !strings.HasPrefix(token, refreshPrefix) {
		t.Errorf("refresh token cookie %q", token)
	}
	answer := br.refresh("development")
	if answer.StatusCode != 200 || !strings.Contains(answer.body, `"accessToken":"`+accessPrefix) || !strings.Contains(answer.body, `"scope":"","expiresInSeconds":3600`) {
		t.Errorf("refresh: status %d: %s", answer.StatusCode, answer.body)
	}
	if answer := br.logout("development"); answer.StatusCode != 200 || answer.body != "" || br.cookie("/refresh", refreshCookie) != "" {
		t.Errorf("logout: status %d, cookie %q", answer.StatusCode, br.cookie("/refresh", refreshCookie))
	}
	if answer := br.refresh("development"); answer.StatusCode != 401 || !strings.Contains(answer.body, "Refresh failed; caused by InputError: Missing session cookie") {
		t.Errorf("after logout: status %d: %s", answer.StatusCode, answer.body)
	}
}

// TestErrors is the table of Backstage's errors that need no sign-in.
func TestErrors(t *testing.T) {
	b := both(t)
	state := func(text string) string { return hex.EncodeToString([]byte(text)) }
	xhr := []string{"X-Requested-With", "XMLHttpRequest"}
	tests := []struct {
		method, path string
		headers      []string
		status       int
		want         string
	}{
		{"GET", "/start", nil, 400, `"InputError","message":"Must specify 'env' query to select environment"`},
		{"GET", "/start?env=", nil, 400, "Must specify 'env' query"},
		{"GET", "/start?env=nope", nil, 404, `"NotFoundError","message":"No configuration available for the 'nope' environment of this provider."`},
		{"GET", "/start?env=development&env=production", nil, 404, "the 'development,production' environment"},
		{"GET", "/start?env[a]=development", nil, 404, "the '[object Object]' environment"},
		{"GET", "/start?env=%ZZ", nil, 404, "the '%ZZ' environment"},
		{"GET", "/start?env=%FF+a", nil, 404, "the '%FF a' environment"},
		{"GET", "/start?env=a;b=c", nil, 404, "the 'a;b=c' environment"},
		{"GET", "/start?env[0]=a&env[][]=b", nil, 404, "the 'a,b' environment"},
		{"GET", "/start?" + strings.Repeat("a&", express.MaxParameters) + "env=development", nil, 400, "Must specify 'env' query"},
		{"GET", "/start?env=__proto__", nil, 404, "the '__proto__' environment"},
		{"GET", "/start?state=" + state("nonce=x&env=development"), nil, 400, "No env provided in request query parameters"},
		{"GET", "/start?env=development&origin=not-a-url", nil, 400, `"InputError","message":"App origin is invalid, failed to parse"`},
		{"GET", "/start?env=development&origin=https://evil.example", nil, 403, `"NotAllowedError","message":"Origin 'https://evil.example' is not allowed"`},
		{"GET", "/start?env=development&origin=javascript:alert(1)", nil, 403, "Origin 'null' is not allowed"},
		{"GET", "/start?env=development&origin=+" + appURL + "/x&flow=bridge", nil, 400, "Unknown flow"},
		{"GET", "/start?env=development&flow=bridge", nil, 400, "Unknown flow"},
		{"GET", "/handler/frame?code=x", nil, 400, "Must specify 'env' query"},
		{"GET", "/handler/frame?error=access_denied", nil, 400, "Must specify 'env' query"},
		{"GET", "/handler/frame?state=zz", nil, 403, `"NotAllowedError","message":"OAuth state is invalid, missing env"`},
		{"GET", "/handler/frame?state=" + state("env=development"), nil, 403, "OAuth state is invalid, missing nonce"},
		{"GET", "/handler/frame?state=" + state("env=nope&nonce=x"), nil, 404, "the 'nope' environment"},
		{"POST", "/refresh?env=development", nil, 401, `"AuthenticationError","message":"Invalid X-Requested-With header"`},
		{"POST", "/refresh?env=development", []string{"X-Requested-With", "xmlhttprequest"}, 401, "Invalid X-Requested-With"},
		{"POST", "/refresh?env=development", xhr, 401, `"cause":{"name":"InputError","message":"Missing session cookie"}`},
		{"POST", "/logout?env=development", nil, 401, "Invalid X-Requested-With header"},
		{"POST", "/logout?env=development", append(xhr, "Origin", "https://evil.example"), 403, "Origin 'https://evil.example' is not allowed"},
		{"POST", "/logout", xhr, 400, "Must specify 'env' query"},
		{"GET", "/logout?env=development", xhr, 404, `"NotFoundError","message":"Unknown auth provider 'coder'"`},
		{"PUT", "/refresh?env=development", xhr, 404, "Unknown auth provider 'coder'"},
		{"POST", "/start?env=development", nil, 404, "Unknown auth provider 'coder'"},
		{"GET", "/", nil, 404, "Unknown auth provider 'coder'"},
		{"GET", "/st%61rt?env=development", nil, 404, "Unknown auth provider 'coder'"},
		{"GET", "/handler%2Fframe?env=development", nil, 404, "Unknown auth provider 'coder'"},
	}
	for _, test := range tests {
		answer := b.browser(t).do(test.method, test.path, nil, test.headers...)
		if answer.StatusCode != test.status || !strings.Contains(answer.body, test.want) {
			t.Errorf("%s %s: status %d: %s", test.method, test.path, answer.StatusCode, answer.body)
		}
		if answer.Header.Get("Content-Type") != "application/json; charset=utf-8" || answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", test.method, test.path, answer.Header)
		}
	}
}

func TestFrameErrors(t *testing.T) {
	b := both(t)
	tests := map[string]struct{ query, want string }{
		"denied":             {"&error=access_denied&error_description=The+user+said+no", "Error: Authentication rejected, The user said no"},
		"denied, no words":   {"&error=access_denied", "Error: Authentication rejected, the sign-in was cancelled or denied at Coder"},
		"other error":        {"&error=server_error&error_description=sick", "Error: Authentication failed, sick"},
		"other, no words":    {"&error=server_error", "Error: Authentication failed, Coder answered with server_error"},
		"no code":            {"", "Error: Unexpected redirect"},
		"empty code":         {"&code=", "Error: Unexpected redirect"},
		"two codes":          {"&code=a&code=b", "Error: Authentication failed, the answer holds more than one code"},
		"unknown code":       {"&code=" + codePrefix + "x", "Error: Authentication failed, the Coder deployment refused with invalid_grant"},
		"markup in the text": {"&error=access_denied&error_description=%3Cb%3E%22%00x", "Error: Authentication rejected, <b>x"},
	}
	for name, test := range tests {
		br := b.browser(t)
		_, state := br.begin("/start?env=development&origin=https://other.example")
		answer := br.get("/handler/frame?state=" + state + test.query)
		said := answer.posted(t)
		if answer.StatusCode != 200 || said.failure() != test.want || said.to() != "https://other.example" || said.Close != 100 {
			t.Errorf("%s: status %d, the app gets %q at %q", name, answer.StatusCode, said.failure(), said.to())
		}
		if _, message, _ := strings.Cut(test.want, ": "); !strings.Contains(answer.visible(), message) {
			t.Errorf("%s: the popup shows %q", name, answer.visible())
		}
		if br.flows() != 0 {
			t.Errorf("%s: the flow is still pending", name)
		}
	}
}

func TestFrameUpstreamFailures(t *testing.T) {
	t.Parallel()
	b := both(t)
	impatient := b.impatient(t)
	for name, test := range upstreamFailures {
		t.Run(name, func(t *testing.T) {
			b.coder.set(func(f *fakeCoder) { f.token, f.me = test.token, nil })
			br := b.browser(t)
			callback, _ := br.begin("/start?env=development")
			if test.status == http.StatusGatewayTimeout {
				callback = strings.Replace(callback, b.URL, impatient.URL, 1)
			}
			answer := br.get(callback)
			if said := answer.posted(t); answer.StatusCode != 200 || !strings.HasPrefix(said.failure(), "Error: Authentication failed, ") || said.token() != "" {
				t.Errorf("token: status %d, the app gets %q", answer.StatusCode, said.failure())
			}
			if strings.Contains(answer.body, upstreamProse) {
				t.Errorf("Coder's words are shown: %s", answer.body)
			}
			if test.status == http.StatusGatewayTimeout || name == "error in a 200" || strings.Contains(name, "token") || strings.Contains(name, "control") {
				return // not a failure of the profile
			}
			b.coder.set(func(f *fakeCoder) { f.token, f.me = nil, test.token })
			if said := b.browser(t).signIn("development"); !strings.HasPrefix(said.failure(), "Error: Authentication failed, the Coder user profile could not be read: ") {
				t.Errorf("profile: the app gets %q", said.failure())
			}
		})
	}
}

// Recorded from the published module: an ID token is passed on, and a profile may have members of odd types.
func TestOddButUsableAnswersOfCoder(t *testing.T) {
	b := both(t)
	b.coder.set(func(f *fakeCoder) {
		f.token = failing(200, `{"access_token":"`+accessPrefix+`1","refresh_token":"`+refreshPrefix+`1","id_token":"a.b.c","expires_in":"60"}`)
		f.me = failing(200, `{"id":5,"username":"wren","name":null,"email":false,"avatar_url":""}`)
	})
	br := b.browser(t)
	page := br.signInPage("development")
	if who := page.posted(t).Messages[1].Data.Response.Profile; who != (profileInfo{DisplayName: "wren"}) {
		t.Errorf("profile %+v", who)
	}
	for _, body := range []string{page.body, br.refresh("development").body} {
		if !strings.Contains(body, `"idToken":"a.b.c"`) {
			t.Errorf("no ID token: %s", body)
		}
	}
}
