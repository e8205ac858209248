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

// IsLoopback reports whether host, a name or an address, is only for this machine.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// listen listens on addr and returns its URL. key is the config key of addr, for errors. localhost is both 127.0.0.1 and
// ::1, on one port: browsers may try either first, and another program on the other would get our requests.
func listen(key, addr string) ([]net.Listener, string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !IsLoopback(host) {
		return nil, "", fmt.Errorf("sandbox: refused: %q is not a loopback address, and the sandbox lets anybody sign in; "+
			"expected localhost:<port> or 127.0.0.1:<port>", addr)
	}
	first := host
	if host == "localhost" {
		first = "127.0.0.1"
	}
	for attempt := 0; ; attempt++ {
		l, err := net.Listen("tcp", net.JoinHostPort(first, port))
		if err != nil {
			return nil, "", listenError(key, addr, port, err)
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
			return nil, "", listenError(key, addr, port, err)
		}
		_ = l.Close()
	}
}

func listenError(key, addr, port string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("sandbox: cannot listen on %s: port %s is in use; stop the other program or change %s: %w",
			addr, port, key, err)
	}
	return fmt.Errorf("sandbox: cannot listen on %s (config key '%s'): %w", addr, key, err)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// loopbackHostOnly refuses a request whose Host is not a loopback name. Otherwise a website could point a name of its
// own at 127.0.0.1 (DNS rebinding), and its pages would have the same origin as ours.
func loopbackHostOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, err := url.Parse("http://" + r.Host); err != nil || !IsLoopback(u.Hostname()) {
			http.Error(w, "the sandbox answers to localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
