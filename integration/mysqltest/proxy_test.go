package mysqltest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	mathbits "math/bits"
	mathrand "math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// far is a deadline that a working proxy never meets.
const far = 30 * time.Second

// eventually polls a condition.
func eventually(t *testing.T, condition func() bool, say string) {
	t.Helper()
	require.Eventually(t, condition, far, time.Millisecond, say)
}

// echo is a TCP server that sends everything back, behind a proxy.
func echo(t *testing.T) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	p, err := OpenProxy(listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Close()
		listener.Close()
		<-done
	})
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(far)))
	return conn
}

func roundTrip(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func TestProxyForwardsEverythingUnchanged(t *testing.T) {
	p := echo(t)
	conn := dial(t, p)
	sent := make([]byte, 3<<20)
	rand.Read(sent)
	go conn.Write(sent)
	got := make([]byte, len(sent))
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	require.Equal(t, 1, p.Connections())
}

func TestProxyCutsAndRefusesUntilRestored(t *testing.T) {
	p := echo(t)
	conn := dial(t, p)
	roundTrip(t, conn, "before")
	p.Cut()
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = net.Dial("tcp", p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NoError(t, p.Restore())
	roundTrip(t, dial(t, p), "after")
}

func TestProxyStallsOneDirectionAndDeliversAfterwards(t *testing.T) {
	for _, d := range []Direction{ToServer, ToClient} {
		t.Run(fmt.Sprint(d), func(t *testing.T) {
			p := echo(t)
			conn := dial(t, p)
			roundTrip(t, conn, "before")
			p.Stall(d)
			_, err := io.WriteString(conn, "late")
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
			_, err = conn.Read(make([]byte, 1))
			require.ErrorContains(t, err, "timeout")
			p.Resume(d)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(far)))
			got := make([]byte, 4)
			_, err = io.ReadFull(conn, got)
			require.NoError(t, err)
			require.Equal(t, "late", string(got))
		})
	}
}

func TestProxyCutsAfterExactlyThatManyBytes(t *testing.T) {
	p := echo(t)
	conn := dial(t, p)
	roundTrip(t, conn, "before")
	p.CutAfter(5, ToClient)
	_, err := io.WriteString(conn, "0123456789")
	require.NoError(t, err)
	got, _ := io.ReadAll(conn) // a reset may follow the bytes
	require.Equal(t, "01234", string(got))
	eventually(t, func() bool { return p.Cuts() == 1 && p.Connections() == 0 }, "the cut is counted")
	roundTrip(t, dial(t, p), "0123456789")
}

func TestProxySlowsDown(t *testing.T) {
	p := echo(t)
	conn := dial(t, p)
	p.Slow(1 << 10)
	_, err := conn.Write(make([]byte, 64<<10)) // a minute's worth
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 100))
	require.NoError(t, err)
	p.Slow(0)
	_, err = io.ReadFull(conn, make([]byte, 64<<10-100))
	require.NoError(t, err)
}

func TestProxyClosesWhileStalledAndSlowed(t *testing.T) {
	p := echo(t)
	p.Stall(ToServer)
	p.Slow(1)
	conn := dial(t, p)
	_, err := io.WriteString(conn, "lost")
	require.NoError(t, err)
	eventually(t, func() bool { return p.Connections() == 1 }, "the connection is there")
	p.Close()
	p.Close()
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestProxyStandsBeforeAServer(t *testing.T) {
	s := Start(t, Relaxed())
	p := StartProxy(t, s)
	db := openAt(t, p.Addr())
	var id int
	require.NoError(t, db.QueryRow("SELECT @@server_id").Scan(&id))
	require.Equal(t, s.Port, id)
	p.Cut()
	require.Error(t, db.Ping())
	require.NoError(t, p.Restore())
	require.NoError(t, db.Ping())
	p.CutAfter(100_000, ToClient)
	var text string
	require.Error(t, db.QueryRow("SELECT REPEAT('x', 200000)").Scan(&text))
	require.NoError(t, db.QueryRow("SELECT REPEAT('x', 200000)").Scan(&text))
	require.Len(t, text, 200_000)
}

func TestProxyFlipsBits(t *testing.T) {
	p := echo(t)
	conn := dial(t, p)
	sent := bytes.Repeat([]byte{0}, 100_000)
	// The number of bits of each byte that came back as it wasn't sent.
	damaged := func() (bits []int) {
		go func() { _, _ = conn.Write(sent) }()
		got := make([]byte, len(sent))
		_, err := io.ReadFull(conn, got)
		require.NoError(t, err)
		for i := range got {
			if n := mathbits.OnesCount8(got[i] ^ sent[i]); n > 0 {
				bits = append(bits, n)
			}
		}
		return bits
	}
	require.Empty(t, damaged())
	p.Flip(mathrand.New(mathrand.NewPCG(1, 2)), 1000, ToClient)
	flipped := damaged()
	require.InDelta(t, 100, len(flipped), 60)
	for _, n := range flipped {
		require.Equal(t, 1, n)
	}
	require.NoError(t, p.Restore())
	require.Empty(t, damaged())
}
