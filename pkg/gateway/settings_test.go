package gateway_test

import (
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/gateway"
)

func TestTarget(t *testing.T) {
	const usual, none = "127.0.0.1", ""
	for _, test := range []struct{ target, host, want string }{
		{"http://node:7007", usual, none},
		{"http://node:7007/", usual, none},
		{"HTTPS://node", usual, none},
		{"http://[2001:db8::1]:7007", usual, none},
		{"http://127.0.0.1:7008", usual, none},
		{"http://127.0.0.2:7007", usual, none},
		{"http://localhost:7007", "10.0.0.5", none},
		{"node:7007", usual, "is not the address of a backend"},
		{"//node:7007", usual, "is not the address of a backend"},
		{"ftp://node", usual, "is not the address of a backend"},
		{"http://", usual, "is not the address of a backend"},
		{"http://node/base", usual, "is not the address of a backend"},
		{"http://node?x", usual, "is not the address of a backend"},
		{"http://node#x", usual, "is not the address of a backend"},
		{"http://user:canary@node", usual, "is not the address of a backend"},
		{"http://node:canary", usual, "is not the address of a backend"},
		{"http://127.0.0.1:7007", usual, "this host itself"},
		{"http://localhost:7007", usual, "this host itself"},
		{"http://LOCALHOST:7007", usual, "this host itself"},
		{"http://0.0.0.0:7007", usual, "this host itself"},
		{"http://localhost:7007", "localhost", "this host itself"},
		{"http://[::1]:7007", "localhost", "this host itself"},
		{"http://127.0.0.9:7007", "", "this host itself"},
		{"http://[::1]:7007", "0.0.0.0", "this host itself"},
		{"http://localhost:7007", "::", "this host itself"},
		{"http://backend.internal:7007", "backend.internal", "this host itself"},
		{"https://backend.example", usual, "this host itself"},
		{"https://BACKEND.example:443/", usual, "this host itself"},
	} {
		own := gateway.Address{BaseURL: "https://backend.example", Host: test.host, Port: 7007}
		_, err := gateway.Read(config(t, "understudy: {fallback: {target: '"+test.target+"'}}"), own)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s on %q: %v, want %q", test.target, test.host, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "'understudy.fallback.target' in 'app-config.yaml'")) {
			t.Errorf("%s: %v", test.target, err)
		}
	}
}

// Somebody tries this host beside a Node backend, whose configuration it reads.
func TestTargetMayBeWhereBrowsersLookForTheBackend(t *testing.T) {
	const content = "understudy: {fallback: {target: 'http://localhost:7007'}}"
	for port, refused := range map[int]bool{7007: true, 7107: false} {
		_, err := gateway.Read(config(t, content), gateway.Address{BaseURL: "http://localhost:7007", Port: port})
		if (err != nil) != refused {
			t.Errorf("port %d: %v", port, err)
		}
	}
}

func TestTrustProxyIsReadForAFallbackOnly(t *testing.T) {
	const wrong = "backend: {trustProxy: proxy.canary}\n"
	if s, err := gateway.Read(config(t, wrong), gateway.Address{}); err != nil || s.Target != nil {
		t.Errorf("%v, %v", s, err)
	}
	_, err := gateway.Read(config(t, wrong+"understudy: {fallback: {target: 'http://node'}}"), gateway.Address{})
	if err == nil || !strings.Contains(err.Error(), "config key 'backend.trustProxy' in 'app-config.yaml' is not one of express' values") || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}
