//go:build e2e

package e2e

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed signin/app.html
var appHTML string

var appPage = template.Must(template.New("app").Parse(appHTML))

// appBundle returns signin/app.jsx, bundled.
var appBundle = sync.OnceValues(func() ([]byte, error) { return bundled("signin", "app.jsx") })

// backendFolder returns the folder of the Node backend, with what npm installs.
var backendFolder = sync.OnceValues(func() (string, error) { return installed("backend", "index.js", "better-sqlite3") })

// relaySecret is the clientSecret of the Node backend's Coder provider.
const relaySecret = "e2e-secret-of-the-relay-0123456789"

// nodeBackend is a running Backstage backend. It issues the identities, and never talks to Coder.
type nodeBackend struct {
	url      string
	listener string // host:port of the host's internal listener
	log      strings.Builder
	command  *exec.Cmd
}

// startNode runs the Node backend, with a catalog that knows lin.
func startNode(t *testing.T) *nodeBackend {
	t.Helper()
	dir, err := backendFolder()
	if err != nil {
		t.Fatal(err)
	}
	n := &nodeBackend{listener: freeAddress(t)}
	n.url = "http://" + freeAddress(t)
	catalog := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.EqualFold(r.URL.Path, "/api/catalog/entities/by-name/user/default/lin") || r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":{"name":"NotFoundError","message":"no such entity"}}`)
			return
		}
		fmt.Fprint(w, `{"apiVersion":"backstage.io/v1alpha1","kind":"User","metadata":{"name":"lin","namespace":"default"},`+
			`"spec":{"memberOf":["team"]},"relations":[{"type":"memberOf","targetRef":"group:default/team"}]}`)
	}))
	folder := t.TempDir()
	config, documented := filepath.Join(folder, "app-config.yaml"), filepath.Join(folder, "app-config.coder.yaml")
	write(t, config, strings.NewReplacer("NODE", n.url, "CATALOG", catalog).Replace(`
app: { baseUrl: 'http://localhost:3000' }
backend:
  baseUrl: NODE
  database: { client: better-sqlite3, connection: ':memory:' }
discovery:
  endpoints:
    - { target: 'CATALOG/api/catalog', plugins: [catalog] }
`))
	write(t, documented, n.documented(t)[1])
	n.command = exec.Command("node", "index.js", "--config", config, "--config", documented)
	n.command.Dir, n.command.Stdout, n.command.Stderr = dir, &n.log, &n.log
	n.command.Env = append(os.Environ(), "NODE_ENV=production")
	if err := n.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.stop()
		if t.Failed() {
			t.Logf("the Node backend's log:\n%s", &n.log)
		}
	})
	waitFor(t, func() string { return "the Node backend becomes ready" }, func() bool {
		answer, err := http.Get(n.url + "/.backstage/health/v1/readiness")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return n
}

func (n *nodeBackend) stop() {
	_ = n.command.Process.Kill()
	_ = n.command.Wait()
}

// documented returns the configuration of both backends in docs/coder.md, with the addresses and the client of the test.
func (n *nodeBackend) documented(t *testing.T) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/coder.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Sign in to Backstage with Coder\n")
	section, _, _ = strings.Cut(section, "\n## ")
	values := strings.NewReplacer("${CODER_CLIENT_ID}", clientID, "${CODER_CLIENT_SECRET}", clientSecret, "${IDENTITY_SECRET}", relaySecret,
		"${SESSION_KEY}", "e2e-session-key-0123456789-0123456789", "https://coder.example.com", "CODER",
		"http://127.0.0.1:7008", n.url, "127.0.0.1:7008", strings.TrimPrefix(n.url, "http://"), "127.0.0.1:7017", n.listener)
	for block := range strings.SplitSeq(section, "\n\n") {
		if strings.HasPrefix(block, "    ") {
			blocks = append(blocks, values.Replace(strings.ReplaceAll(block[4:], "\n    ", "\n")))
		}
	}
	if len(blocks) != 2 {
		t.Fatalf("docs/coder.md has %d blocks of YAML, expected one for each backend", len(blocks))
	}
	return blocks
}

// user asks the Node backend whose token this is: it checks the token's signature and its life.
func (n *nodeBackend) user(t *testing.T, token string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/api/auth/v1/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got struct {
		Claims struct {
			Sub string
			Ent []string
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("the Node backend does not take its token: status %d, %v", answer.StatusCode, err)
	}
	return got.Claims.Sub + " " + strings.Join(got.Claims.Ent, ",")
}

// freeAddress returns an address of this machine that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	return socket.Addr().String()
}

// signInApp opens a Backstage app whose people sign in with Coder, before a host and a Node backend.
func signInApp(t *testing.T) (*tab, *stack, *nodeBackend) {
	t.Helper()
	if chromium.missing != "" {
		unable(t, chromium.missing)
	}
	if find("npm") == "" {
		unable(t, "there is no npm, which installs Backstage: install Node 20")
	}
	script, err := appBundle()
	if err != nil {
		t.Fatal(err)
	}
	node := startNode(t)
	values := struct{ Backend, Environment string }{Environment: "production"}
	app := localhost(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/app.js" {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write(script)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := appPage.Execute(w, values); err != nil {
			t.Error(err)
		}
	})))
	// The documented address is the default, which a test leaves alone.
	config := strings.Replace(node.documented(t)[0], "  identity:\n", "  identity:\n    listen: "+node.listener+"\n", 1)
	s := start(t, setup{app: app, config: config})
	values.Backend = s.backend
	return newProfile(t).open(app + "/"), s, node
}

// signInButton is the button of Backstage's sign-in page.
const signInButton = "#root button:not(#sign-out)"

// pressSignIn presses it, and returns Coder's consent page.
func (tb *tab) pressSignIn() *tab {
	tb.t.Helper()
	tb.click(signInButton)
	return tb.popup()
}

// TestSignInPage: Backstage's own SignInPage and app, and a Node backend from npm with Backstage's own resolver. The stand-in
// for Coder requires PKCE.
func TestSignInPage(t *testing.T) {
	t.Parallel()
	page, s, node := signInApp(t)
	popup := page.pressSignIn()
	popup.click("#user-lin")
	popup.click("#allow")
	const signedInAsLin = "document.body.dataset.user === 'user:default/lin'"
	page.wait(signedInAsLin)
	popup.closed()
	popup.clean()
	if got := page.dataset("owns"); got != "user:default/lin,group:default/team" {
		t.Errorf("lin owns %s", got)
	}
	first := page.dataset("token")
	if got := node.user(t, first); got != "user:default/lin user:default/lin,group:default/team" {
		t.Errorf("the token is that of %s", got)
	}
	page.do(chromedp.Reload())
	page.wait(signedInAsLin)
	if second := page.dataset("token"); second == first || node.user(t, second) == "" {
		t.Error("the identity was not issued anew")
	}
	page.click("#sign-out")
	page.wait("document.querySelector('" + signInButton + "')")
	page.clean(firstRefresh)
	if strings.Contains(s.log.String(), relaySecret) || strings.Contains(s.log.String(), first) {
		t.Error("the relay's secret or a token is in the host's log")
	}
}

// TestSignInPageShowsTheReason of a Node backend that does not know the user, and of one that is down.
func TestSignInPageShowsTheReason(t *testing.T) {
	t.Parallel()
	page, _, node := signInApp(t)
	popup := page.pressSignIn()
	popup.click("#user-sam")
	popup.click("#allow")
	page.wait("document.body.textContent.includes('Failed to sign-in, unable to resolve user identity.')")
	popup.closed()
	page.do(chromedp.Reload())
	page.wait("document.querySelector('" + signInButton + "')")
	node.stop()
	popup = page.pressSignIn()
	popup.click("#user-lin")
	popup.click("#allow")
	page.wait("document.body.textContent.includes('Failed to sign in to Backstage, its backend cannot be reached')")
	if got := page.dataset("user"); got != "" {
		t.Errorf("signed in as %s", got)
	}
}
