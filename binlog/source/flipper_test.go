package source_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A flipper is a proxy that flips one bit wherever a word comes by on the way
// to the client, or in the length of one packet.
type flipper struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu      sync.Mutex
	word    []byte
	lengths bool
	conns   []net.Conn
}

func startFlipper(t testing.TB, target string) *flipper {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	f := &flipper{listener: listener, target: target}
	f.wg.Go(f.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			_ = c.Close()
		}
		f.mu.Unlock()
		f.wg.Wait()
	})
	return f
}

func (f *flipper) addr() string { return f.listener.Addr().String() }

func (f *flipper) damage(word string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.word = []byte(word)
}

func (f *flipper) heal() { f.damage("") }

// damageALength adds 8 MiB to the length of the next packet that comes alone.
func (f *flipper) damageALength() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lengths = true
}

func (f *flipper) accept() {
	for {
		in, err := f.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp4", f.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, in, out)
		f.mu.Unlock()
		f.wg.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
		f.wg.Go(func() { f.pump(in, out); _ = in.Close() })
	}
}

func (f *flipper) pump(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		chunk := buf[:n]
		f.mu.Lock()
		if at := bytes.Index(chunk, f.word); len(f.word) > 0 && at >= 0 {
			chunk[at] ^= 0x10
		}
		if f.lengths && n > 4 && int(binary.LittleEndian.Uint32(chunk)&0xffffff) == n-4 {
			chunk[2] ^= 0x80
			f.lengths = false
		}
		f.mu.Unlock()
		if _, werr := to.Write(chunk); err != nil || werr != nil {
			return
		}
	}
}
