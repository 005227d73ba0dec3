package admin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/batondb/baton/config"
)

const (
	reader    = "reads-0123456789abcdef"
	commander = "commands-0123456789abcdef"
)

func tokens() []config.Token {
	return []config.Token{
		{Name: "prometheus", Role: config.RoleRead, Text: config.NewSecret(reader)},
		{Name: "night-shift", Role: config.RoleCommand, Text: config.NewSecret(commander)},
	}
}

// ask sends a request over TCP with headers, written as "Name: value".
func ask(t *testing.T, s *Server, method, path string, headers ...string) reply {
	t.Helper()
	return askWith(t, &http.Transport{}, "http://"+s.HTTPAddr().String(), method, path, headers...)
}

func askWith(t *testing.T, through *http.Transport, at, method, path string, headers ...string) reply {
	t.Helper()
	through.DisableKeepAlives = true
	return send(t, &http.Client{Transport: withHeaders{through, headers}}, method, at+path)
}

type withHeaders struct {
	http.RoundTripper
	headers []string
}

func (w withHeaders) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, h := range w.headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return w.RoundTripper.RoundTrip(r)
}

func TestATokenAllowsWhatItsRoleSays(t *testing.T) {
	hand := &handOvers{}
	s, _, _ := startServer(t, &fakeCluster{status: exampleStatus(t)}, func(c *Config) { c.Tokens = tokens() })
	s.deps.HandOvers = hand
	for _, path := range []string{"/v1/status", "/v1/events", "/metrics"} {
		for header, want := range map[string]int{
			"Authorization: Bearer " + reader: http.StatusOK, "Authorization: bearer " + commander: http.StatusOK,
			"X-Nothing: 1": http.StatusUnauthorized, "Authorization: Bearer ": http.StatusUnauthorized, "Authorization: Bearer " + reader + "x": http.StatusUnauthorized,
			"Authorization: Basic " + reader: http.StatusUnauthorized, "Authorization: " + reader: http.StatusUnauthorized,
			"Cookie: token=" + reader: http.StatusUnauthorized,
		} {
			r := ask(t, s, http.MethodGet, path, header)
			require.Equal(t, want, r.status, "%s with %s", path, header)
			require.Equal(t, want == http.StatusUnauthorized, strings.Contains(r.err.Mend, "Authorization: Bearer"), "%s", r.body)
		}
		require.Equal(t, http.StatusUnauthorized, ask(t, s, http.MethodGet, path+"?token="+reader).status, "a token in the address would be in other people's logs")
	}
	require.Equal(t, http.StatusOK, ask(t, s, http.MethodGet, "/health").status, "it says nothing and is open to all")
	for _, command := range commands {
		require.Equal(t, http.StatusUnauthorized, ask(t, s, http.MethodPost, command).status, command)
		require.Equal(t, http.StatusForbidden, ask(t, s, http.MethodPost, command, "Authorization: Bearer "+reader).status, command)
		require.Equal(t, http.StatusOK, ask(t, s, http.MethodPost, command, "Authorization: Bearer "+commander).status, command)
	}
	require.Len(t, hand.calls, 6, "of the allowed ones")
}

func TestATokenCanBeWithdrawnAndAddedAtAnyTime(t *testing.T) {
	s, _, _ := startServer(t, &fakeCluster{}, func(c *Config) { c.Tokens = tokens() })
	s.SetTokens(tokens()[1:])
	require.Equal(t, http.StatusUnauthorized, ask(t, s, http.MethodGet, "/v1/status", "Authorization: Bearer "+reader).status)
	require.Equal(t, http.StatusOK, ask(t, s, http.MethodGet, "/v1/status", "Authorization: Bearer "+commander).status)
	s.SetTokens(nil)
	require.Equal(t, http.StatusOK, ask(t, s, http.MethodGet, "/v1/status").status, "on loopback everybody may ask again")
	require.Equal(t, http.StatusForbidden, ask(t, s, http.MethodPost, "/v1/pause").status)
}

func TestBeyondLoopbackNobodyMayAskWithoutAToken(t *testing.T) {
	s, _, _ := startServer(t, &fakeCluster{}, func(c *Config) { c.HTTP = "0.0.0.0:0"; c.Tokens = tokens() })
	_, port, err := net.SplitHostPort(s.HTTPAddr().String())
	require.NoError(t, err)
	at := "http://127.0.0.1:" + port
	require.Equal(t, http.StatusUnauthorized, askWith(t, &http.Transport{}, at, http.MethodGet, "/v1/status").status)
	require.Equal(t, http.StatusOK, askWith(t, &http.Transport{}, at, http.MethodGet, "/v1/status", "Authorization: Bearer "+reader).status)
	// A reload that takes all tokens away closes it, whatever else it changes.
	s.SetTokens(nil)
	require.Equal(t, http.StatusUnauthorized, askWith(t, &http.Transport{}, at, http.MethodGet, "/v1/status").status)
	require.Equal(t, http.StatusUnauthorized, askWith(t, &http.Transport{}, at, http.MethodGet, "/v1/status", "Authorization: Bearer ").status)
}

func TestAPageOfAnotherSiteGivesNoCommands(t *testing.T) {
	c := &fakeCluster{}
	s, _, _ := startServer(t, c, func(c *Config) { c.Tokens = tokens() })
	authorized := "Authorization: Bearer " + commander
	for _, headers := range [][]string{{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Origin: https://evil.example"}} {
		r := ask(t, s, http.MethodPost, "/v1/pause?instance=db2", append(headers, authorized)...)
		require.Equal(t, http.StatusForbidden, r.status, headers)
		require.NotEmpty(t, r.err.Mend)
	}
	require.Empty(t, c.calls)
	require.Equal(t, http.StatusOK, ask(t, s, http.MethodPost, "/v1/pause?instance=db2", authorized, "Sec-Fetch-Site: same-origin").status)
	preflight := ask(t, s, http.MethodOptions, "/v1/pause", "Origin: https://evil.example", "Access-Control-Request-Headers: authorization")
	require.Equal(t, http.StatusUnauthorized, preflight.status)
}

func TestEveryCommandIsInTheHistoryWithWhoGaveIt(t *testing.T) {
	s, client, store := startServer(t, &fakeCluster{}, func(c *Config) { c.Tokens = tokens() })
	s.deps.HandOvers = &handOvers{}
	require.NoError(t, client.Pause(t.Context(), "db2"))
	for _, command := range commands {
		require.Equal(t, http.StatusOK, ask(t, s, http.MethodPost, command, "Authorization: Bearer "+commander).status, command)
	}
	ask(t, s, http.MethodPost, "/v1/resume", "Authorization: Bearer "+reader)

	me, err := user.Current()
	require.NoError(t, err)
	var said []string
	for _, e := range store.Recent(100) {
		said = append(said, fmt.Sprintf("%s %s: %s", e.Kind, e.Instance, e.Message))
	}
	require.Equal(t, []string{
		fmt.Sprintf("command db2: pause instance=db2, by %s (uid %s)", me.Username, me.Uid),
		"command db2: pause instance=db2, by token night-shift",
		"command : resume, by token night-shift",
		"command db2: skip gtid=" + server1 + ":45 instance=db2, by token night-shift",
		"command : reload, by token night-shift",
		"command : switchover to=db2, by token night-shift",
		"command : failover, by token night-shift",
		"command : failover pause, by token night-shift",
		"command : failover resume, by token night-shift",
		"command db2: rejoin instance=db2 rewind=true, by token night-shift",
	}, said)
}

func TestRefusalsAreLoggedNowAndThenAndNameNoToken(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	s, _, _ := startServer(t, &fakeCluster{}, func(c *Config) { c.Tokens = tokens() })
	s.access.logger = zap.New(core)
	for range 20 {
		r := ask(t, s, http.MethodGet, "/v1/status", "Authorization: Bearer wrong-"+reader)
		require.NotContains(t, r.body, reader)
	}
	require.Equal(t, 1, logs.Len())
	line, err := zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"}).EncodeEntry(logs.All()[0].Entry, logs.All()[0].Context)
	require.NoError(t, err)
	require.Contains(t, line.String(), "/v1/status")
	require.NotContains(t, line.String(), reader)
}

// authority signs certificates of one test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	pair, key := a.sign(a.cert)
	parsed, err := x509.ParseCertificate(pair.Certificate[0])
	require.NoError(t, err)
	a.cert, a.key = parsed, key
	a.file = a.write("ca.pem", "CERTIFICATE", pair.Certificate[0])
	return a
}

func (a *authority) sign(of *x509.Certificate) (tls.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	by := a.key
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, of, a.cert, &key.PublicKey, by)
	require.NoError(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, key
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// server writes a certificate for 127.0.0.1 and its key.
func (a *authority) server() (cert, key string) {
	a.t.Helper()
	pair, private := a.sign(&x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	return a.write("http.pem", "CERTIFICATE", pair.Certificate[0]), a.write("http-key.pem", "PRIVATE KEY", der)
}

func (a *authority) client(name string, until time.Time) tls.Certificate {
	a.t.Helper()
	pair, _ := a.sign(&x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: name}, NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return pair
}

// through trusts the authority and shows these certificates.
func (a *authority) through(certificates ...tls.Certificate) *http.Transport {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
}

func TestAClientCertificateStandsForAToken(t *testing.T) {
	for role, want := range map[config.Role]int{config.RoleRead: http.StatusForbidden, config.RoleCommand: http.StatusOK} {
		t.Run(string(role), func(t *testing.T) {
			ca := newAuthority(t, "clients")
			cert, key := ca.server()
			c := &fakeCluster{}
			s, _, store := startServer(t, c, func(c *Config) {
				c.TLS = config.AdminTLS{Cert: cert, Key: key, ClientCA: ca.file, ClientRole: role}
				c.Tokens = tokens()
			})
			at := "https://" + s.HTTPAddr().String()
			alice := ca.client("alice", time.Now().Add(time.Hour))
			require.Equal(t, http.StatusOK, askWith(t, ca.through(alice), at, http.MethodGet, "/v1/status").status)
			require.Equal(t, want, askWith(t, ca.through(alice), at, http.MethodPost, "/v1/pause?instance=db2").status)
			require.Equal(t, http.StatusForbidden, askWith(t, ca.through(alice), at, http.MethodPost, "/v1/pause", "Sec-Fetch-Site: cross-site").status,
				"a browser sends a certificate whoever made the page that asks")
			require.Equal(t, http.StatusUnauthorized, askWith(t, ca.through(), at, http.MethodGet, "/v1/status").status, "neither certificate nor token")
			require.Equal(t, http.StatusOK, askWith(t, ca.through(), at, http.MethodGet, "/v1/status", "Authorization: Bearer "+reader).status, "a token is as good")
			if role == config.RoleCommand {
				require.Equal(t, "pause instance=db2, by certificate alice", store.Recent(1)[0].Message)
			}
			for what, other := range map[string]tls.Certificate{
				"of another authority": newAuthority(t, "clients").client("alice", time.Now().Add(time.Hour)),
				"expired":              ca.client("alice", time.Now().Add(-time.Minute)),
			} {
				_, err := (&http.Client{Transport: ca.through(other)}).Get(at + "/v1/status")
				require.Error(t, err, what)
			}
			_, err := (&http.Client{Transport: newAuthority(t, "clients").through()}).Get(at + "/health")
			require.ErrorContains(t, err, "certificate", "of another authority than the client trusts")
		})
	}
}

func TestAReplacedCertificateIsServedAtOnce(t *testing.T) {
	ca := newAuthority(t, "site")
	cert, key := ca.server()
	s, _, _ := startServer(t, &fakeCluster{}, func(c *Config) { c.TLS = config.AdminTLS{Cert: cert, Key: key} })
	serial := func() *big.Int {
		conn, err := (&tls.Dialer{Config: ca.through().TLSClientConfig}).DialContext(t.Context(), "tcp", s.HTTPAddr().String())
		require.NoError(t, err)
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber
	}
	first := serial()
	ca.server()
	require.NotEqual(t, first, serial())
	require.NoError(t, os.Remove(key))
	_, err := (&tls.Dialer{Config: ca.through().TLSClientConfig}).DialContext(t.Context(), "tcp", s.HTTPAddr().String())
	require.Error(t, err, "it can't be shown, and nothing is said in the clear instead")
	require.Equal(t, http.StatusBadRequest, ask(t, s, http.MethodGet, "/v1/status").status, "not encrypted")
}
