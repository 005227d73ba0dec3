package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/batondb/baton/binlog/source"
	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/internal/mysql"
)

// stream runs a source for whoever leads: a [failover.Stream].
type stream struct {
	d *Daemon

	mu      sync.Mutex
	source  *source.Source // the last one made; nil before the first
	running bool
	from    string // whom the source streams from
	begun   bool   // the relay has its beginning
	closed  bool
	totals  totals         // of the sources before this one
	reading sync.WaitGroup // the sources
}

// totals are the counts of several sources.
type totals struct{ connects, bytes, acknowledged uint64 }

// Start implements [failover.Stream].
func (s *stream) Start(instance string) error {
	s.Stop()
	// The daemon's mutex is never asked for while s.mu is held: Status holds it and
	// asks for s.mu.
	target, err := s.d.target(instance)
	if err != nil {
		return err
	}
	made, err := s.d.newSource(target)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errors.New("the daemon is stopping")
	case !s.begun:
		return errors.New("the relay has no beginning yet")
	}
	if s.source != nil {
		st := s.source.Status()
		s.totals.connects += st.Connections
		s.totals.bytes += st.Bytes
		s.totals.acknowledged += st.SemiSync.Acknowledgements
	}
	s.source, s.running, s.from = made, true, instance
	s.reading.Go(func() {
		// Stop and Close end it.
		if err := made.Run(context.Background()); err != nil && !errors.Is(err, source.ErrClosed) {
			s.d.logger.Error("the leader is not read", zap.Error(err))
		}
	})
	return nil
}

// begin says that the relay has its beginning: sources may run.
func (s *stream) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
}

// Stop implements [failover.Stream].
func (s *stream) Stop() {
	s.mu.Lock()
	last := s.source
	s.running = false
	s.mu.Unlock()
	if last != nil {
		// It has no error to tell. One that is being closed is waited for.
		_ = last.Close()
	}
}

// Close stops it for good.
func (s *stream) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Stop()
	s.reading.Wait()
}

// State implements [failover.Stream].
func (s *stream) State() failover.StreamState {
	st, _, ok := s.status()
	if !ok {
		return failover.StreamState{}
	}
	state := failover.StreamState{Streaming: st.State == source.Streaming, Heard: st.LastEvent}
	s.mu.Lock()
	if s.running {
		state.From = s.from
	}
	s.mu.Unlock()
	state.Acknowledging = state.Streaming && st.SemiSync.Active
	if st.State == source.Stopped && st.Reason != "" {
		state.Stopped = st.Error
	}
	if st.Reason == source.Diverged {
		state.Diverged = state.Stopped
	}
	return state
}

// status is the source's, and the totals of those before it; false when nothing
// has been streamed from yet.
func (s *stream) status() (source.Status, totals, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source == nil {
		return source.Status{State: source.Connecting}, totals{}, false
	}
	return s.source.Status(), s.totals, true
}

// target returns the target of an instance.
func (d *Daemon) target(name string) (mysql.Target, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.targetOf(name)
}

// newSource makes the source for a leader.
func (d *Daemon) newSource(t mysql.Target) (*source.Source, error) {
	id, err := d.state.serverID()
	if err != nil {
		return nil, fmt.Errorf("stream from %s: %w", t.Name, err)
	}
	d.mu.Lock()
	beat, window := d.cfg.Failover.Interval, d.cfg.Failover.Window
	d.mu.Unlock()
	return source.New(source.Config{Leader: t.Name, ServerID: id, SemiSync: d.semiSync, Heartbeat: beat, ReadTimeout: max(window, 5*beat)},
		source.Deps{Dial: t.Dial, Relay: d.relay, Logger: d.logger.Named("source"), Recorder: d.history,
			Acknowledged: d.measured.Acknowledged}), nil
}
