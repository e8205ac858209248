package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
)

// isLoopback reports whether addr, a "host:port", names this machine alone.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopbackHost(host)
}

func isLoopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// listen opens addr and returns the URL that reaches it. For localhost both families are opened on one port,
// because browsers may try either first and another program on the second would get what is meant for us.
func listen(what, addr string) ([]net.Listener, string, error) {
	host, port, _ := net.SplitHostPort(addr)
	first := host
	if host == "localhost" {
		first = "127.0.0.1"
	}
	for attempt := 0; ; attempt++ {
		l, err := net.Listen("tcp", net.JoinHostPort(first, port))
		if err != nil {
			return nil, "", fmt.Errorf("sandbox: %s address %q: %w", what, addr, err)
		}
		got := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		address := "http://" + net.JoinHostPort(host, got)
		if host != "localhost" {
			return []net.Listener{l}, address, nil
		}
		l6, err := net.Listen("tcp6", net.JoinHostPort("::1", got))
		switch {
		case err == nil:
			return []net.Listener{l, l6}, address, nil
		case !errors.Is(err, syscall.EADDRINUSE): // a machine without IPv6
			return []net.Listener{l}, address, nil
		case port != "0" || attempt == 9:
			_ = l.Close()
			return nil, "", fmt.Errorf("sandbox: %s address %q: %w", what, addr, err)
		}
		_ = l.Close()
	}
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// loopbackHostOnly refuses a request whose Host is not a loopback name: a page on the web can point a name
// of its own at 127.0.0.1 (DNS rebinding) and would else be one origin with us.
func loopbackHostOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, err := url.Parse("http://" + r.Host); err != nil || !isLoopbackHost(u.Hostname()) {
			http.Error(w, "the sandbox answers to localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
