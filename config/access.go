package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Admin is where the daemon listens for its operators, and who may ask there.
type Admin struct {
	// Socket is the unix socket of the verbs, at most 107 bytes. Default:
	// /run/baton/<cluster>.sock.
	Socket string `mapstructure:"socket"`
	// HTTP is host and port of the status page and /metrics; empty, the default,
	// opens none, so that several clusters of one machine never collide. Beyond
	// loopback it needs Tokens or TLS.ClientCA.
	HTTP string `mapstructure:"http"`
	// Tokens are who may ask over HTTP. Without one, and without TLS.ClientCA,
	// every account of the machine may ask questions on an address of loopback,
	// and nobody may give commands.
	Tokens []Token `mapstructure:"tokens"`
	// TLS encrypts HTTP. Recommended beyond loopback: a token is readable on the
	// network without it.
	TLS AdminTLS `mapstructure:"tls"`
}

// Token is somebody who may ask over HTTP, and shows so by a text that only both
// know.
type Token struct {
	// Name is what logs and the history call whoever uses it; unique in the file.
	Name string `mapstructure:"name"`
	// Role is what it allows. Default: read.
	Role Role `mapstructure:"role"`
	// File is the file whose content, without the newline at its end, is the
	// token: 20 to 512 letters, digits and punctuation. Others may not be able to
	// read it (chmod 600).
	File string `mapstructure:"file"`
	// Text is what Load has read from File.
	Text Secret `mapstructure:"-"`
}

// AdminTLS is the server's side of TLS at Admin.HTTP.
type AdminTLS struct {
	// Cert and Key are the PEM files of the certificate that clients see, with the
	// chain up to what they trust; both or none. None: no TLS.
	Cert string `mapstructure:"cert"`
	Key  string `mapstructure:"key"`
	// ClientCA is the PEM file of the authorities whose client certificates stand
	// for a token. It needs Cert.
	ClientCA string `mapstructure:"client_ca"`
	// ClientRole is what each such certificate allows. Default: read.
	ClientRole Role `mapstructure:"client_role"`
}

// Config returns the server's side of TLS, nil where there is none. It reads the
// files, so that a certificate that was replaced counts from the next connection
// on.
func (t AdminTLS) Config() (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	pair, err := TLS{Cert: t.Cert, Key: t.Key}.keyPair()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if t.ClientCA != "" {
		if c.ClientCAs, err = t.clientAuthorities(); err != nil {
			return nil, err
		}
		// Without a certificate a token is asked for.
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}

func (t AdminTLS) clientAuthorities() (*x509.CertPool, error) { return TLS{CA: t.ClientCA}.roots() }

// IsLoopback tells whether only this machine reaches a host:port to listen on.
// Of names only localhost is known; an empty host is every address.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// Limits of a token in bytes: one that can be guessed is none.
const (
	minToken = 20
	maxToken = 512
)

const makeToken = "make one with: openssl rand -hex 32"

// readTokens reads the files of the tokens.
func readTokens(c *Config, f *findings) {
	for i := range c.Admin.Tokens {
		t := &c.Admin.Tokens[i]
		key := item("admin.tokens", i) + ".file"
		if t.File == "" || !f.sound(key) {
			continue
		}
		text, err := readSecret(t.File, "token")
		if err != nil {
			f.add(key, "%s", err)
			continue
		}
		if n := len(text.Reveal()); n < minToken || n > maxToken || strings.ContainsFunc(text.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
			f.add(key, "%s holds no token of %d to %d letters, digits and punctuation; %s", t.File, minToken, maxToken, makeToken)
			continue
		}
		t.Text = text
	}
}

func checkAdmin(c Config, f *findings) {
	checkSocket(c, f)
	a := c.Admin
	names, texts := map[string]int{}, map[string]int{}
	for i, t := range a.Tokens {
		key := item("admin.tokens", i)
		if line, twice := names[strings.ToLower(t.Name)]; twice && t.Name != "" {
			f.add(key+".name", "%s is also the name of the token on line %d; name every token differently", t.Name, line)
		}
		names[strings.ToLower(t.Name)] = f.lines[key]
		// Who it was could not be told.
		if line, twice := texts[t.Text.Reveal()]; twice && t.Text.Reveal() != "" {
			f.add(key+".file", "it holds the same token as that of line %d; %s", line, makeToken)
		}
		texts[t.Text.Reveal()] = f.lines[key]
	}
	checkAdminTLS(a.TLS, f)
	if a.HTTP == "" {
		for _, key := range []string{"admin.tokens", "admin.tls.cert"} {
			if f.given(key) && f.sound("admin.http") {
				f.add(key, "there is no admin.http that it would be for; add http: \"127.0.0.1:8046\", or remove it")
			}
		}
		return
	}
	if !IsLoopback(a.HTTP) && len(a.Tokens) == 0 && a.TLS.ClientCA == "" && f.sound("admin.http", "admin.tokens", "admin.tls", "admin.tls.client_ca") {
		f.add("admin.http", "%s can be reached from other machines, and anybody there could read the status; add admin.tokens, or admin.tls with client_ca, or listen on 127.0.0.1", a.HTTP)
	}
}

func checkAdminTLS(t AdminTLS, f *findings) {
	const cert, key, ca = "admin.tls.cert", "admin.tls.key", "admin.tls.client_ca"
	switch {
	case t.Cert != "" && t.Key == "" && f.sound(key):
		f.add(cert, "a certificate without its key; add key: /path/of/key.pem")
	case t.Cert == "" && t.Key != "" && f.sound(cert):
		f.add(key, "a key without its certificate; add cert: /path/of/cert.pem")
	case t.Cert != "":
		if _, err := (TLS{Cert: t.Cert, Key: t.Key}).keyPair(); err != nil {
			f.add(cert, "%s; name the PEM files of one pair", err)
		} else if err := checkPrivate(t.Key); err != nil {
			f.add(key, "%s", err)
		}
	case t.ClientCA != "" && f.sound(cert, key):
		f.add(ca, "client certificates need TLS; add cert and key beside it")
	}
	if t.ClientCA != "" && f.sound(ca) {
		if _, err := t.clientAuthorities(); err != nil {
			f.add(ca, "%s; name the PEM file of the authority", err)
		}
	}
	if t.ClientRole == RoleCommand && t.ClientCA == "" && f.sound(ca) {
		f.add("admin.tls.client_role", "it says what client certificates allow, and there is no client_ca; add it, or remove client_role")
	}
}

// readSecret reads a file that holds a secret on its only line and that others
// can't open; what names it in words.
func readSecret(path, what string) (Secret, error) {
	data, err := readSmallFile(path)
	if err != nil {
		return Secret{}, fmt.Errorf("%w; write the %s into a file that the daemon can read", err, what)
	}
	if err := checkPrivate(path); err != nil {
		return Secret{}, err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case text == "":
		return Secret{}, fmt.Errorf("%s is empty; write the %s into it", path, what)
	case strings.ContainsAny(text, "\r\n\x00"):
		return Secret{}, fmt.Errorf("%s has more than one line; it must hold the %s and nothing else", path, what)
	}
	return NewSecret(text), nil
}
