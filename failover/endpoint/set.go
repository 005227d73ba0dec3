package endpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/batondb/baton/internal/logkey"
)

// A Set is all endpoints of a cluster. It holds its clients until the first Lead.
// Its methods are safe for concurrent use.
type Set struct {
	logger *zap.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	configuring sync.Mutex // one Configure or Close at a time

	mu        sync.Mutex
	closed    bool
	endpoints []*endpoint
	addresses map[string]string // by the instance's name
	view      View
	changed   chan struct{}   // closed and replaced when the view changes
	led       context.Context // ends when View.Leader leads no more
	endLed    context.CancelFunc
	loads     map[string]load // by the instance's name
	links     map[*link]struct{}
}

// New makes a Set without endpoints.
func New(deps Deps) *Set {
	s := &Set{logger: deps.Logger, changed: make(chan struct{}), loads: map[string]load{}, links: map[*link]struct{}{},
		view: View{Held: "baton has just started and doesn't know yet who leads"}}
	if s.logger == nil {
		s.logger = zap.NewNop()
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.led, s.endLed = context.WithCancel(s.ctx)
	return s
}

// Configure opens, changes and closes endpoints until they are those that are
// given, and says where the instances are, by name. What stays is known by its
// Listen: its clients notice nothing, and what was changed holds for those to
// come. The clients of an endpoint that goes, and of an instance that does, are
// disconnected. Where an address can't be listened on, nothing is changed.
func (s *Set) Configure(ctx context.Context, configs []Config, instances map[string]string) error {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	s.mu.Lock()
	closed, before := s.closed, slices.Clone(s.endpoints)
	s.mu.Unlock()
	if closed {
		return errors.New("open the endpoints: they were closed before")
	}
	var now, opened []*endpoint
	for _, cfg := range configs {
		i := slices.IndexFunc(before, func(e *endpoint) bool { return e.key == cfg.Listen })
		if i >= 0 {
			now, before = append(now, before[i]), slices.Delete(before, i, i+1)
			continue
		}
		e, err := s.listen(ctx, cfg)
		if err != nil {
			for _, e := range opened {
				_ = e.listener.Close()
			}
			return err
		}
		now, opened = append(now, e), append(opened, e)
	}
	s.mu.Lock()
	for i, e := range now {
		e.cfg = configs[i]
	}
	gone := map[string]bool{}
	for name := range s.addresses {
		gone[name] = instances[name] == ""
	}
	s.endpoints, s.addresses = now, maps.Clone(instances)
	s.endWhere(func(l *link) bool { return gone[l.instance] || slices.Contains(before, l.endpoint) })
	s.notify()
	s.mu.Unlock()
	for _, e := range before {
		e.close()
		s.logger.Info("the endpoint is closed", zap.String(logkey.Address, e.listen))
	}
	for _, e := range opened {
		s.work.Go(e.accept)
		s.logger.Info("the endpoint listens", zap.String(logkey.Address, e.listen), zap.String(logkey.Kind, string(e.cfg.Route)))
	}
	return nil
}

func (s *Set) listen(ctx context.Context, cfg Config) (*endpoint, error) {
	l, err := (&net.ListenConfig{KeepAliveConfig: keepAlive()}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("open the endpoint %s: %w; choose another address for it, or end what listens there", cfg.Listen, err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("open the endpoint %s: it is no TCP address", cfg.Listen), l.Close())
	}
	e := &endpoint{set: s, key: cfg.Listen, listen: l.Addr().String(), listener: tcp, opened: map[string]uint64{}, refused: map[Reason]uint64{}}
	e.ctx, e.cancel = context.WithCancel(s.ctx)
	return e, nil
}

// Hold has clients who come for the leader wait, for a reason in words. Those
// that are connected stay.
func (s *Set) Hold(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view.Leader == "" && s.view.Held == reason {
		return
	}
	s.view.Leader, s.view.Held = "", reason
	s.endLed()
	s.notify()
}

// Lead leads the clients who wait, and those who come, to an instance. Those of
// another leader are disconnected as End does.
func (s *Set) Lead(instance string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.view.Leader == instance {
		return
	}
	s.endLed()
	s.led, s.endLed = context.WithCancel(s.ctx)
	s.view.Leader, s.view.Held = instance, ""
	s.endWhere(func(l *link) bool { return l.asLeader && l.instance != instance })
	s.notify()
}

// Observe says how the followers are. Nobody is disconnected for it.
func (s *Set) Observe(followers []Follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Equal(s.view.Followers, followers) {
		return
	}
	s.view.Followers = slices.Clone(followers)
	s.notify()
}

// End disconnects the clients that were led to an instance as the leader. What it
// has answered, or answers within a moment, still reaches them.
func (s *Set) End(instance string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endWhere(func(l *link) bool { return l.asLeader && l.instance == instance })
}

// EndIdle does so only for those of its connections, by the server's number, that
// are idle, and whose client has sent nothing for as long as quiet: not less than
// it is since the server was asked. It returns how many are still there.
func (s *Set) EndIdle(instance string, idle map[uint64]bool, quiet time.Duration) (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.links {
		if !l.asLeader || l.instance != instance {
			continue
		}
		left++
		if silent, known := quietFor(l.client); idle[uint64(l.connection)] && known && silent >= quiet {
			l.endIdle(quiet)
		}
	}
	return left
}

// endWhere ends connections. s.mu is held.
func (s *Set) endWhere(which func(*link) bool) {
	for l := range s.links {
		if which(l) {
			l.end()
		}
	}
}

// notify wakes those who wait for the view to change. s.mu is held.
func (s *Set) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// View returns who leads and who follows, as clients are led now.
func (s *Set) View() View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view
	v.Followers = slices.Clone(v.Followers)
	return v
}

// Status returns how the endpoints are, in the configuration's order.
func (s *Set) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, 0, len(s.endpoints))
	for _, e := range s.endpoints {
		st := Status{Listen: e.listen, Route: e.cfg.Route, Held: e.held, HeldTotal: e.heldTotal,
			Connections: map[string]int{}, Opened: maps.Clone(e.opened), Refused: maps.Clone(e.refused)}
		for l := range s.links {
			if l.endpoint == e {
				st.Connections[l.instance]++
			}
		}
		all = append(all, st)
	}
	return all
}

// closeGrace is how long clients have, when all is closed, to end by themselves.
const closeGrace = time.Second

// Close lets nobody in any more, tells those who wait so, gives those who are
// connected a second to end by themselves, disconnects the others as End does, and
// waits until all are gone. It may be called twice.
func (s *Set) Close() error {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	s.mu.Lock()
	endpoints := s.endpoints
	s.closed, s.endpoints = true, nil
	s.mu.Unlock()
	for _, e := range endpoints {
		e.close()
	}
	grace := time.AfterFunc(closeGrace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.endWhere(func(*link) bool { return true })
	})
	s.work.Wait()
	grace.Stop()
	s.cancel()
	return nil
}
