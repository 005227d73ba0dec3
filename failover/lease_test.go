package failover

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/history"
)

// sharedLease is a lease as a store that several machines share gives it: it may be lost, and may take a change without
// being able to say so.
type sharedLease struct {
	held context.Context
	lose context.CancelCauseFunc

	mu    sync.Mutex
	l     Leadership
	fails []outcome // of the next updates
}

// An outcome is what becomes of an update.
type outcome struct {
	made bool
	err  error
}

func newSharedLease(l Leadership) *sharedLease {
	s := &sharedLease{l: l}
	s.held, s.lose = context.WithCancelCause(context.Background())
	return s
}

func (s *sharedLease) Held() context.Context { return s.held }

func (s *sharedLease) Leadership() Leadership {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.l
}

func (s *sharedLease) Update(_ context.Context, change func(*Leadership)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := outcome{made: true}
	if len(s.fails) > 0 {
		now, s.fails = s.fails[0], s.fails[1:]
	}
	if now.made {
		change(&s.l)
	}
	return now.err
}

// The rest of what a Controller works with, of which nothing is asked here but whether it is told to act.
type (
	idleStream    struct{ from string }
	noFollowers   struct{}
	noClients     struct{}
	emptyLog      struct{}
	silentRecord  struct{}
	writtenServer struct {
		servers
		opened []string
	}
)

func (s *idleStream) Start(instance string) error { s.from = instance; return nil }
func (s *idleStream) Stop()                       { s.from = "" }
func (s *idleStream) State() StreamState {
	return StreamState{From: s.from, Streaming: s.from != "", Acknowledging: s.from != ""}
}
func (noClients) Hold(string)                                        {}
func (noClients) Lead(string)                                        {}
func (noClients) End(string)                                         {}
func (noClients) EndIdle(string, map[uint64]bool, time.Duration) int { return 0 }
func (noFollowers) Follow(string)                                    {}
func (noFollowers) Retire(string)                                    {}
func (noFollowers) Progress(string) (string, time.Duration)          { return "", 0 }
func (emptyLog) Empty() bool                                         { return false }
func (emptyLog) Base() gtid.Set                                      { return gtid.Set{} }
func (emptyLog) Durable() gtid.Set                                   { return gtid.Set{} }
func (emptyLog) Discard() error                                      { return nil }
func (emptyLog) NewSegment() error                                   { return nil }
func (silentRecord) Record(history.Event)                            {}
func (s *writtenServer) MakeWritable(_ context.Context, name string) error {
	s.opened = append(s.opened, name)
	return nil
}

func (s *writtenServer) SetUpSemiSync(context.Context, string, time.Duration) error { return nil }
func (s *writtenServer) TearDownSemiSync(context.Context, string) error             { return nil }
func (s *writtenServer) TrustAs(context.Context, string, string) error              { return nil }
func (s *writtenServer) WriteEpoch(context.Context, string, int64) error            { return nil }

func controllerWith(l Lease) (*Controller, *idleStream, *writtenServer) {
	stream, written := &idleStream{}, &writtenServer{}
	c := NewController(Settings{Promise: plan.Strict, Interval: time.Millisecond}, []string{"db1", "db2"}, ControllerDeps{
		Observer: New(Config{Leader: "db1"}, Deps{Relay: emptyLog{}, Recorder: silentRecord{}}),
		Stream:   stream, Followers: noFollowers{}, Clients: noClients{}, Relay: emptyLog{}, Lease: l, Recorder: silentRecord{},
	})
	c.servers = written
	return c, stream, written
}

func TestWhoHasLostTheLeaseActsNoMore(t *testing.T) {
	lease := newSharedLease(Leadership{Epoch: 4, Leader: "db1"})
	c, stream, written := controllerWith(lease)
	require.NoError(t, c.Begin(t.Context()))
	require.Equal(t, "db1", stream.from)

	began := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- c.Exclusively(t.Context(), func(ctx context.Context) error {
			close(began)
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}()
	<-began
	ran := make(chan error, 1)
	go func() { ran <- c.Run(t.Context()) }()
	lost := errors.New("the session has expired")
	lease.lose(lost)
	require.ErrorIs(t, <-ended, lost, "what is under way ends")
	require.ErrorIs(t, <-ran, lost)
	require.Empty(t, stream.from, "nothing is acknowledged any more")

	_, err := c.Switchover(t.Context(), Order{}, nil)
	require.ErrorIs(t, err, lost, "nothing is begun")
	a := c.newAction(HandOver{Kind: Switchover, From: "db1", To: "db2", Epoch: 5, Step: Freeze}, nil)
	a.sealed = true
	require.Error(t, a.undo(t.Context(), errors.New("given up")))
	require.Empty(t, written.opened, "nor undone: that is for whoever holds it")
}

func TestAPromotionThatMayBeOnRecordIsNotUndoneBeforeThatIsKnown(t *testing.T) {
	full := errors.New("no answer from the store")
	for name, c := range map[string]struct {
		promotion outcome
		opened    []string
		step      Step // on record in the end; empty for no hand-over
	}{
		"it is not":                          {outcome{false, full}, []string{"db1"}, ""},
		"it is":                              {outcome{true, full}, nil, Promote},
		"it is, and that could be confirmed": {outcome{true, nil}, []string{"db2"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := HandOver{Kind: Switchover, From: "db1", To: "db2", Epoch: 5, Step: Drain}
			lease := newSharedLease(Leadership{Epoch: 4, Leader: "db1", HandOver: &h})
			controller, _, written := controllerWith(lease)
			lease.fails = []outcome{c.promotion}
			if c.promotion.err != nil {
				// The store can't be asked either, twice.
				lease.fails = append(lease.fails, outcome{false, full}, outcome{false, full})
			}
			a := controller.newAction(h, nil)
			a.sealed = true
			err := a.promote(t.Context())
			if c.promotion.err == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, full)
				require.Empty(t, written.opened)
				require.ErrorIs(t, a.undo(t.Context(), err), full)
				require.Empty(t, written.opened, "it isn't certain yet who is on record")
				_ = a.undo(t.Context(), err)
			}
			require.Equal(t, c.opened, written.opened)
			if c.step == "" {
				require.Nil(t, lease.l.HandOver)
			} else {
				require.Equal(t, c.step, lease.l.HandOver.Step)
				require.Equal(t, "db2", lease.l.Leader)
			}
		})
	}
}

func TestAnUnfinishedPromotionOutlivesTheFailureOfTheNext(t *testing.T) {
	first := &HandOver{Kind: Failover, From: "db3", To: "db1", Epoch: 4, Step: Promote}
	h := HandOver{Kind: Failover, From: "db1", To: "db2", Epoch: 5, Step: Drain, Unfinished: first}
	lease := newSharedLease(Leadership{Epoch: 4, Leader: "db1", HandOver: &h})
	c, _, _ := controllerWith(lease)
	lease.fails = []outcome{{false, errors.New("the disk is full")}}
	require.Error(t, c.newAction(h, nil).promote(t.Context()))
	require.Equal(t, first, lease.l.HandOver)
}
