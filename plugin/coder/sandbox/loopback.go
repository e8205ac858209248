package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/understudy-host/understudy/pkg/httpserver"
)

// isLoopback reports whether host, a name or an address, is only for this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// listen gets the sockets with a name for addr, and returns its URL. key is the config key of addr, for errors. localhost is both 127.0.0.1 and
// ::1, on one port: browsers may try either first, and another program on the other would get our requests.
func (o Options) listen(name, key, addr string) (listeners []net.Listener, address string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !isLoopback(host) {
		return nil, "", fmt.Errorf("sandbox: refused: %q is not a loopback address, and the sandbox lets anybody sign in; "+
			"expected localhost:<port> or 127.0.0.1:<port>", addr)
	}
	first := strings.Replace(host, "localhost", "127.0.0.1", 1)
	for attempt := 1; ; attempt++ {
		l, err := o.Listen(context.Background(), name, net.JoinHostPort(first, port))
		if err != nil {
			return nil, "", listenError(key, addr, err)
		}
		listeners = []net.Listener{l}
		got := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		if host == "localhost" {
			l6, err := o.Listen(context.Background(), name, net.JoinHostPort("::1", got))
			if errors.Is(err, syscall.EADDRINUSE) {
				_ = l.Close()
				if port == "0" && attempt < 10 {
					continue
				}
				return nil, "", listenError(key, addr, err)
			}
			if err == nil { // otherwise it is a machine without IPv6
				listeners = append(listeners, l6)
			}
		}
		return listeners, "http://" + net.JoinHostPort(host, got), nil
	}
}

func listenError(key, addr string, err error) error {
	return fmt.Errorf("sandbox: %w", httpserver.ListenError(addr, key, "change "+key, err))
}

// loopbackHostOnly refuses a request whose Host is not a loopback name. Otherwise a website could point a name of its
// own at 127.0.0.1 (DNS rebinding), and its pages would have the same origin as ours.
func loopbackHostOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, err := url.Parse("http://" + r.Host); err != nil || !isLoopback(u.Hostname()) {
			http.Error(w, "the sandbox answers to localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
