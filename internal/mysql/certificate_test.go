package mysql_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
)

// An authority signs the certificates of one test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: filepath.Base(filepath.Dir(a.dir)) + filepath.Base(a.dir)}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.file, _ = a.issue("ca", a.cert)
	return a
}

// issue writes a certificate, signed by the authority or, for its own, by itself, and its key.
func (a *authority) issue(name string, of *x509.Certificate) (cert, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	if a.key == nil {
		a.key = private
	}
	der, err := x509.CreateCertificate(rand.Reader, of, a.cert, &private.PublicKey, a.key)
	require.NoError(a.t, err)
	text, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	write := func(file, kind string, bytes []byte) string {
		path := filepath.Join(a.dir, file)
		require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600))
		return path
	}
	return write(name+".pem", "CERTIFICATE", der), write(name+"-key.pem", "PRIVATE KEY", text)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}

// server issues a certificate for a server, valid until then.
func (a *authority) server(file string, until time.Time, names []string, ips ...net.IP) (cert, key string) {
	return a.issue(file, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: file}, DNSNames: names, IPAddresses: ips,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
	})
}

// TestEveryTLSModeVerifiesWhatItSays gives a real server one certificate after the other (ALTER INSTANCE RELOAD TLS)
// and tries each mode by both ways of connecting.
func TestEveryTLSModeVerifiesWhatItSays(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	soon := time.Now().Add(time.Hour)
	localhost := net.IPv4(127, 0, 0, 1)
	cert, key := ours.server("right", soon, nil, localhost)
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed(), mysqltest.Setting("ssl_ca", ours.file), mysqltest.Setting("ssl_cert", cert), mysqltest.Setting("ssl_key", key))
	s.MustCreateAccount(t)
	// The server loads only what it can verify itself.
	both := filepath.Join(ours.dir, "both.pem")
	require.NoError(t, os.WriteFile(both, slices.Concat(read(t, ours.file), read(t, other.file)), 0o600))
	s.MustExec(t, "SET GLOBAL ssl_ca = '"+both+"'")

	type verdict map[config.TLSMode]bool
	all := func(identity, ca bool) verdict {
		return verdict{
			config.TLSDisabled: true, config.TLSPreferred: true, config.TLSRequired: true,
			config.TLSVerifyCA: ca, config.TLSVerifyIdentity: identity,
		}
	}
	for _, c := range []struct {
		what      string
		authority *authority
		until     time.Time
		names     []string
		ips       []net.IP
		want      verdict
	}{
		{"right", ours, soon, nil, []net.IP{localhost}, all(true, true)},
		{"for another address", ours, soon, []string{"db1.example"}, []net.IP{net.IPv4(10, 0, 0, 1)}, all(false, true)},
		{"of another authority", other, soon, nil, []net.IP{localhost}, all(false, false)},
		{"expired", ours, time.Time{}, nil, []net.IP{localhost}, all(false, false)},
	} {
		t.Run(c.what, func(t *testing.T) {
			until := c.until
			if until.IsZero() { // it expires while it is served: the server loads no other
				until = time.Now().Add(3 * time.Second)
			}
			cert, key := c.authority.server("served", until, c.names, c.ips...)
			s.MustExec(t, "SET GLOBAL ssl_cert = '"+cert+"', GLOBAL ssl_key = '"+key+"'", "ALTER INSTANCE RELOAD TLS")
			if c.until.IsZero() {
				time.Sleep(time.Until(until.Add(time.Second)))
			}
			for mode, want := range c.want {
				// The long way of caching_sha2_password: the password itself, or by the server's public key.
				s.MustExec(t, "FLUSH PRIVILEGES")
				target := targetOf(s)
				target.TLS = config.TLS{Mode: mode, CA: ours.file}
				if !want {
					f := faultOf(t, target)
					require.Equal(t, mysql.TLSFailed, f.Kind, "mode %s: %s", mode, f)
					require.NotEmpty(t, f.Mend)
					continue
				}
				conn, err := target.Dial(t.Context())
				require.NoError(t, err, "mode %s", mode)
				result, err := conn.Execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
				require.NoError(t, err)
				cipher, err := result.GetStringByName(0, "Value")
				require.NoError(t, err)
				require.Equal(t, mode != config.TLSDisabled, cipher != "", "mode %s", mode)
				require.NoError(t, conn.Close())
				db, err := target.Open()
				require.NoError(t, err)
				require.NoError(t, db.Ping(), "mode %s", mode)
				require.NoError(t, db.Close())
			}
		})
	}
}

func TestAnAccountThatRequiresACertificateIsGivenIt(t *testing.T) {
	ours := newAuthority(t)
	cert, key := ours.server("right", time.Now().Add(time.Hour), nil, net.IPv4(127, 0, 0, 1))
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed(), mysqltest.Setting("ssl_ca", ours.file), mysqltest.Setting("ssl_cert", cert), mysqltest.Setting("ssl_key", key))
	s.MustCreateAccount(t)
	s.MustExec(t, "ALTER USER '"+mysqltest.User+"'@'%' REQUIRE SUBJECT '/CN=baton'")
	client, clientKey := ours.server("baton", time.Now().Add(time.Hour), nil)
	target := targetOf(s)
	target.TLS = config.TLS{Mode: config.TLSVerifyIdentity, CA: ours.file, Cert: client, Key: clientKey}
	conn, err := target.Dial(t.Context())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	db, err := target.Open()
	require.NoError(t, err)
	require.NoError(t, db.Ping())
	require.NoError(t, db.Close())
	target.TLS.Cert, target.TLS.Key = "", ""
	require.Equal(t, mysql.AccessDenied, faultOf(t, target).Kind)
}
