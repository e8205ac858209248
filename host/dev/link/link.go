// Package link is what a backend and the parent that it has in development say to each other (package host/dev). The
// parent owns the TCP ports and keeps values while one process of the backend takes the place of another. A process finds
// its parent by an environment variable, and asks it over a unix socket.
package link

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/understudy-host/understudy/pkg/memo"
)

// variable names the environment variable that leads a process to its parent.
const variable = "UNDERSTUDY_DEV_PARENT"

// MaxMessage is the limit of one message in bytes. A value is in base64.
const MaxMessage = memo.MaxValue*3/2 + 1<<10

// callTimeout is how long the parent may take for an answer.
const callTimeout = 10 * time.Second

// The paths of the parent's control server, and what is sent there as JSON. Each answer has status 200 and the result, or
// another status and a Failure.
const (
	ListenPath = "/listen" // Listen, answered with Listening
	ClosePath  = "/close"  // Listen, answered with {}
	LoadPath   = "/load"   // Value, answered with Value
	SavePath   = "/save"   // Value, answered with Value
	ReadyPath  = "/ready"  // {}, answered with {}
	HoldPath   = "/hold"   // answered with a body that ends when the parent does, and with ReloadHeader
)

// ReloadHeader is there if another process of the backend serves already.
const ReloadHeader = "Reload"

type (
	// Listen asks for a TCP address. Socket is the number of the unix socket at which the child already accepts what the
	// parent accepts there.
	Listen struct {
		Name, Address string
		Socket        int64
	}
	// Listening tells the real address.
	Listening struct{ Address string }
	// Value is a value of the memo.
	Value struct {
		Name    string
		Data    []byte
		Version int64
	}
	// Failure is why the parent did not do what it was asked.
	Failure struct {
		Text    string
		Errno   syscall.Errno // 0 if there is none
		Changed bool          // it is memo.ErrChanged
	}
)

// Error implements error with the text that the parent saw.
func (f *Failure) Error() string { return f.Text }

// Unwrap returns the system's error, so that errors.Is finds EADDRINUSE, or memo.ErrChanged.
func (f *Failure) Unwrap() error {
	switch {
	case f.Changed:
		return memo.ErrChanged
	case f.Errno != 0:
		return f.Errno
	}
	return nil
}

// Environ returns the entry of the environment that leads a process to its parent. id tells this process from others, and
// is part of the paths of its sockets. token proves that it is the process.
func Environ(control, id, token string) string {
	return variable + "=" + strings.Join([]string{id, token, control}, ":")
}

// SocketPath is the unix socket of a process with that number, in the folder of the control socket.
func SocketPath(dir, id string, number int64) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%d.sock", id, number))
}

// Parent is the parent of this process.
type Parent struct {
	dir, id, token string
	client         http.Client
	sockets        atomic.Int64
	hold           io.ReadCloser
	gone           chan struct{}
	reload         bool
}

// Find returns the parent that the environment names, nil if there is none. It removes the variable: programs that this
// one starts are no child of that parent. The caller closes the Parent.
func Find(ctx context.Context) (*Parent, error) {
	entry, ok := os.LookupEnv(variable)
	if !ok {
		return nil, nil
	}
	_ = os.Unsetenv(variable)
	parts := strings.SplitN(entry, ":", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("the environment variable %s is not what a parent sets, expected it to be unset", variable)
	}
	control := parts[2]
	p := &Parent{dir: filepath.Dir(control), id: parts[0], token: parts[1], gone: make(chan struct{})}
	p.client.Transport = &http.Transport{ResponseHeaderTimeout: callTimeout, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", control)
	}}
	// It lasts longer than ctx: a process that is asked to end has not lost its parent.
	answer, err := p.send(context.WithoutCancel(ctx), HoldPath, struct{}{}) //nolint:bodyclose // it is open as long as the parent is there
	if err != nil {
		return nil, fmt.Errorf("the parent of this process does not answer: %w", err)
	}
	p.hold = answer.Body // Close closes it
	p.reload = answer.Header.Get(ReloadHeader) != ""
	go func() {
		_, _ = io.Copy(io.Discard, p.hold)
		close(p.gone)
	}()
	return p, nil
}

// Reload reports whether this process takes the place of another one that serves.
func (p *Parent) Reload() bool { return p.reload }

// Gone returns a channel that is closed when the parent has ended, however that happened.
func (p *Parent) Gone() <-chan struct{} { return p.gone }

// Close ends the connection to the parent.
func (p *Parent) Close() {
	_ = p.hold.Close()
	<-p.gone
	p.client.CloseIdleConnections()
}

// Ready tells the parent that this process serves. The parent then sends the requests here.
func (p *Parent) Ready() error { return p.call(ReadyPath, struct{}{}, nil) }

// Load implements memo.Backend.
func (p *Parent) Load(name string) (data []byte, version int64, err error) {
	var v Value
	err = p.call(LoadPath, Value{Name: name}, &v)
	return v.Data, v.Version, err
}

// Save implements memo.Backend.
func (p *Parent) Save(name string, data []byte, version int64) (newest int64, err error) {
	if len(data) > memo.MaxValue {
		return 0, fmt.Errorf("it has %d bytes, expected at most %d", len(data), memo.MaxValue)
	}
	var v Value
	err = p.call(SavePath, Value{name, data, version}, &v)
	return v.Version, err
}

func (p *Parent) call(path string, in, out any) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return p.callContext(ctx, path, in, out)
}

func (p *Parent) callContext(ctx context.Context, path string, in, out any) error {
	answer, err := p.send(ctx, path, in)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxMessage))
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(body, out)
}

// send returns an answer with status 200.
func (p *Parent) send(ctx context.Context, path string, in any) (*http.Response, error) {
	message, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://parent"+path, bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", p.token)
	answer, err := p.client.Do(request)
	if err != nil {
		return nil, cmp.Or(errors.Unwrap(err), err) // without the made-up URL
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	failure := new(Failure)
	if err := json.NewDecoder(io.LimitReader(answer.Body, MaxMessage)).Decode(failure); err != nil {
		return nil, fmt.Errorf("the parent answered with status %d", answer.StatusCode)
	}
	return nil, failure
}
