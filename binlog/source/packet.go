package source

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/batondb/baton/binlog"
)

// maxPayload is the size of a protocol packet that is continued by the next.
const maxPayload = 1<<24 - 1

// maxEvent bounds the size in bytes of an event, of as many packets as it takes:
// MySQL's own limit, that of max_allowed_packet, and room for the rest.
const maxEvent = 1<<30 + 1<<20

// errSilent is returned when the leader sent nothing, not even a heartbeat,
// for the read timeout.
var errSilent = errors.New("the leader is silent")

// errUnfinished is returned when a packet that began isn't whole after the
// patience.
var errUnfinished = errors.New("a packet doesn't come to its end")

// A packetReader reads the packets of a stream. It reads the connection itself
// and not through client.Conn because the leader begins a new sequence after
// each event that it wants acknowledged, because acknowledgements are written
// meanwhile, and to have each event copied only once.
//
// Source: MySQL's source documentation, "MySQL Packets".
type packetReader struct {
	conn     net.Conn
	in       *bufio.Reader
	timeout  time.Duration
	patience time.Duration // how long a packet may take from its first byte to its last
	next     uint8         // sequence number of the next packet
	restart  bool          // the next packet may begin a new sequence
	most     int           // how many bytes an event may have
	until    time.Time     // when the packet that has begun must be whole; zero between packets

	mu      sync.Mutex
	stopped error
}

func newPacketReader(conn net.Conn, timeout, patience time.Duration) *packetReader {
	p := &packetReader{conn: conn, timeout: timeout, patience: patience, next: 1, most: maxEvent}
	p.in = bufio.NewReaderSize(deadlineReader{p}, 256<<10)
	return p
}

// stop makes the current and every further read return cause. The first cause
// counts. It may be called by any goroutine.
func (p *packetReader) stop(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped == nil {
		p.stopped = cause
		_ = p.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// arm sets the deadline of the read that follows.
func (p *packetReader) arm() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped != nil {
		return p.stopped
	}
	deadline := time.Now().Add(p.timeout)
	if !p.until.IsZero() && p.until.Before(deadline) {
		deadline = p.until
	}
	return p.conn.SetReadDeadline(deadline)
}

func (p *packetReader) cause() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// read returns the payload of the next packet, in memory of its own.
func (p *packetReader) read() ([]byte, error) {
	payload, err := p.readAll()
	if err == nil {
		return payload, nil
	}
	switch cause := p.cause(); {
	case cause != nil:
		return nil, cause
	case errors.Is(err, os.ErrDeadlineExceeded) && !p.until.IsZero() && !time.Now().Before(p.until):
		return nil, fmt.Errorf("%w: not within %s; the leader's network is slow or changes what it carries", errUnfinished, p.patience)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("%w: nothing for %s, no heartbeat either", errSilent, p.timeout)
	}
	return nil, fmt.Errorf("read from the leader: %w", err)
}

func (p *packetReader) readAll() ([]byte, error) {
	var payload []byte
	for {
		n, err := p.header()
		if err != nil {
			return nil, err
		}
		start := len(payload)
		if start+n > p.most {
			return nil, fmt.Errorf("%w: an event of more than %d bytes", binlog.ErrMalformed, p.most)
		}
		payload = slices.Grow(payload, n)[:start+n]
		if _, err := io.ReadFull(p.in, payload[start:]); err != nil {
			return nil, cut(err)
		}
		p.until = time.Time{}
		if n < maxPayload {
			return payload, nil
		}
	}
}

// header reads a packet's header and returns the length of its payload. From its
// first byte on the packet's time runs: where the length was damaged on the way,
// heartbeats would fill the packet for hours, and nothing would look silent.
func (p *packetReader) header() (int, error) {
	var h [4]byte
	if _, err := p.in.Peek(1); err != nil {
		return 0, err
	}
	p.until = time.Now().Add(p.patience)
	if _, err := io.ReadFull(p.in, h[:]); err != nil {
		return 0, err
	}
	if seq := h[3]; seq != p.next && (!p.restart || seq != 1) {
		return 0, fmt.Errorf("packet with the sequence number %d where %d belongs", seq, p.next)
	}
	p.next, p.restart = h[3]+1, false
	return int(binary.LittleEndian.Uint32(h[:]) & maxPayload), nil
}

// cut makes an end of the connection inside a packet known as such.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// expectRestart says that the leader may begin a new sequence: it does so
// after an event that it wants acknowledged.
func (p *packetReader) expectRestart() { p.restart = true }

// deadlineReader sets the deadline before each read of the connection.
type deadlineReader struct{ p *packetReader }

func (d deadlineReader) Read(b []byte) (int, error) {
	if err := d.p.arm(); err != nil {
		return 0, err
	}
	return d.p.conn.Read(b)
}
