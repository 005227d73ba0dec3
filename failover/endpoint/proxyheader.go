package endpoint

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

const (
	proxyPrefix    = 16  // bytes up to the length of what follows
	largestProxied = 536 // of a whole header, which the protocol wants to fit into one segment
)

// readProxyHeader reads a header of the PROXY protocol v2, and nothing beyond it,
// and returns the address that it says the client has; peer's where it says none,
// as a load balancer's own checks do (command LOCAL).
func readProxyHeader(from io.Reader, peer netip.AddrPort) (netip.AddrPort, error) {
	header := make([]byte, proxyPrefix, largestProxied)
	if _, err := io.ReadFull(from, header); err != nil {
		return peer, fmt.Errorf("read a PROXY header: %w", err)
	}
	if !bytes.HasPrefix(header, proxyproto.SIGV2) {
		return peer, errors.New("what comes is no header of the PROXY protocol v2: have the load balancer send it, or take its network out of accept_proxy")
	}
	n := proxyPrefix + int(binary.BigEndian.Uint16(header[14:]))
	if n > largestProxied {
		return peer, fmt.Errorf("a PROXY header of %d bytes", n)
	}
	header = header[:n]
	if _, err := io.ReadFull(from, header[proxyPrefix:]); err != nil {
		return peer, fmt.Errorf("read a PROXY header: %w", err)
	}
	parsed, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(header), largestProxied))
	if err != nil {
		return peer, fmt.Errorf("read a PROXY header: %w", err)
	}
	if source, _, ok := parsed.TCPAddrs(); ok && !parsed.Command.IsLocal() {
		return unmapped(source.AddrPort()), nil
	}
	return peer, nil
}

// proxyHeader is the header that tells a server where the client is.
func proxyHeader(client netip.AddrPort, server net.Addr) ([]byte, error) {
	return proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(client), server).Format()
}

// addressOf is the address of a connection's end.
func addressOf(end net.Addr) netip.AddrPort {
	if tcp, ok := end.(*net.TCPAddr); ok {
		return unmapped(tcp.AddrPort())
	}
	return netip.AddrPort{}
}

func unmapped(at netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
