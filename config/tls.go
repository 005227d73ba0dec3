package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// maxSmallFile bounds the certificate and password files that are read whole.
const maxSmallFile = 1 << 20

// TLS is how the connections to an instance are encrypted and verified.
type TLS struct {
	// Mode is MySQL's ssl-mode. Default: preferred. Recommended across machines:
	// verify-identity.
	Mode TLSMode `mapstructure:"mode"`
	// CA is the PEM file of the authorities that may have signed the server's
	// certificate: for verify-ca and verify-identity, which need it, only.
	CA string `mapstructure:"ca"`
	// Cert and Key are the PEM files of the client certificate for accounts with
	// REQUIRE X509: both or none.
	Cert string `mapstructure:"cert"`
	Key  string `mapstructure:"key"`
}

// MayFallBack says whether a server without TLS may be talked to in the clear.
// A failed handshake with a server that offers TLS is no such case.
func (t TLS) MayFallBack() bool { return t.Mode == TLSPreferred }

// Config returns the client's side of TLS to the given host, without its port;
// nil for mode disabled. It reads the certificate files, so that a certificate
// replaced on disk counts from the next connection on; its errors name the
// file.
func (t TLS) Config(host string) (*tls.Config, error) {
	if t.Mode == TLSDisabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if t.Cert != "" || t.Key != "" {
		pair, err := t.keyPair()
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	switch t.Mode {
	case TLSVerifyCA, TLSVerifyIdentity:
		roots, err := t.roots()
		if err != nil {
			return nil, err
		}
		c.RootCAs = roots
		if t.Mode == TLSVerifyCA {
			// Go verifies chain and host name together or not at all: the chain
			// alone is verified here, on resumed connections too.
			c.InsecureSkipVerify = true
			c.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, roots) }
		}
	default:
		c.InsecureSkipVerify = true
	}
	return c, nil
}

func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("verify the server's certificate: it sent none")
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	if err != nil {
		return fmt.Errorf("verify the server's certificate: %w", err)
	}
	return nil
}

func (t TLS) roots() (*x509.CertPool, error) {
	pem, err := readSmallFile(t.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", t.CA)
	}
	return roots, nil
}

func (t TLS) keyPair() (tls.Certificate, error) {
	cert, err := readSmallFile(t.Cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := readSmallFile(t.Key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s and %s are no pair of certificate and key: %w", t.Cert, t.Key, err)
	}
	return pair, nil
}

// readSmallFile reads a regular file of at most maxSmallFile bytes. A device or
// a pipe named by mistake would block the start, or feed it without end.
func readSmallFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxSmallFile:
		return nil, fmt.Errorf("%s is larger than %s", path, Size(maxSmallFile))
	}
	return os.ReadFile(path)
}
