package httpclient

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
)

// maxRoots is the largest file of certificates that is read. All the roots of a browser take 300 kB.
const maxRoots = 4 << 20

// extraRoots returns the system's certificates and those of the file in NODE_EXTRA_CA_CERTS. nil stands for the
// system's alone. As in Node, a file that cannot be read is no reason not to start.
func extraRoots() (*x509.CertPool, error) {
	name := os.Getenv("NODE_EXTRA_CA_CERTS")
	if name == "" {
		return nil, nil
	}
	certificates, err := readCertificates(name)
	if err != nil {
		err = fmt.Errorf("ignoring extra certs from NODE_EXTRA_CA_CERTS: %w", err)
	}
	if len(certificates) == 0 {
		return nil, err
	}
	roots, systemErr := x509.SystemCertPool()
	if systemErr != nil {
		roots = x509.NewCertPool()
	}
	for _, certificate := range certificates {
		roots.AddCert(certificate)
	}
	return roots, err
}

// readCertificates reads certificates in PEM, as Node does with OpenSSL: whatever is between them does not count,
// and those before one that cannot be read do.
func readCertificates(name string) ([]*x509.Certificate, error) {
	// Other than a file, a pipe or a device could keep the start waiting.
	if info, err := os.Stat(name); err != nil { //nolint:gosec // the operator's own choice
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	file, err := os.Open(name) //nolint:gosec // the operator's own choice
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxRoots+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxRoots {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxRoots)
	}
	var certificates []*x509.Certificate
	blocks := bytes.Count(text, []byte("-----BEGIN "))
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks--
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return certificates, fmt.Errorf("%s: certificate %d: %w", name, len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	switch {
	case blocks > 0: // pem.Decode skips what it cannot read
		return certificates, fmt.Errorf("%s: %d blocks that are not PEM", name, blocks)
	case len(certificates) == 0: // a file in DER, for example, of which Node says nothing
		return nil, fmt.Errorf("%s: no certificate in PEM", name)
	}
	return certificates, nil
}
