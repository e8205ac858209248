package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// answer is the answer to one request. A status of 0 means that there is none; outcome says why.
type answer struct {
	outcome string
	status  int
	header  map[string][]string // names in lower case
	body    []byte              // uncompressed
}

func (a *answer) first(name string) string {
	if values := a.header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// send sends a request exactly as given. It adds Content-Length and Connection: close, nothing else, and does not
// follow redirects.
func send(address, method, path string, header map[string]string, body *string) *answer {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\n", method, path)
	framed := false
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(&out, "%s: %s\r\n", name, header[name])
		framed = framed || strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Transfer-Encoding")
	}
	text := ""
	if body != nil {
		text = *body
	}
	if !framed && (body != nil || method == http.MethodPost || method == http.MethodPut) {
		fmt.Fprintf(&out, "Content-Length: %d\r\n", len(text))
	}
	out.WriteString("Connection: close\r\n\r\n" + text)
	return sendRaw(address, method, out.String())
}

// sendRaw sends text and reads the first answer.
func sendRaw(address, method, text string) *answer {
	conn, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		return &answer{outcome: "connection failed: " + err.Error()}
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	// A server may answer and close before it has read everything. Then the answer counts, not the failed write.
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, text)
	}()
	defer func() { <-written }()
	defer func() { _ = conn.Close() }()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return &answer{outcome: "no answer: " + err.Error()}
	}
	defer func() { _ = response.Body.Close() }()
	a := &answer{outcome: "complete", status: response.StatusCode, header: map[string][]string{}}
	for name, values := range response.Header {
		a.header[strings.ToLower(name)] = values
	}
	if a.body, err = io.ReadAll(response.Body); err != nil {
		a.outcome = "cut off"
	}
	if a.first("content-encoding") == "gzip" {
		if unpacked, err := gzip.NewReader(bytes.NewReader(a.body)); err == nil {
			a.body, _ = io.ReadAll(unpacked)
		}
	}
	return a
}
