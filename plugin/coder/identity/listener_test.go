package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/understudy-host/understudy/pkg/memo"
)

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	return socket.Addr().String()
}

// over exchanges a handle at an address. The status is 0 if nobody listens there.
func over(t *testing.T, client *http.Client, base, clientSecret, handle string) int {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "client_secret": {clientSecret}, "refresh_token": {handle}}
	answer, err := client.PostForm(base+tokenPath, form)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// fresh is a client that keeps no connection.
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func TestListenerFollowsTheNewestGeneration(t *testing.T) {
	kept, listeners := memo.New(nil, nil), new(Listeners)
	first, second := free(t), free(t)
	make := func(address, clientSecret string) (*Relay, generation) {
		t.Helper()
		o := options("http://node.invalid")
		o.Address, o.Secret = address, clientSecret
		g := newGeneration(t, kept)
		r, err := New(t.Context(), g.Environment, o, listeners)
		if err != nil {
			t.Fatal(err)
		}
		return r, g
	}
	check := func(when, address, clientSecret string, r *Relay, want int) {
		t.Helper()
		if got := over(t, fresh, "http://"+address, clientSecret, r.mustSeal(t, "development")); got != want {
			t.Errorf("%s: status %d, want %d", when, got, want)
		}
	}
	const changed = "another-secret-of-the-relay-0123"
	one, g1 := make(first, secret)
	check("the first", first, secret, one, 200)
	two, g2 := make(first, changed)
	check("a changed secret, the old one", first, secret, two, 401)
	check("a changed secret, a handle of the generation before", first, changed, one, 200)
	g2.end(t) // its New failed after all
	check("a generation that failed", first, secret, one, 200)
	three, g3 := make(second, secret)
	check("another address, for those still in flight", first, secret, one, 200)
	check("another address", second, secret, three, 200)
	g1.end(t)
	check("the old address", first, secret, one, 0)
	check("the new address", second, secret, three, 200)
	four, g4 := make(first, secret) // back at once
	check("the first address again", first, secret, four, 200)
	g3.end(t)
	g4.end(t)
	check("the keys are removed, or the host has stopped", second, secret, three, 0)
	check("the same", first, secret, four, 0)
}

func TestListenerThatIsInUseSaysWhatToDo(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	o := options("http://node.invalid")
	o.Address = socket.Addr().String()
	_, err = New(t.Context(), newGeneration(t, nil).Environment, o, new(Listeners))
	if err == nil || !strings.Contains(err.Error(), "is in use") || !strings.Contains(err.Error(), listenKey) {
		t.Errorf("%v", err)
	}
}

// TestInheritedSocketHasToBeOnLoopbackToo: systemd's unit says where it is.
func TestInheritedSocketHasToBeOnLoopbackToo(t *testing.T) {
	g := newGeneration(t, nil)
	var given net.Listener
	g.Listen = func(_ context.Context, name, _ string) (net.Listener, error) {
		if name != "identity" {
			t.Errorf("the socket's name is %s", name)
		}
		var err error
		given, err = net.Listen("tcp", "0.0.0.0:0")
		return given, err
	}
	_, err := New(t.Context(), g.Environment, options("http://node.invalid"), new(Listeners))
	if err == nil || !strings.Contains(err.Error(), "takes TLS") {
		t.Errorf("%v", err)
	}
	if err := given.(*net.TCPListener).SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket is open: %v", err)
	}
	o := options("http://node.invalid")
	o.TLS = &tls.Config{Certificates: []tls.Certificate{certificateFor(t, 1)}, MinVersion: tls.VersionTLS12}
	listeners := new(Listeners)
	if _, err := New(t.Context(), g.Environment, o, listeners); err != nil {
		t.Errorf("with TLS: %v", err)
	}
	plain := options("http://node.invalid") // by a reload
	if _, err := New(t.Context(), newGeneration(t, nil).Environment, plain, listeners); err == nil || !strings.Contains(err.Error(), "takes TLS") {
		t.Errorf("a reload without TLS: %v", err)
	}
}

func TestListenerServesTLSAndARenewedCertificate(t *testing.T) {
	listeners, address := new(Listeners), free(t)
	var last *x509.Certificate
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) (err error) {
			last, err = x509.ParseCertificate(raw[0])
			return err
		},
	}}}
	for serial := range int64(2) {
		o := options("http://node.invalid")
		o.Address, o.TLS = address, &tls.Config{Certificates: []tls.Certificate{certificateFor(t, serial+1)}, MinVersion: tls.VersionTLS12}
		r, err := New(t.Context(), newGeneration(t, nil).Environment, o, listeners)
		if err != nil {
			t.Fatal(err)
		}
		if got := over(t, client, "https://"+address, secret, r.mustSeal(t, "development")); got != 200 || last.SerialNumber.Int64() != serial+1 {
			t.Errorf("status %d with certificate %v, want %d", got, last.SerialNumber, serial+1)
		}
		if got := over(t, fresh, "http://"+address, secret, r.mustSeal(t, "development")); got == 200 {
			t.Error("it answers in plain text")
		}
	}
}

// TestReloadTurnsTLSOnAndOff at one address, without a restart. A connection from before speaks plain text no longer.
func TestReloadTurnsTLSOnAndOff(t *testing.T) {
	listeners, kept, address := new(Listeners), memo.New(nil, nil), free(t)
	next := func(config *tls.Config) (*Relay, generation) {
		t.Helper()
		o := options("http://node.invalid")
		o.Address, o.TLS = address, config
		g := newGeneration(t, kept)
		r, err := New(t.Context(), g.Environment, o, listeners)
		if err != nil {
			t.Fatal(err)
		}
		return r, g
	}
	keeping := &http.Client{Transport: &http.Transport{}}
	defer keeping.CloseIdleConnections()
	secure := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	check := func(when string, r *Relay, client *http.Client, scheme string, want int) {
		t.Helper()
		if got := over(t, client, scheme+"://"+address, secret, r.mustSeal(t, "development")); got != want {
			t.Errorf("%s: status %d, want %d", when, got, want)
		}
	}
	r, _ := next(nil)
	check("http", r, keeping, "http", 200)
	r, g := next(&tls.Config{Certificates: []tls.Certificate{certificateFor(t, 1)}, MinVersion: tls.VersionTLS12})
	check("https", r, secure, "https", 200)
	check("https, a connection from before", r, keeping, "http", 421)
	check("https, a new connection without", r, keeping, "http", 400)
	g.end(t)
	check("http again", r, fresh, "http", 200)
	check("http again, with TLS", r, secure, "https", 0)
}

// certificateFor makes a certificate for 127.0.0.1.
func certificateFor(t *testing.T, serial int64) tls.Certificate {
	t.Helper()
	cert, key := certificatePEM(t, serial)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func certificatePEM(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err1 := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	pkcs8, err2 := x509.MarshalPKCS8PrivateKey(private)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
