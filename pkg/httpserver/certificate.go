package httpserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// readTLS reads backend.https: true for a self-signed certificate that lasts until the host stops, or
// certificate.cert and certificate.key in PEM form. It returns nil for plain HTTP.
func readTLS(config *appconfig.Config) (o *tls.Config, made bool, err error) {
	value, ok, err := config.GetOptional("backend.https")
	if err != nil || !ok || value == false {
		return nil, false, err
	}
	var pair tls.Certificate
	if made = value == true; made {
		pair, err = selfSigned(config)
	} else {
		pair, err = ReadCertificate(config, "backend.https.certificate")
	}
	if err != nil {
		return nil, false, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, made, nil
}

// ReadCertificate reads a certificate and its key, in PEM form, from cert and key below a config key.
func ReadCertificate(config *appconfig.Config, at string) (tls.Certificate, error) {
	cert, err1 := config.GetString(at + ".cert")
	key, err2 := config.GetString(at + ".key")
	if err := errors.Join(err1, err2); err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		err = fmt.Errorf("config key '%s' in '%s' does not hold a certificate and its key in PEM form: %w", at, config.LayerOf(at), err)
	}
	return pair, err
}

// selfSigned makes a certificate for the host of backend.baseUrl and for this machine. Browsers warn of it: it is
// for local development. Backstage keeps one in a file for a month.
func selfSigned(config *appconfig.Config) (tls.Certificate, error) {
	base, err1 := config.GetString("backend.baseUrl") // the host checks that it has a host name
	u, err2 := url.Parse(base)
	if err := errors.Join(err1, err2); err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: u.Hostname()},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else {
		template.DNSNames = append(template.DNSNames, u.Hostname())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
