package express

import (
	"strings"
	"testing"
)

// The answers are those of npm's proxy-addr under express 4.22.
func TestCompileTrust(t *testing.T) {
	list := func(entries ...any) any { return entries }
	for _, test := range []struct {
		value     any
		trusted   string // addresses, separated by blanks
		untrusted string
	}{
		{nil, "", "127.0.0.1 ::1 @"},
		{false, "", "127.0.0.1"},
		{true, "127.0.0.1 203.0.113.9 @", ""},
		{float64(0), "", "127.0.0.1"},
		{float64(1), "203.0.113.9 @", ""},
		{"loopback", "127.0.0.1 127.255.0.9 ::1 ::ffff:127.0.0.1", "10.0.0.1 128.0.0.1 ::2 @ x"},
		{"loopback, linklocal,uniquelocal", "127.0.0.1 169.254.3.4 fe80::1 fe80::1%eth0 10.1.2.3 172.16.0.1 192.168.9.9 fd00::1", "172.32.0.1 192.169.0.1 203.0.113.9 2001:db8::1"},
		{list("10.0.0.1", "192.0.2.0/24"), "10.0.0.1 192.0.2.200", "10.0.0.2 192.0.3.1"},
		{list(), "", "127.0.0.1"},
		{"10.9.8.7/255.0.0.0", "10.1.1.1", "11.0.0.1"},
		{"::ffff:10.0.0.0/104", "10.1.2.3 ::ffff:10.9.9.9", "11.0.0.1"},
		{"::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"},
		{"::ffff:0:0/96", "10.0.0.1 203.0.113.9", "2001:db8::1"},
		{"2001:db8::/32", "2001:db8:1::1", "2001:db9::1 127.0.0.1"},
	} {
		trusts, err := CompileTrust(test.value)
		if err != nil {
			t.Errorf("%v: %v", test.value, err)
			continue
		}
		for address := range strings.FieldsSeq(test.trusted) {
			if !trusts(address, 0) {
				t.Errorf("%v does not trust %s", test.value, address)
			}
		}
		for address := range strings.FieldsSeq(test.untrusted) {
			if trusts(address, 0) {
				t.Errorf("%v trusts %s", test.value, address)
			}
		}
	}
	if trusts, err := CompileTrust(float64(1)); err != nil || trusts("127.0.0.1", 1) {
		t.Errorf("the second of one proxy is trusted, or %v", err)
	}
	for _, value := range []any{"", "proxy.example", "10.0.0.0/33", "10.0.0.0/0", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/255.0.255.0", "::1/129", "::1/255.0.0.0", list(1.0), map[string]any{}} {
		if _, err := CompileTrust(value); err == nil {
			t.Errorf("%v is taken", value)
		}
	}
}
