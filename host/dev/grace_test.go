//go:build unix

package dev_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// send sends a request as it is, and returns the connection.
func (w *workshop) send(request string) (net.Conn, *bufio.Reader) {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		w.t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// A part of a download must not look like the whole, whichever way its client knows the end.
func TestDownloadThatOutlivesTheGraceIsCut(t *testing.T) {
	w := newWorkshop(t).run().serves()
	bodies := make(map[string]io.Reader)
	for _, protocol := range []string{"HTTP/1.1", "HTTP/1.0"} {
		_, in := w.send("GET /download " + protocol + "\r\nHost: h\r\n\r\n")
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		bodies[protocol] = answer.Body
	}
	events, err := http.Get(w.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = events.Body.Close() }()
	w.version("two")
	w.reloaded("main.go")
	w.log.Wait(t, "ended     1 stream of the old program: older than 1s")
	w.log.Wait(t, "cut       2 answers of the old program: not complete after 1s")
	for protocol, body := range bodies {
		if text, err := io.ReadAll(body); string(text) != "a part" || err == nil {
			t.Errorf("%s: %q, %v: want a part, and an error", protocol, text, err)
		}
	}
	if _, err := io.ReadAll(events.Body); err != nil {
		t.Errorf("the event stream was cut: %v", err)
	}
	w.log.Wait(t, "stopped one")
}

// What the old program has not answered when the grace is over, it may answer until its own end.
func TestRequestWithoutAnswerHasTheTimeOfItsProgram(t *testing.T) {
	w := newWorkshop(t).run().serves()
	answered := make(chan string)
	go func() {
		status, body := w.get("/late")
		answered <- fmt.Sprint(status, " ", body)
	}()
	w.log.Wait(t, "late until the end")
	w.version("two")
	w.reloaded("main.go")
	w.log.Wait(t, "waiting   for 1 request that the old program has not answered after 1s")
	if got := <-answered; got != "200 one at last" {
		t.Errorf("answered %q", got)
	}
	w.log.Wait(t, "stopped one")
}

// An answer may begin before the request has ended, and go on in turn with it.
func TestRequestAndAnswerInTurn(t *testing.T) {
	w := newWorkshop(t).run().serves()
	conn, in := w.send("POST /talk HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na 1\r\n1\r\n\n\r\n")
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(answer.Body)
	if line, err := lines.ReadString('\n'); line != "one a 1\n" {
		t.Errorf("%q, %v", line, err)
	}
	w.version("two")
	w.reloaded("main.go")
	if _, err := io.WriteString(conn, "4\r\nb 2\n\r\n0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(lines); string(rest) != "one b 2\n" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}

// A program that ends again and again is started less and less often, and then no more.
func TestProgramThatEndsIsStartedAgainWithinBounds(t *testing.T) {
	w := newWorkshop(t).run().serves()
	for _, when := range []string{"in 100ms", "in 200ms", "in 400ms", "in 800ms", "in 1.6s"} {
		if status, body := w.get("/die"); status != http.StatusBadGateway || !strings.Contains(body, `"name":"BadGatewayError"`) {
			t.Errorf("%d %s", status, body)
		}
		w.log.Wait(t, "the program has ended, and is started again "+when)
		w.log.Wait(t, "serving ")
	}
	w.get("/die")
	w.log.Wait(t, "the program has ended: it is started again after a change, or with r")
	w.version("mended")
	w.log.Wait(t, "serving ")
	w.is("mended")
	w.get("/die")
	w.log.Wait(t, "the program has ended, and is started again in 100ms")
	w.log.Wait(t, "serving ")
}
