package mysqltest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// Direction is one of the two ways through a Proxy.
type Direction int

// The directions: what clients send, and what the server sends.
const (
	ToServer Direction = iota
	ToClient
)

// Proxy forwards TCP connections to a server and breaks them on demand. Its port stays its own until Close. What is
// asked of it holds for all connections through it, those to come too.
type Proxy struct {
	target   string
	reserved *portReservation
	wg       sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when any of what follows changes
	listener net.Listener  // nil while cut
	links    map[*link]struct{}
	stalled  [2]bool
	rate     int      // bytes per second and direction; 0: unlimited
	left     [2]int64 // bytes until the cut, if it is armed
	armed    [2]bool
	cuts     int
	flips    [2]flips
	closed   bool
}

// flips is how often a byte is damaged.
type flips struct {
	random *rand.Rand
	oneIn  int // 0: never
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	gone           chan struct{}
	once           sync.Once
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.gone)
		l.client.Close()
		if l.server != nil {
			l.server.Close()
		}
	})
}

// StartProxy opens a proxy to the server for the duration of the test.
func StartProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	p, err := OpenProxy(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// OpenProxy opens a proxy on a free port of 127.0.0.1 to a target, host:port, which need not be there yet.
func OpenProxy(target string) (*Proxy, error) {
	for {
		reserved, err := reserveAnyPort()
		if err != nil {
			return nil, fmt.Errorf("open a proxy: %w", err)
		}
		p := &Proxy{target: target, reserved: reserved, changed: make(chan struct{}), links: map[*link]struct{}{}}
		if err = p.Restore(); err == nil {
			return p, nil
		}
		reserved.release()
		if !errors.Is(err, errPortTaken) {
			return nil, err
		}
	}
}

// Port is the proxy's own port.
func (p *Proxy) Port() int { return p.reserved.port }

// Addr is the proxy's own address, host:port.
func (p *Proxy) Addr() string { return fmt.Sprintf("127.0.0.1:%d", p.Port()) }

// Cut closes all connections and refuses new ones, as a host does whose server is gone, until Restore.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopListening()
	p.closeLinks()
}

// Restore accepts connections again, and ends every Stall, Slow, Flip and pending CutAfter.
func (p *Proxy) Restore() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("restore a proxy: it is closed")
	}
	p.stalled, p.armed, p.rate, p.flips = [2]bool{}, [2]bool{}, 0, [2]flips{}
	p.change()
	if p.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp4", p.Addr())
	if err != nil {
		return fmt.Errorf("open a proxy: %w: %w", errPortTaken, err)
	}
	p.listener = listener
	p.wg.Go(func() { p.accept(listener) })
	return nil
}

// Stall forwards nothing more in a direction, and keeps connections open, as a network that drops every packet does,
// until Resume or Restore.
func (p *Proxy) Stall(d Direction) {
	p.set(func() { p.stalled[d] = true })
}

// Resume ends a Stall; what was sent meanwhile is forwarded now.
func (p *Proxy) Resume(d Direction) {
	p.set(func() { p.stalled[d] = false })
}

// CutAfter forwards n more bytes in a direction, over all connections together, and closes all connections after the
// last of them; that may be in the middle of a packet. Connections made afterwards are forwarded in full. Cuts tells
// when it has happened.
func (p *Proxy) CutAfter(n int64, d Direction) {
	p.set(func() {
		p.armed[d], p.left[d] = n > 0, n
		if n <= 0 {
			p.cuts++
			p.closeLinks()
		}
	})
}

// Cuts is how many times a CutAfter has closed the connections.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// Slow limits each connection to this many bytes per second in each direction; 0 lifts the limit.
func (p *Proxy) Slow(bytesPerSecond int) {
	p.set(func() { p.rate = bytesPerSecond })
}

// Flip damages one bit of one byte in so many, on average, that go in a direction, as r says. TCP's checksums are right
// all the same. Restore ends it.
func (p *Proxy) Flip(r *rand.Rand, oneIn int, d Direction) {
	p.set(func() { p.flips[d] = flips{r, oneIn} })
}

// Connections is the number of connections through the proxy.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Close cuts everything and waits until nothing of the proxy runs. It may be called twice.
func (p *Proxy) Close() {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.stopListening()
	p.closeLinks()
	p.mu.Unlock()
	p.wg.Wait()
	if first {
		p.reserved.release()
	}
}

func (p *Proxy) set(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	p.change()
}

// change wakes whoever waits for another state. The caller holds mu, as it does for the next two.
func (p *Proxy) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) stopListening() {
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
}

func (p *Proxy) closeLinks() {
	for l := range p.links {
		l.close()
	}
	clear(p.links)
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return // the listener is closed
		}
		p.wg.Go(func() { p.serve(listener, client) })
	}
}

func (p *Proxy) serve(listener net.Listener, client net.Conn) {
	l := &link{client: client, gone: make(chan struct{})}
	defer l.close()
	server, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil {
		return
	}
	l.server = server
	p.mu.Lock()
	// A cut that came while the server was dialled holds for this connection too.
	if p.listener != listener {
		p.mu.Unlock()
		return
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	var pumps sync.WaitGroup
	pumps.Go(func() { p.pump(l, client, server, ToServer) })
	pumps.Go(func() { p.pump(l, server, client, ToClient) })
	pumps.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// pump forwards until either side is gone.
func (p *Proxy) pump(l *link, from io.Reader, to io.Writer, d Direction) {
	defer l.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		for rest := buffer[:n]; len(rest) > 0; {
			chunk, last, pause := p.admit(l, rest, d)
			if chunk == nil {
				return
			}
			_, err := to.Write(chunk)
			if last {
				// Also where this connection broke meanwhile: nobody else will do it.
				p.set(func() { p.cuts++; p.closeLinks() })
				return
			}
			if err != nil {
				return
			}
			rest = rest[len(chunk):]
			if pause > 0 {
				select {
				case <-time.After(pause):
				case <-l.gone:
					return
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// admit waits until something of the bytes may pass, and says how much, whether the connections are to be cut after it,
// and how long to wait before more. It gives nil if the link is closed.
func (p *Proxy) admit(l *link, bytes []byte, d Direction) (chunk []byte, last bool, pause time.Duration) {
	p.mu.Lock()
	for p.stalled[d] {
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-l.gone:
			return nil, false, 0
		}
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	chunk = bytes
	if p.rate > 0 {
		chunk = chunk[:min(len(chunk), max(1, p.rate/20))]
		pause = time.Duration(len(chunk)) * time.Second / time.Duration(p.rate)
	}
	if p.armed[d] {
		chunk = chunk[:min(int64(len(chunk)), p.left[d])]
		p.left[d] -= int64(len(chunk))
		last = p.left[d] == 0
		p.armed[d] = !last
	}
	p.flips[d].damage(chunk)
	return chunk, last, pause
}

// damage flips bits of what goes by.
func (f flips) damage(chunk []byte) {
	if f.oneIn == 0 {
		return
	}
	for at := f.random.IntN(2 * f.oneIn); at < len(chunk); at += 1 + f.random.IntN(2*f.oneIn) {
		chunk[at] ^= 1 << f.random.IntN(8)
	}
}
