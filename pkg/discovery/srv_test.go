package discovery_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/understudy-host/understudy/pkg/discovery"
)

// resolver answers every question with the records, or says that the name does not exist if there are none.
func resolver(t *testing.T, records ...dnsmessage.SRVResource) *net.Resolver {
	t.Helper()
	server, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if records == nil {
				m.RCode = dnsmessage.RCodeNameError
			}
			for i := range records {
				header := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &records[i]})
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = server.WriteTo(packed, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func record(target string, port, priority uint16) dnsmessage.SRVResource {
	return dnsmessage.SRVResource{Target: dnsmessage.MustNewName(target), Port: port, Priority: priority}
}

func TestRecordsOfServicesAreLookedUp(t *testing.T) {
	for name, test := range map[string]struct {
		target  string
		records []dnsmessage.SRVResource
		want    string // or the error
	}{
		"one":                   {"http+srv://_a._tcp.example.com/api/a", []dnsmessage.SRVResource{record("node-1.example.com.", 7008, 0)}, "http://node-1.example.com:7008/api/a"},
		"the lowest priority":   {"https+srv://a.example.com", []dnsmessage.SRVResource{record("b.example.com.", 2, 9), record("c.example.com.", 3, 1)}, "https://c.example.com:3"},
		"an escape in the path": {"http+srv://a.example.com/api/a%2Fb", []dnsmessage.SRVResource{record("b.example.com.", 1, 0)}, "http://b.example.com:1/api/a%2Fb"},
		"no such name":          {"http+srv://a.example.com/api/a", nil, "SRV resolution of a.example.com failed"},
		"no such service":       {"http+srv://a.example.com/api/a", []dnsmessage.SRVResource{record(".", 0, 0)}, "no SRV records found for a.example.com"},
		"another URL":           {"http://a.example.com/api/a", nil, "http://a.example.com/api/a"},
	} {
		got, err := discovery.Resolve(t.Context(), resolver(t, test.records...), test.target)
		if err != nil {
			got = err.Error()
		}
		if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
