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

// retryInterval is the time between two attempts to reach a leader that doesn't
// greet.
const retryInterval = 100 * time.Millisecond

// A visit is a client that was not given to an instance yet.
type visit struct {
	endpoint *endpoint
	cfg      Config
	conn     *net.TCPConn
	from     netip.AddrPort
	until    time.Time // it waits until then at most
	held     bool
	leaving  *leaving          // nil before it waits first
	excluded map[string]string // followers that were tried, and why not
	trouble  string            // why the last attempt failed
}

// A way is whom a client is to be led to.
type way struct {
	instance, address string
	asLeader          bool
	ctx               context.Context // ends when nobody is led there any more
}

// lead brings the client to an instance and stays with it, or refuses it.
func (v *visit) lead() {
	for {
		w, why, changed := v.choose()
		switch {
		case w.instance == "" && why.refuse:
			v.refuse(NoFollower, cannotConnect, "no follower is to be read from: "+why.text)
			return
		case w.instance == "":
			v.trouble = why.text
		default:
			l, err := v.attempt(w)
			if err == nil {
				v.settle()
				l.run()
				return
			}
			v.endpoint.set.release(w.instance)
			if refused, ok := errors.AsType[*refusedByInstance](err); ok && w.asLeader {
				v.settle()
				v.endpoint.refuseWith(v.conn, InstanceError, refused.packet)
				return
			}
			if !w.asLeader {
				v.excluded[w.instance] = err.Error()
				continue
			}
			v.trouble = w.instance + ": " + err.Error()
		}
		if !v.wait(changed) {
			return
		}
		clear(v.excluded)
	}
}

// A why is why there is no way.
type why struct {
	text   string
	refuse bool // rather than wait
}

// choose finds the way of a client, and counts it in there: it must be released,
// or become a link.
func (v *visit) choose() (way, why, <-chan struct{}) {
	s := v.endpoint.set
	s.mu.Lock()
	defer s.mu.Unlock()
	w := way{instance: s.view.Leader, asLeader: true, ctx: s.led}
	text := s.view.Held
	if v.cfg.Route == ToFollowers {
		name, none := s.view.follower(v.cfg.MaxLag, s.loads, v.excluded)
		switch {
		case name != "":
			w = way{instance: name, ctx: s.ctx}
		case v.cfg.RefuseWithoutFollower:
			return way{}, why{none, true}, s.changed
		default:
			text = fmt.Sprintf("%s; and of the leader: %s", none, text)
		}
	}
	if w.instance == "" {
		return way{}, why{text: text}, s.changed
	}
	w.address = s.addresses[w.instance]
	l := s.loads[w.instance]
	l.open++
	s.loads[w.instance] = l
	return w, why{}, s.changed
}

// release counts a client out that was on its way to an instance.
func (s *Set) release(instance string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.loads[instance]
	l.open--
	s.loads[instance] = l
}

// refusedByInstance is an error packet in the place of a greeting.
type refusedByInstance struct {
	message string
	packet  []byte
}

func (r *refusedByInstance) Error() string { return r.message }

// attempt connects to an instance and waits for its greeting. What comes of it is
// the client's connection, unless nobody is led there any more.
func (v *visit) attempt(w way) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(w.ctx, v.cfg.ConnectTimeout, fmt.Errorf("no greeting within %s", v.cfg.ConnectTimeout))
	defer cancel()
	defer context.AfterFunc(v.endpoint.ctx, cancel)()
	dialed, err := (&net.Dialer{KeepAliveConfig: keepAlive()}).DialContext(ctx, "tcp", w.address)
	if err != nil {
		return nil, err
	}
	conn := dialed.(*net.TCPConn)
	limitUnacknowledged(conn)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past()) })
	g, err := v.greet(conn)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err == nil && g.refused != "" {
		err = &refusedByInstance{g.refused, g.packet}
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	l := &link{endpoint: v.endpoint, instance: w.instance, asLeader: w.asLeader, connection: g.connection, greeting: g.packet, client: v.conn, server: conn}
	if !v.endpoint.set.begin(l, w.ctx) {
		_ = conn.Close()
		return nil, errors.New("nobody is led there any more")
	}
	return l, nil
}

// greet sends what an instance is to know before it speaks, and has it speak.
func (v *visit) greet(conn *net.TCPConn) (greeting, error) {
	if v.cfg.SendProxy {
		header, err := proxyHeader(v.from, conn.RemoteAddr())
		if err == nil {
			_, err = conn.Write(header)
		}
		if err != nil {
			return greeting{}, fmt.Errorf("send a PROXY header: %w", err)
		}
	}
	return readGreeting(conn)
}

// begin makes a link one of the Set, unless nobody is led there any more.
func (s *Set) begin(l *link, valid context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if valid.Err() != nil || l.endpoint.ctx.Err() != nil {
		return false
	}
	s.links[l] = struct{}{}
	l.endpoint.opened[l.instance]++
	counts := s.loads[l.instance]
	counts.total++
	s.loads[l.instance] = counts
	return true
}

// wait has the client wait until there may be a way. false means that it is
// refused, or gone.
func (v *visit) wait(changed <-chan struct{}) bool {
	if !v.held && !v.hold() {
		return false
	}
	timeout := time.NewTimer(time.Until(v.until))
	defer timeout.Stop()
	select {
	case <-changed:
		return true
	case <-time.After(retryInterval):
		return true
	case <-v.leaving.gone:
		v.settle()
		_ = v.conn.Close()
	case <-timeout.C:
		v.refuse(NobodyLeads, cannotConnect, fmt.Sprintf("nobody can be led to within %s: %s", v.cfg.HoldTimeout, v.trouble))
	case <-v.endpoint.ctx.Done():
		v.refuse(Stopping, serverShutdown, "baton is being stopped, or this endpoint removed")
	}
	return false
}

// hold counts the client among those that wait, if there is room.
func (v *visit) hold() bool {
	e := v.endpoint
	e.set.mu.Lock()
	room := v.cfg.HoldTimeout > 0 && e.held < v.cfg.MaxHeld
	if room {
		e.held++
		e.heldTotal++
	}
	e.set.mu.Unlock()
	switch {
	case room:
		v.held, v.leaving = true, watchLeaving(v.conn)
	case v.cfg.HoldTimeout == 0:
		v.refuse(NobodyLeads, cannotConnect, "nobody can be led to: "+v.trouble)
	default:
		v.refuse(TooManyHeld, tooManyConnections, fmt.Sprintf("Too many connections: %d wait already, since nobody can be led to: %s", v.cfg.MaxHeld, v.trouble))
	}
	return room
}

// settle ends that the client waits.
func (v *visit) settle() {
	if !v.held {
		return
	}
	v.held = false
	v.leaving.stop()
	v.endpoint.set.mu.Lock()
	v.endpoint.held--
	v.endpoint.set.mu.Unlock()
}

func (v *visit) refuse(reason Reason, code uint16, message string) {
	v.settle()
	if reason == NobodyLeads || reason == NoFollower {
		v.endpoint.set.logger.Debug("nobody can be led to", zap.String(logkey.Address, v.endpoint.listen), zap.String("reason", v.trouble))
	}
	v.endpoint.refuse(v.conn, reason, code, "baton: "+message)
}
