package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority signs certificates into files of its folder.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := authority{dir: t.TempDir(), key: key}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert.Raw = a.write(t, "ca", a.cert, key)
	return a
}

// write signs the template and writes name.pem and name-key.pem.
func (a authority) write(t *testing.T, name string, template *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + "-key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		require.NoError(t, os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600))
	}
	return der
}

func (a authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a authority) issue(t *testing.T, name, host string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a.write(t, name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	pair, err := tls.LoadX509KeyPair(a.file(name+".pem"), a.file(name+"-key.pem"))
	require.NoError(t, err)
	return pair
}

// handshake returns the number of certificates that the client sent, and its error.
func handshake(t *testing.T, client *tls.Config, server tls.Certificate) (int, error) {
	// Not net.Pipe: without a buffer, both sides may write and wait for ever.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	s, err := l.Accept()
	require.NoError(t, err)
	accepted := tls.Server(s, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequestClientCert})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = accepted.Handshake()
		_ = accepted.Close()
	}()
	dialled := tls.Client(c, client)
	err = dialled.Handshake()
	if err == nil {
		_, _ = dialled.Read(make([]byte, 1))
	}
	_ = c.Close()
	<-done
	return len(accepted.ConnectionState().PeerCertificates), err
}

func TestTLSModesVerifyWhatMySQLsDo(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	server := ours.issue(t, "server", "db1.example")
	ours.issue(t, "client", "baton")
	for name, tc := range map[string]struct {
		tls  TLS
		host string
		want string
	}{
		"preferred takes any":           {TLS{Mode: TLSPreferred}, "10.0.0.1", ""},
		"required takes any":            {TLS{Mode: TLSRequired}, "10.0.0.1", ""},
		"verify-ca, right authority":    {TLS{Mode: TLSVerifyCA, CA: ours.file("ca.pem")}, "10.0.0.1", ""},
		"verify-ca, other authority":    {TLS{Mode: TLSVerifyCA, CA: other.file("ca.pem")}, "db1.example", "unknown authority"},
		"verify-identity":               {TLS{Mode: TLSVerifyIdentity, CA: ours.file("ca.pem")}, "db1.example", ""},
		"verify-identity, other host":   {TLS{Mode: TLSVerifyIdentity, CA: ours.file("ca.pem")}, "db2.example", "not db2.example"},
		"verify-identity, other signer": {TLS{Mode: TLSVerifyIdentity, CA: other.file("ca.pem")}, "db1.example", "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := tc.tls.Config(tc.host)
			require.NoError(t, err)
			sent, err := handshake(t, c, server)
			require.Zero(t, sent)
			if tc.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.want)
			}
		})
	}

	none, err := TLS{Mode: TLSDisabled}.Config("db1.example")
	require.NoError(t, err)
	require.Nil(t, none)
	require.True(t, TLS{Mode: TLSPreferred}.MayFallBack())
	require.False(t, TLS{Mode: TLSRequired}.MayFallBack())

	withCert, err := TLS{Mode: TLSRequired, Cert: ours.file("client.pem"), Key: ours.file("client-key.pem")}.Config("db1.example")
	require.NoError(t, err)
	sent, err := handshake(t, withCert, server)
	require.NoError(t, err)
	require.Equal(t, 1, sent)
}

func TestTLSFilesAreTriedAtLoad(t *testing.T) {
	t.Setenv(passwordVariable, "")
	a := newAuthority(t)
	a.issue(t, "client", "baton")
	tlsOf := func(text string) string {
		return strings.Replace(minimal, "{user: baton}", "{user: baton, tls: {mode: verify-ca, "+text+"}}", 1)
	}
	c := load(t, a.dir, tlsOf("ca: ca.pem, cert: client.pem, key: client-key.pem"))
	require.Equal(t, a.file("ca.pem"), c.Instances[0].MySQL.TLS.CA)

	_, err := tryLoad(t, a.dir, tlsOf("ca: client-key.pem"))
	require.ErrorContains(t, err, "mysql.tls.ca: ")
	require.ErrorContains(t, err, "holds no PEM certificate")
	_, err = tryLoad(t, a.dir, tlsOf("ca: ca.pem, cert: client.pem, key: ca-key.pem"))
	require.ErrorContains(t, err, "are no pair of certificate and key")
	require.NoError(t, os.Chmod(a.file("client-key.pem"), 0o644))
	_, err = tryLoad(t, a.dir, tlsOf("ca: ca.pem, cert: client.pem, key: client-key.pem"))
	require.ErrorContains(t, err, "mysql.tls.key: ")
	require.ErrorContains(t, err, "run chmod o-rwx on it")
}
