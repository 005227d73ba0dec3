package endpoint

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARefusalIsAnErrorPacket(t *testing.T) {
	require.Equal(t, "\x05\x00\x00\x00\xff\x10\x04no", string(refusal(1040, "no")))
	g, err := readGreeting(bytes.NewReader(refusal(2003, strings.Repeat("x", 5000))))
	require.NoError(t, err)
	require.Equal(t, "error 2003: "+strings.Repeat("x", 512), g.refused)
}

func TestAGreetingIsReadAndNothingBeyondIt(t *testing.T) {
	packet := "\x10\x00\x00\x00\x0a9.7.4\x00\x2a\x01\x00\x00rest!"
	from := strings.NewReader(packet + "beyond")
	g, err := readGreeting(from)
	require.NoError(t, err)
	require.EqualValues(t, 0x12a, g.connection)
	require.Empty(t, g.refused)
	require.Equal(t, packet, string(g.packet))
	require.Equal(t, len("beyond"), from.Len())
}

func TestWhatIsNoGreetingIsRefused(t *testing.T) {
	for name, packet := range map[string]string{
		"nothing":                  "",
		"it breaks off":            "\x10\x00\x00\x00\x0a9.7.4",
		"an empty packet":          "\x00\x00\x00\x00",
		"a large packet":           "\x00\x00\x01\x00",
		"a web server":             "HTTP/1.1 400 Bad Request\r\n",
		"another protocol":         "\x02\x00\x00\x00\x09x",
		"a version without end":    "\x04\x00\x00\x00\x0a9.7",
		"no number of connection":  "\x05\x00\x00\x00\x0a9.7\x00",
		"an error that breaks off": "\x02\x00\x00\x00\xff\x10",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readGreeting(strings.NewReader(packet))
			require.Error(t, err)
		})
	}
}

func FuzzGreeting(f *testing.F) {
	f.Add([]byte("\x10\x00\x00\x00\x0a9.7.4\x00\x2a\x01\x00\x00rest!"))
	f.Add(refusal(1040, "Too many connections"))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := readGreeting(bytes.NewReader(data))
		if err == nil {
			require.True(t, bytes.HasPrefix(data, g.packet))
		}
	})
}

var peer = netip.MustParseAddrPort("10.0.0.7:5000")

func header(t testing.TB, client, server string) []byte {
	h, err := proxyHeader(netip.MustParseAddrPort(client), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(server)))
	require.NoError(t, err)
	return h
}

func TestAProxyHeaderIsReadAsItWasWritten(t *testing.T) {
	for _, c := range []struct{ client, server string }{
		{"192.0.2.1:1234", "192.0.2.9:3306"}, {"[2001:db8::1]:1234", "[2001:db8::9]:3306"}, {"192.0.2.1:1234", "[2001:db8::9]:3306"},
	} {
		from := bytes.NewReader(append(header(t, c.client, c.server), "beyond"...))
		client, err := readProxyHeader(from, peer)
		require.NoError(t, err)
		require.Equal(t, c.client, client.String())
		require.Equal(t, len("beyond"), from.Len())
	}
}

const signature = "\r\n\r\n\x00\r\nQUIT\n"

func TestALoadBalancersOwnCheckComesFromTheLoadBalancer(t *testing.T) {
	client, err := readProxyHeader(strings.NewReader(signature+"\x20\x00\x00\x00"), peer)
	require.NoError(t, err)
	require.Equal(t, peer, client)
}

func TestWhatIsNoProxyHeaderIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":         "",
		"it breaks off":   signature + "\x21\x11\x00\x0c\x01\x02",
		"version 1":       "PROXY TCP4 192.0.2.1 192.0.2.9 1234 3306\r\n",
		"no address":      signature + "\x21\x11\x00\x00",
		"a large one":     signature + "\x21\x11\xff\xff" + strings.Repeat("x", 0xffff),
		"another command": signature + "\x2f\x11\x00\x0c" + strings.Repeat("x", 12),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readProxyHeader(strings.NewReader(text), peer)
			require.Error(t, err)
		})
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add(header(f, "192.0.2.1:1234", "192.0.2.9:3306"))
	f.Add([]byte(signature + "\x20\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		client, err := readProxyHeader(bytes.NewReader(data), peer)
		if err == nil {
			require.True(t, client.IsValid())
		}
	})
}
