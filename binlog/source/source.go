// Package source is the connection to the leader: it asks for the binlog from
// the relay's durable set on, verifies every event, hands it to the relay and
// acknowledges to a leader with semi-synchronous replication what the relay
// has made durable. It reconnects by itself.
//
// It promises:
//   - Nothing is acknowledged before it, and all before it, is fsynced in the
//     relay. After a failure of the relay nothing more is acknowledged until
//     the stream has begun anew from what is durable.
//   - The relay is given each event byte for byte as the leader sent it, in
//     order, its checksum verified where the leader has one. What was received
//     and not made durable before a stream broke is asked for again.
//   - A leader that can't be followed before somebody mends something is told
//     apart from one that can't be reached just now, by a [Reason]; it is tried
//     again all the same, so that the stream goes on once the cause is gone.
//     Only a transaction without a GTID ends it for good, since it would be
//     skipped the next time.
//
// Two goroutines share the work of a stream: the reader takes packets, the
// writer puts all that have come meanwhile into the relay with one fsync and
// sends one acknowledgement for them all.
//
// Not every event goes to the relay: heartbeats, Previous_gtids (the relay
// writes its own) and Stop say nothing about a transaction; Rotate and
// Format_description do, and go. An event that is not known, belongs to no
// transaction and isn't marked as one to ignore stops the stream.
package source

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/logkey"
	"github.com/cenkalti/backoff/v5"
	"github.com/go-mysql-org/go-mysql/client"
	"go.uber.org/zap"
)

// Config is how the leader is followed. A zero field has its default.
type Config struct {
	// Leader is the name of the leader, for the log and the history.
	Leader string
	// ServerID is the server_id to register as: 1 to 2^32-1. Required. No server
	// and no other replica of the leader may have it. It also makes up the
	// server_uuid that we show (see replicaUUID).
	ServerID uint32
	// Heartbeat is how long the leader may be idle before it sends a heartbeat:
	// 1ms or more, default 1s.
	Heartbeat time.Duration
	// ReadTimeout is the silence after which the stream counts as dead; several
	// heartbeats, default 5 of them. It bounds the steps of the handshake too. A
	// packet, of 16 MiB at most, may take twice as long from its first byte to its
	// last, and each time it takes longer twice as long again, until a transaction
	// came whole.
	ReadTimeout time.Duration
	// QueueSize bounds what was received and isn't in the relay yet, in bytes;
	// a single larger event passes. Default 16 MiB.
	QueueSize int64
	// BackoffMin and BackoffMax bound the pause before it connects again.
	// Defaults 100ms and 5s.
	BackoffMin, BackoffMax time.Duration
	// Retry is the pause after a failure with a Reason, and between two looks at
	// the leader's semi-sync settings. Default 15s.
	Retry time.Duration
	// SemiSync asks for the leader's semi-synchronous replication.
	SemiSync bool
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&c.Heartbeat, time.Second)
	set(&c.ReadTimeout, 5*c.Heartbeat)
	set(&c.BackoffMin, 100*time.Millisecond)
	set(&c.BackoffMax, max(5*time.Second, c.BackoffMin))
	set(&c.Retry, 15*time.Second)
	if c.QueueSize <= 0 {
		c.QueueSize = 16 << 20
	}
	return c
}

// A Relay makes events durable. Append, Sync and Discard are called by one
// goroutine at a time.
type Relay interface {
	// Durable is what need not be sent again.
	Durable() gtid.Set
	// Append takes the next event of the stream. It may keep ev.
	Append(ev binlog.Event) error
	// Sync returns when all that was appended is on disk.
	Sync() error
	// Discard forgets what was appended and is not durable; the next event
	// begins a new stream. An error means that the relay is not well yet.
	Discard() error
}

// Deps are what a Source works with. Logger and Recorder may be nil.
type Deps struct {
	// Dial opens a checked, uncompressed connection to the leader.
	Dial     func(context.Context) (*client.Conn, error)
	Relay    Relay
	Logger   *zap.Logger
	Recorder history.Recorder
	// Acknowledged is told, for each acknowledgement, how long after the arrival of
	// its position it was sent. It may not wait. Nil tells nobody.
	Acknowledged func(latency time.Duration)
}

// A Source follows one leader. Its methods may be called by any goroutine.
type Source struct {
	cfg   Config
	deps  Deps
	board board
	told  told
	// patience is how long a packet may take. Used by Run alone.
	patience time.Duration

	closing context.Context
	shut    context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	ran    bool
}

// ErrClosed is returned by Run after Close, and when it was called before.
var ErrClosed = errors.New("the source is closed")

// New makes a Source that does nothing before Run.
func New(cfg Config, deps Deps) *Source {
	if deps.Logger == nil {
		deps.Logger = zap.NewNop()
	}
	s := &Source{cfg: cfg.withDefaults(), deps: deps}
	s.patience = s.firstPatience()
	s.told.leader, s.told.recorder = cfg.Leader, deps.Recorder
	s.closing, s.shut = context.WithCancel(context.Background())
	s.board.enter(Stopped, nil)
	s.board.update(func(st *Status) { st.SemiSync.Wanted = cfg.SemiSync })
	return s
}

// Run follows the leader until ctx ends or Close is called, and then returns
// nil, after what was received has been made durable and acknowledged and the
// connection is closed. It returns an error only where it can't begin: a
// Config without ServerID, or ErrClosed. It is called once.
func (s *Source) Run(ctx context.Context) error {
	if s.cfg.ServerID == 0 {
		return errors.New("follow the leader: the server_id to register as is missing")
	}
	if !s.begin() {
		return ErrClosed
	}
	defer s.running.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()

	pauses := backoff.ExponentialBackOff{
		InitialInterval: s.cfg.BackoffMin, MaxInterval: s.cfg.BackoffMax,
		Multiplier: 1.6, RandomizationFactor: 0.3,
	}
	pauses.Reset()
	for ctx.Err() == nil {
		settled, err := s.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if settled {
			pauses.Reset()
		}
		s.failed(ctx, err, &pauses)
	}
	// What the relay has of a transaction that didn't come whole is of no use.
	err := s.deps.Relay.Discard()
	s.board.enter(Stopped, nil)
	if err != nil {
		s.deps.Logger.Warn("the relay could not drop the unfinished end of the stream; it does so when it is opened", zap.Error(err))
	}
	return nil
}

func (s *Source) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.ran {
		return false
	}
	s.ran = true
	s.running.Add(1)
	return true
}

// Close ends Run as the end of its context does, and waits for it. It may be
// called several times, and without Run.
func (s *Source) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.shut()
	s.running.Wait()
	return nil
}

// follow is one stream from connecting to its end. settled tells whether it
// got on.
func (s *Source) follow(ctx context.Context) (settled bool, err error) {
	if err := s.deps.Relay.Discard(); err != nil {
		return false, relayFailed(fmt.Errorf("drop the unfinished end of the stream: %w", err))
	}
	st, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	err = st.run(ctx)
	if errors.Is(err, errUnfinished) {
		s.patience *= 2
	}
	return st.settled.Load(), s.explain(ctx, err)
}

// firstPatience leaves a leader that falls silent inside a packet to the read
// timeout.
func (s *Source) firstPatience() time.Duration { return 2 * s.cfg.ReadTimeout }

// failed says what went wrong and waits until it is time to try again.
func (s *Source) failed(ctx context.Context, err error, pauses *backoff.ExponentialBackOff) {
	pause := pauses.NextBackOff()
	var stop *Error
	state := Connecting
	if errors.As(err, &stop) {
		state = Stopped
		// A relay that is not well costs the leader nothing to be tried again.
		if stop.Reason != RelayFailed {
			pause = s.cfg.Retry
		}
	}
	s.board.update(func(st *Status) { st.Attempts++ })
	s.board.enter(state, err)
	s.told.failed(err)
	s.deps.Logger.Debug("the stream ended; trying again", zap.Error(err), zap.Duration(logkey.Delay, pause))
	if stop != nil && stop.Reason == AnonymousTransaction {
		<-ctx.Done()
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
