package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/batondb/baton/internal/logkey"
)

// An endpoint is one port. What is below the line belongs to the Set's mutex.
type endpoint struct {
	set      *Set
	key      string // as it was configured
	listen   string // as it was opened
	listener *net.TCPListener
	ctx      context.Context // ends when it lets nobody in any more
	cancel   context.CancelFunc

	// -----
	cfg       Config
	clients   int // all, those that are held included
	held      int
	heldTotal uint64
	opened    map[string]uint64 // by the instance's name
	refused   map[Reason]uint64
}

const (
	acceptPause   = 100 * time.Millisecond // after an error, such as too many open files
	headerTimeout = 5 * time.Second        // for a load balancer's header
	refuseTimeout = time.Second            // for an error packet to be written
)

// close lets nobody in any more. Those who wait are told so.
func (e *endpoint) close() {
	e.cancel()
	_ = e.listener.Close() // it has none but that it was closed before
}

func (e *endpoint) accept() {
	for {
		conn, err := e.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			e.set.logger.Warn("a client could not be let in", zap.String(logkey.Address, e.listen), zap.Error(err),
				zap.String(logkey.Mend, "if there are too many open files, raise LimitNOFILE in the unit, or lower max_connections"))
			select {
			case <-time.After(acceptPause):
			case <-e.ctx.Done():
			}
			continue
		}
		cfg, ok := e.enter()
		if !ok {
			e.refuse(conn, TooMany, tooManyConnections, fmt.Sprintf("Too many connections: baton lets %d in here", cfg.MaxConnections))
			continue
		}
		e.set.work.Go(func() {
			defer e.leave()
			e.receive(conn, cfg)
		})
	}
}

// enter counts a client in, if there is room.
func (e *endpoint) enter() (Config, bool) {
	e.set.mu.Lock()
	defer e.set.mu.Unlock()
	if e.clients >= e.cfg.MaxConnections {
		return e.cfg, false
	}
	e.clients++
	return e.cfg, true
}

func (e *endpoint) leave() {
	e.set.mu.Lock()
	defer e.set.mu.Unlock()
	e.clients--
}

// refuse tells a client why it is refused, and closes.
func (e *endpoint) refuse(conn *net.TCPConn, reason Reason, code uint16, message string) {
	e.refuseWith(conn, reason, refusal(code, message))
}

func (e *endpoint) refuseWith(conn *net.TCPConn, reason Reason, packet []byte) {
	e.set.mu.Lock()
	e.refused[reason]++
	e.set.mu.Unlock()
	e.set.logger.Debug("a client was refused", zap.String(logkey.Address, e.listen), zap.Stringer("client", conn.RemoteAddr()), zap.String("reason", string(reason)))
	_ = conn.SetWriteDeadline(time.Now().Add(refuseTimeout))
	_, _ = conn.Write(packet) // a client that went away needs no answer
	_ = conn.Close()
}

// receive finds out where a client comes from, and has it led on if it may come
// from there.
func (e *endpoint) receive(conn *net.TCPConn, cfg Config) {
	limitUnacknowledged(conn)
	from := addressOf(conn.RemoteAddr())
	if contains(cfg.AcceptProxy, from.Addr()) {
		var err error
		if from, err = e.awaitHeader(conn, from); err != nil {
			e.set.logger.Debug("no PROXY header", zap.String(logkey.Address, e.listen), zap.Error(err))
			e.refuse(conn, BadHeader, cannotConnect, "baton expects a header of the PROXY protocol v2 from here")
			return
		}
	}
	if len(cfg.Allow) > 0 && !contains(cfg.Allow, from.Addr()) {
		e.refuse(conn, NotAllowed, hostNotPrivileged, fmt.Sprintf("Host '%s' is not allowed to connect to baton here", from.Addr()))
		return
	}
	v := &visit{endpoint: e, cfg: cfg, conn: conn, from: from, until: time.Now().Add(cfg.HoldTimeout), excluded: map[string]string{}}
	v.lead()
}

// awaitHeader reads a load balancer's header; a stop of the endpoint ends that.
func (e *endpoint) awaitHeader(conn *net.TCPConn, from netip.AddrPort) (netip.AddrPort, error) {
	_ = conn.SetReadDeadline(time.Now().Add(headerTimeout))
	stop := context.AfterFunc(e.ctx, func() { _ = conn.SetReadDeadline(past()) })
	defer stop()
	from, err := readProxyHeader(conn, from)
	if err == nil && stop() {
		err = conn.SetReadDeadline(time.Time{})
	}
	return from, err
}
