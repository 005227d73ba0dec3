package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	goodToken  = "0f3c9a1e5b7d2468ace0"
	otherToken = "ffffffffffffffffffff"
)

// file writes a private file into dir.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// certificate writes a certificate that is its own authority, and its key.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &private.PublicKey, private)
	require.NoError(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return file(t, dir, "http.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		file(t, dir, "http-key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})))
}

func TestTokensAreReadFromTheirFiles(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "a.token", goodToken+"\n")
	file(t, dir, "b.token", otherToken)
	text := minimal + "admin: {http: \":8046\", tokens: [{name: a, file: a.token}, {name: b, role: command, file: b.token}]}\n"
	c := load(t, dir, text)
	require.Equal(t, []Token{
		{Name: "a", Role: RoleRead, File: filepath.Join(dir, "a.token"), Text: NewSecret(goodToken)},
		{Name: "b", Role: RoleCommand, File: filepath.Join(dir, "b.token"), Text: NewSecret(otherToken)},
	}, c.Admin.Tokens)
	require.NotContains(t, fmt.Sprintf("%+v", c), goodToken)

	file(t, dir, "b.token", strings.Repeat("x", 20))
	again := load(t, dir, text)
	live, restart := Changes(c, again)
	require.Equal(t, []string{"admin.tokens[b].file"}, live, "another token in the same file")
	require.Empty(t, restart)
	live, restart = Changes(c, load(t, dir, strings.Replace(text, "role: command, ", "", 1)))
	require.Equal(t, []string{"admin.tokens[b].file", "admin.tokens[b].role"}, live)
	require.Empty(t, restart)
	live, _ = Changes(c, load(t, dir, strings.Replace(text, "{name: a, file: a.token}, ", "", 1)))
	require.Contains(t, live, "admin.tokens[a]")
}

func TestATokenThatIsNoneIsRefusedAndNotRepeated(t *testing.T) {
	for name, tc := range map[string]struct{ text, says string }{
		"short":         {"sesame", "holds no token of 20 to 512"},
		"long":          {strings.Repeat("sesame", 100), "holds no token of 20 to 512"},
		"spaces":        {"sesame sesame sesame sesame", "holds no token of 20 to 512"},
		"not ASCII":     {"sesame-sesame-sesame-é", "holds no token of 20 to 512"},
		"several lines": {"sesame-sesame-sesame-1\nsesame", "more than one line"},
		"empty":         {"\n", "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file(t, dir, "a.token", tc.text)
			_, err := tryLoad(t, dir, minimal+"admin: {http: \":8046\", tokens: [{name: a, file: a.token}]}\n")
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "sesame")
		})
	}
	dir := t.TempDir()
	file(t, dir, "a.token", goodToken)
	_, err := tryLoad(t, dir, minimal+"admin: {http: \":8046\", tokens: [{name: a, file: a.token}, {name: b, file: a.token}]}\n")
	require.ErrorContains(t, err, "the same token as that of line 7")
	require.NoError(t, os.Chmod(filepath.Join(dir, "a.token"), 0o644))
	_, err = tryLoad(t, dir, minimal+"admin: {http: \":8046\", tokens: [{name: a, file: a.token}]}\n")
	require.ErrorContains(t, err, "run chmod o-rwx on it")
}

func TestHTTPBeyondLoopbackNeedsSomebodyWhoMayAsk(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "a.token", goodToken)
	certificate(t, dir)
	for listen, open := range map[string]bool{
		"127.0.0.1:8046": false, "127.9.9.9:8046": false, "localhost:8046": false, "[::1]:8046": false, "[::ffff:127.0.0.1]:8046": false,
		":8046": true, "0.0.0.0:8046": true, "[::]:8046": true, "10.0.0.9:8046": true, "localhost.example:8046": true, "[fe80::1]:8046": true,
	} {
		admin := func(more string) error {
			_, err := tryLoad(t, dir, minimal+"admin:\n  http: \""+listen+"\"\n"+more)
			return err
		}
		if err := admin(""); open {
			require.ErrorContains(t, err, ":8: admin.http: "+listen+" can be reached from other machines", listen)
		} else {
			require.NoError(t, err, listen)
		}
		require.NoError(t, admin("  tokens: [{name: a, file: a.token}]\n"), listen)
		require.NoError(t, admin("  tls: {cert: http.pem, key: http-key.pem, client_ca: http.pem}\n"), listen)
		if err := admin("  tls: {cert: http.pem, key: http-key.pem}\n"); open {
			require.ErrorContains(t, err, "can be reached from other machines", "encryption alone asks nobody who they are")
		}
	}
}

func TestTheCertificateOfHTTPIsReadAtEachConnection(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	settings := AdminTLS{Cert: cert, Key: key, ClientCA: cert}
	first, err := settings.Config()
	require.NoError(t, err)
	require.Equal(t, tls.VerifyClientCertIfGiven, first.ClientAuth)
	certificate(t, dir)
	second, err := settings.Config()
	require.NoError(t, err)
	require.NotEqual(t, first.Certificates[0].Certificate, second.Certificates[0].Certificate)
	none, err := AdminTLS{}.Config()
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestAPasswordInAFileThatEverybodyCanReadIsRefused(t *testing.T) {
	t.Setenv(passwordVariable, "")
	path := filepath.Join(t.TempDir(), "shop.yaml")
	text := strings.Replace(minimal, "{user: baton}", "{user: baton, password: sesame}", 1)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o640))
	_, err := Load(path)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = Load(path)
	require.ErrorContains(t, err, "shop.yaml:3: mysql.password: a password stands here and every account of the machine can open")
	require.ErrorContains(t, err, "run chmod o-rwx on it, or use password_file")
	require.NotContains(t, err.Error(), "sesame")
	require.NoError(t, os.WriteFile(path, []byte(minimal), 0o644))
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = Load(path)
	require.NoError(t, err, "without a password everybody may read it")
}
