//go:build unix

package dev_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/understudy-host/understudy/host/dev"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// workshop is a module with a program, and dev that runs it.
type workshop struct {
	t    *testing.T
	dir  string
	log  *plugintest.Log
	keys *io.PipeWriter
	url  string
	stop func() error // ends dev and returns what Run returned
}

// newWorkshop makes the module in a folder of its own and works there.
func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/main.go.txt")
	if err != nil {
		t.Fatal(err)
	}
	w := &workshop{t: t, dir: t.TempDir(), log: new(plugintest.Log)}
	w.write("go.mod", "module example.com/backend\n\ngo 1.26\n\nrequire github.com/understudy-host/understudy v0.0.0\n\nreplace github.com/understudy-host/understudy => "+root+"\n")
	w.write("main.go", string(text))
	w.write("app-config.yaml", "backend: {baseUrl: 'http://localhost:0', listen: '127.0.0.1:0'}\n")
	t.Chdir(w.dir)
	for name, value := range map[string]string{"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOWORK": "off"} {
		t.Setenv(name, value)
	}
	return w
}

func (w *workshop) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// version changes the program.
func (w *workshop) version(name string) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "main.go"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("main.go", versionLine.ReplaceAllString(string(text), `const version = "`+name+`"`))
}

var versionLine = regexp.MustCompile(`const version = .*`)

// run runs dev until the test ends.
func (w *workshop) run(change ...func(*dev.Options)) *workshop {
	w.t.Helper()
	in, keys := io.Pipe()
	w.keys = keys
	o := dev.Options{
		Name: "understudy", Package: ".", Args: []string{"--flag"}, In: in, Out: w.log, Grace: time.Second,
		Config: appconfig.Options{Targets: []string{filepath.Join(w.dir, "app-config.yaml")}},
	}
	for _, f := range change {
		f(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- dev.Run(ctx, o) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		_ = in.Close()
		err := <-ended
		http.DefaultClient.CloseIdleConnections()
		return err
	})
	w.t.Cleanup(func() {
		if err := w.stop(); err != nil {
			w.t.Errorf("dev: %v", err)
		}
		if w.t.Failed() {
			w.t.Logf("the terminal:\n%s", w.log)
		}
	})
	return w
}

// serves waits until the first child serves.
func (w *workshop) serves() *workshop {
	w.t.Helper()
	_, rest, _ := strings.Cut(w.log.Wait(w.t, "serving   built in "), " backend ")
	w.url = "http://" + strings.Fields(rest)[0]
	return w
}

// reloaded waits for the line that says that a file was reloaded.
func (w *workshop) reloaded(name string) {
	w.t.Helper()
	for !strings.HasSuffix(w.log.Wait(w.t, "reloaded  built in "), "  "+name) {
	}
}

// get returns the answer, or the error in place of it.
func (w *workshop) get(path string, headers ...string) (status int, body string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return answer.StatusCode, err.Error()
	}
	return answer.StatusCode, string(text)
}

func (w *workshop) is(want string) {
	w.t.Helper()
	if _, body := w.get("/"); !strings.HasPrefix(body, want+" ") {
		w.t.Errorf("answered %q, want version %s", body, want)
	}
}

func TestSavesAreServedWhateverTheEditorDoes(t *testing.T) {
	w := newWorkshop(t).run().serves()
	w.is("one")
	w.version("two") // in place
	w.reloaded("main.go")
	w.is("two")

	main := filepath.Join(w.dir, "main.go")
	text, _ := os.ReadFile(main)
	w.write("main.go.new", strings.Replace(string(text), "two", "three", 1)) // by a rename
	if err := os.Rename(main+".new", main); err != nil {
		t.Fatal(err)
	}
	w.reloaded("main.go")
	w.is("three")

	if err := os.Remove(main); err != nil { // gone for a while
		t.Fatal(err)
	}
	w.log.Wait(t, "the program does not build: the one before serves on")
	w.is("three")
	w.write("main.go", strings.Replace(string(text), "two", "four", 1))
	w.log.Wait(t, "reloaded  ")
	w.is("four")

	for _, name := range []string{"a", "b"} { // a swap of symbolic links
		w.write("releases/"+name+"/main.go.txt", strings.Replace(string(text), "two", "link-"+name, 1))
	}
	link := func(name string) {
		if err := os.Symlink(filepath.Join("releases", name), filepath.Join(w.dir, "next")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(w.dir, "next"), filepath.Join(w.dir, "current")); err != nil {
			t.Fatal(err)
		}
	}
	link("a")
	if err := os.Symlink("current/main.go.txt", main+".link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(main+".link", main); err != nil {
		t.Fatal(err)
	}
	w.reloaded("main.go")
	w.is("link-a")
	link("b")
	w.log.Wait(t, "reloaded  ")
	w.is("link-b")

	w.write("extra.go", "package main\n\nfunc init() { println(\"extra\") }\n") // a new file
	w.log.Wait(t, "extra")
	w.reloaded("extra.go")
	w.write("extra_test.go", "package main\n") // is no part of the program
	w.write("notes.txt", "notes")
	if _, err := fmt.Fprintln(w.keys, "r"); err != nil {
		t.Fatal(err)
	}
	if line := w.log.Wait(t, "reloaded  "); !strings.HasSuffix(line, "  on demand") {
		t.Errorf("a file that is no part of the program reloaded it: %s", line)
	}
	if strings.Contains(w.log.String(), "unchanged") {
		t.Error("a file that is no part of the program was built")
	}
}

func TestManySavesAreOneReload(t *testing.T) {
	w := newWorkshop(t).run().serves()
	for i := range 10 {
		w.version(fmt.Sprintf("burst-%d", i))
	}
	w.log.Wait(t, "starting burst-9")
	w.reloaded("main.go")
	w.is("burst-9")
	w.write("main.go", mustRead(t, "main.go")+"// a remark\n")
	w.log.Wait(t, "unchanged built in ")
	// A save while the build runs begins it anew. One while a child starts takes its place.
	w.version("slow")
	w.log.Wait(t, "starting slow")
	w.version("after")
	w.log.Wait(t, "starting after")
	w.reloaded("main.go")
	w.is("after")
}

func mustRead(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOldProgramServesWhileTheNewOneDoesNot(t *testing.T) {
	w := newWorkshop(t).run().serves()
	w.version("one\" + 1 + \"")
	w.log.Wait(t, "the program does not build: the one before serves on")
	w.log.Wait(t, "./main.go:20:")
	w.is("one")
	w.version("crashes")
	w.log.Wait(t, "the program did not start: the one before serves on")
	w.log.Wait(t, "cannot start: <no database>") // without the colours
	w.log.Wait(t, "(exit status 3)")
	w.is("one")
	w.version("two")
	w.reloaded("main.go")
	w.is("two")
}

func TestPageWhileNothingHasEverStarted(t *testing.T) {
	w := newWorkshop(t)
	w.version("crashes")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	w.url = "http://" + free.Addr().String()
	w.write("app-config.yaml", "backend: {baseUrl: 'http://localhost:0', listen: '"+free.Addr().String()+"'}\n")
	w.write("main.go", strings.ReplaceAll(mustRead(t, "main.go"), `"127.0.0.1:0"`, `"`+free.Addr().String()+`"`))
	w.run()
	w.log.Wait(t, "the program did not start")
	status, text := w.get("/")
	if status != 503 || !strings.Contains(text, "cannot start: <no database>\n") {
		t.Errorf("a script gets %d %q", status, text)
	}
	status, text = w.get("/", "Accept", "text/html,*/*")
	if status != 503 || !strings.Contains(text, "cannot start: &lt;no database&gt;") || !strings.Contains(text, `http-equiv="refresh"`) {
		t.Errorf("a browser gets %d %s", status, text)
	}
	w.version("mended")
	w.log.Wait(t, "serving   ")
	w.is("mended")
}

// A program that needs another configuration, or a package and a file that are written after what uses them.
func TestWhatIsMendedElsewhereIsNoticed(t *testing.T) {
	w := newWorkshop(t)
	main := mustRead(t, "main.go")
	w.write("main.go", strings.Replace(main, "\tparent, err :=", "\tif _, err := os.Stat(\"allowed\"); err != nil {\n\t\tfmt.Println(\"not allowed\")\n\t\tos.Exit(1)\n\t}\n\tparent, err :=", 1))
	w.run()
	w.log.Wait(t, "the program did not start")
	w.write("allowed", "")
	w.write("app-config.yaml", "backend: {baseUrl: 'http://localhost:0', listen: '127.0.0.1:0'}\napp: {title: another}\n")
	w.serves()
	w.is("one")
	w.write("main.go", strings.Replace(main, "const version = \"one\"", "const version = util.Version", 1))
	w.log.Wait(t, "does not build")
	w.write("main.go", strings.Replace(strings.Replace(main, "const version = \"one\"", "const version = util.Version", 1), "import (", "import (\n\t\"example.com/backend/util\"", 1))
	w.log.Wait(t, "example.com/backend/util")
	w.write("util/util.go", "package util\n\nconst Version = 1 +\n")
	w.log.Wait(t, "util.go:")
	w.write("util/util.go", "package util\n\nconst Version = \"from util\"\n")
	w.log.Wait(t, "reloaded  ")
	w.is("from util")
	w.write("util/embed.go", "package util\n\nimport _ \"embed\"\n\n//go:embed data/text.txt\nvar Text string\n")
	w.log.Wait(t, "no matching files found")
	w.write("util/data/text.txt", "text")
	w.log.Wait(t, "reloaded  ")
}

// Each request says how many came before it: a second arrival, or one that is lost, would show.
func TestNoRequestIsLostOrDoubledByReloads(t *testing.T) {
	w := newWorkshop(t).run().serves()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var mu sync.Mutex
	sent, longest, failures := 0, time.Duration(0), []string{}
	for i := range 8 {
		all.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			answers := bufio.NewReader(conn)
			for n := 0; ctx.Err() == nil; n++ {
				begin := time.Now()
				err := exchange(conn, answers, []string{"GET", "POST"}[(i+n)%2], fmt.Sprintf("/%d-%d", i, n))
				mu.Lock()
				sent++
				longest = max(longest, time.Since(begin))
				if err != nil {
					failures = append(failures, err.Error())
				}
				mu.Unlock()
				if err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond) // as a person's browser pauses
			}
		})
	}
	for i := range 5 {
		w.version(fmt.Sprintf("v%d", i))
		w.reloaded("main.go")
	}
	cancel()
	all.Wait()
	if len(failures) > 0 {
		t.Errorf("%d of %d failed: %s", len(failures), sent, failures[0])
	}
	_, body := w.get("/")
	if count := strings.Fields(body)[3]; count != fmt.Sprint(sent+1) {
		t.Errorf("%s requests have arrived, want %d", count, sent+1)
	}
	t.Logf("%d requests, the longest took %v", sent, longest)
}

// exchange sends a request and checks that the answer is wholly of one version.
func exchange(conn net.Conn, answers *bufio.Reader, method, path string) error {
	body := ""
	if method == "POST" {
		body = strings.Repeat("x", 100)
	}
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body); err != nil {
		return err
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	if got := strings.Fields(string(text)); err != nil || answer.StatusCode != 200 || len(got) < 4 || got[0] != answer.Header.Get("Version") || got[2] != path {
		return fmt.Errorf("%d %q %w", answer.StatusCode, text, err)
	}
	return nil
}

func TestStreamsAndUploadsGoOnAcrossASwap(t *testing.T) {
	w := newWorkshop(t).run(func(o *dev.Options) { o.Grace = 2 * time.Second }).serves()
	events, err := http.Get(w.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = events.Body.Close() }()
	lines := bufio.NewReader(events.Body)
	if line, _ := lines.ReadString('\n'); line != "data: one\n" {
		t.Errorf("event %q", line)
	}
	upgraded, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = upgraded.Close() }()
	echo := bufio.NewReader(upgraded)
	if _, err := fmt.Fprint(upgraded, "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := http.ReadResponse(echo, nil); err != nil || answer.StatusCode != 101 {
		t.Fatalf("%v %v", answer, err)
	}
	half, send := io.Pipe()
	uploaded := make(chan string)
	go func() {
		answer, err := http.Post(w.url+"/upload", "text/plain", half)
		if err != nil {
			uploaded <- err.Error()
			return
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		uploaded <- string(text)
	}()
	if _, err := io.WriteString(send, "first "); err != nil {
		t.Fatal(err)
	}
	w.version("two")
	w.reloaded("main.go")
	w.is("two")
	if _, err := io.WriteString(send, "second"); err != nil {
		t.Fatal(err)
	}
	_ = send.Close()
	if got := <-uploaded; !strings.HasPrefix(got, "one POST /upload ") || !strings.HasSuffix(got, "first second") {
		t.Errorf("the upload was answered with %q", got)
	}
	if _, err := fmt.Fprintln(upgraded, "hello"); err != nil {
		t.Fatal(err)
	}
	if line, err := echo.ReadString('\n'); line != "one hello\n" {
		t.Errorf("the upgraded connection says %q, %v", line, err)
	}
	w.log.Wait(t, "ended     2 streams of the old program: older than 2s")
	if rest, err := io.ReadAll(lines); err != nil {
		t.Errorf("the event stream was cut: %q, %v", rest, err)
	}
	if rest, err := io.ReadAll(echo); err != nil {
		t.Errorf("the upgraded connection was reset: %q, %v", rest, err)
	}
	w.log.Wait(t, "stopped one")
}

func TestRequestArrivesAsTheClientSentIt(t *testing.T) {
	w := newWorkshop(t).run().serves()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	for _, target := range []string{"/who", "/who?a=%zz&b=1;2&c", "/who?", "/who/../who?x=/..", "/who%2f..?q=a+b%20c", `/who?q="<>`} {
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: portal.example:80\r\nX-Forwarded-For: 203.0.113.7\r\nForwarded: for=x\r\nX-Forwarded-Proto: https\r\nTe: trailers\r\nAccept-Encoding: br\r\n\r\n", target); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode == http.StatusMovedPermanently || answer.StatusCode == http.StatusTemporaryRedirect { // ServeMux cleans it
			if !strings.Contains(target, "..") {
				t.Errorf("%s: %d", target, answer.StatusCode)
			}
			continue
		}
		want := conn.LocalAddr().String() + "\nportal.example:80\n" + target + "\n" + conn.RemoteAddr().String() + "\n" +
			"Accept-Encoding: br\r\nForwarded: for=x\r\nTe: trailers\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
		if !strings.HasPrefix(target, "/who%2f") && string(text) != want {
			t.Errorf("%s: arrived as\n%swant\n%s", target, text, want)
		} else if strings.HasPrefix(target, "/who%2f") && !strings.Contains(string(text), target) {
			t.Errorf("%s: arrived as %s", target, text)
		}
	}
}

// What net/http and its proxy would write in another way, or leave out.
func TestRequestAndAnswerAreNotTidiedUp(t *testing.T) {
	w := newWorkshop(t).run().serves()
	for request, want := range map[string]string{
		"ECHO //a|b//?%zz&<> HTTP/1.1\r\nHost: p:\r\n\r\n": "//a|b//?%zz&<> HTTP/1.1 p: false \n",
		"ECHO http://q/%7e/é HTTP/1.1\r\nHost: p\r\n\r\n":  "http://q/%7e/é HTTP/1.1 q false \n",
		"ECHO * HTTP/1.1\r\nHost: p\r\n\r\n":               "* HTTP/1.1 p false \n",
		"ECHO / HTTP/1.0\r\n\r\n":                          "/ HTTP/1.0  true \n",
		"ECHO / HTTP/1.1\r\nHost: p\r\nConnection: x-mine\r\nX-Mine: 1\r\nProxy-Authorization: b\r\n\r\n":               "/ HTTP/1.1 p false \nConnection: x-mine\r\nProxy-Authorization: b\r\nX-Mine: 1\r\n",
		"ECHO / HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n1\r\nx\r\n0\r\nSum: 9\r\n\r\n": "/ HTTP/1.1 p false x\nSum: 9\r\n",
	} {
		answer, header := w.raw(request)
		if !strings.HasSuffix(answer, "\r\n\r\n"+want) || strings.Contains(header, "Date") || strings.Contains(header, "Content-Type") || !strings.Contains(header, "Keep-Alive: timeout=7") {
			t.Errorf("%q: %q, want %q", request, answer, want)
		}
	}
}

// A child that does not want a body says so before the client sends it.
func TestChildDecidesWhetherToContinue(t *testing.T) {
	w := newWorkshop(t).run().serves()
	for method, want := range map[string]string{"REFUSE": "HTTP/1.1 417 ", "ECHO": "HTTP/1.1 100 Continue\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: p\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", method)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if !strings.HasPrefix(line, want) {
			t.Errorf("%s: %q %v, want %q", method, line, err, want)
		}
		_ = conn.Close()
	}
}

// raw sends a request as it is, and returns the answer and its header.
func (w *workshop) raw(request string) (answer, header string) {
	w.t.Helper()
	conn, reader := w.send(request)
	defer func() { _ = conn.Close() }()
	for !strings.HasSuffix(header, "\r\n\r\n") {
		line, err := reader.ReadString('\n')
		if header += line; err != nil {
			return header + err.Error(), header
		}
	}
	length := 0
	if _, after, ok := strings.Cut(header, "Content-Length: "); ok {
		_, _ = fmt.Sscan(after, &length)
	}
	body := make([]byte, length)
	_, _ = io.ReadFull(reader, body)
	return header + string(body), header
}

func TestRequestWhoseChildDiesIsNotSentAgain(t *testing.T) {
	w := newWorkshop(t).run().serves()
	if status, body := w.get("/cut"); status != 0 || !strings.Contains(body, "EOF") {
		t.Errorf("a connection that the child cuts: %d %s", status, body)
	}
	if status, body := w.get("/die"); status != http.StatusBadGateway {
		t.Errorf("%d %s", status, body)
	}
	w.log.Wait(t, "the program has ended, and is started again in 100ms")
	w.log.Wait(t, "panic: out of memory")
	if status, body := w.get("/"); status != http.StatusServiceUnavailable || !strings.Contains(body, "out of memory") {
		t.Errorf("%d %s", status, body)
	}
	w.log.Wait(t, "serving ")
	if _, body := w.get("/"); !strings.HasPrefix(body, "one GET / 2 ") {
		t.Errorf("%q, want the second request: the one that killed the child came once", body)
	}
}

func TestQuitEndsEverythingAtOnce(t *testing.T) {
	for name, quit := range map[string]func(*workshop){
		"q":      func(w *workshop) { _, _ = fmt.Fprintln(w.keys, "q") },
		"a stop": func(w *workshop) { _ = w.stop() },
		"in a swap": func(w *workshop) {
			w.version("slow")
			w.log.Wait(w.t, "starting slow")
			_ = w.stop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t)
			w.run().serves()
			quit(w)
			w.log.Wait(t, "stopped one")
			if err := w.stop(); err != nil {
				t.Error(err)
			}
			again, err := net.Listen("tcp", strings.TrimPrefix(w.url, "http://"))
			if err != nil {
				t.Errorf("the port is not free: %v", err)
			} else {
				_ = again.Close()
			}
		})
	}
}

func TestMistakesAreOneLine(t *testing.T) {
	w := newWorkshop(t)
	w.write("lib/lib.go", "package lib\n")
	w.write("empty/readme", "")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	w.write("taken.yaml", "backend: {listen: '"+taken.Addr().String()+"'}\n")
	for name, test := range map[string]struct {
		change func(*dev.Options)
		want   string
	}{
		"no main package": {func(o *dev.Options) { o.Package = "./lib" }, "./lib is package lib, expected a main package"},
		"no package":      {func(o *dev.Options) { o.Package = "./nowhere" }, "nowhere"},
		"no Go files":     {func(o *dev.Options) { o.Package = "./empty" }, "no Go files in"},
		"two":             {func(o *dev.Options) { o.Package = "./..." }, "expected a main package"},
		"the port": {
			func(o *dev.Options) { o.Config.Targets = []string{filepath.Join(w.dir, "taken.yaml")} },
			"is in use; stop the other program or set backend.listen.port",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := dev.Options{Package: ".", Out: io.Discard, Config: appconfig.Options{Targets: []string{filepath.Join(w.dir, "app-config.yaml")}}}
			test.change(&o)
			err := dev.Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, test.want)
			}
		})
	}
	if err := os.Remove("go.mod"); err != nil {
		t.Fatal(err)
	}
	if err := dev.Run(t.Context(), dev.Options{Package: ".", Out: io.Discard}); err == nil || !strings.Contains(err.Error(), "go.mod") {
		t.Errorf("without go.mod: %v", err)
	}
}

func TestConnectionOverTLSOutlivesASwap(t *testing.T) {
	w := newWorkshop(t)
	w.write("app-config.yaml", "backend: {baseUrl: 'https://localhost:0', listen: '127.0.0.1:0', https: true}\n")
	main := mustRead(t, "main.go")
	main = strings.Replace(main, "go server.Serve(listener)", `go server.Serve(tls.NewListener(listener, config()))`, 1)
	main = strings.Replace(main, "\t\"context\"\n", "\t\"context\"\n\t\"crypto/tls\"\n", 1)
	w.write("main.go", main)
	w.write("tls.go", `package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"time"
)

func config() *tls.Config {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
`)
	w.run().serves()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(w.url, "http://"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is self-signed
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	if err := exchange(conn, answers, "GET", "/a"); err != nil {
		t.Fatal(err)
	}
	first := conn.ConnectionState().PeerCertificates[0]
	w.version("two")
	w.reloaded("main.go")
	if err := exchange(conn, answers, "POST", "/b"); err != nil {
		t.Errorf("the connection does not outlive the swap: %v", err)
	}
	again, err := tls.Dial("tcp", strings.TrimPrefix(w.url, "http://"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is self-signed
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if !again.ConnectionState().PeerCertificates[0].Equal(first) {
		t.Error("the certificate that people have told their browsers to trust has changed")
	}
}

// However the parent ends, its children do.
func TestKilledParentLeavesNoChild(t *testing.T) {
	w := newWorkshop(t)
	temporary, err := os.MkdirTemp("/tmp", "t") // short, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temporary) })
	t.Setenv("TMPDIR", temporary)
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), parentVariable+"="+filepath.Join(w.dir, "app-config.yaml"))
	cmd.Stdout, cmd.Stderr = w.log, w.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(w.log.Wait(t, "starting one "))
	if err != nil {
		t.Fatal(err)
	}
	w.serves()
	w.is("one")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), "understudy-dev*"))
	if len(left) == 0 {
		t.Fatal("the folder of the killed parent is not found")
	}
	http.DefaultClient.CloseIdleConnections()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for syscall.Kill(pid, 0) == nil {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("the child lives on")
		}
	}
	if err := w.run().serves().stop(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "understudy-dev*")); len(left) > 0 {
		t.Errorf("the next parent does not clean up: %s", left)
	}
}

// A child of the test may also be a parent of the backend.
func TestMain(m *testing.M) {
	if config := os.Getenv(parentVariable); config != "" {
		err := dev.Run(context.Background(), dev.Options{Package: ".", Out: os.Stdout, Config: appconfig.Options{Targets: []string{config}}})
		fmt.Println(err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

const parentVariable = "UNDERSTUDY_DEV_TEST"
