package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/mysql"
)

// report tells that a step was begun or done.
type report func(step, detail string)

// servers are the things that a hand-over does on instances.
type servers interface {
	// Freeze makes the leader read-only while its commits go on being
	// acknowledged, and returns its last gtid_executed. Transactions that run for
	// longer than drain are ended.
	Freeze(ctx context.Context, name string, drain time.Duration, say report) (gtid.Set, error)
	// Idle returns the connections to an instance on which nothing is under way, by
	// the server's number; false where it doesn't tell.
	Idle(ctx context.Context, name string) (idle map[uint64]bool, known bool, err error)
	// StillFrozen returns an error if a frozen leader takes writes again, or has
	// executed anything but final.
	StillFrozen(ctx context.Context, name string, final gtid.Set) error
	// Fence makes sure that an instance that answers can acknowledge no commit any
	// more, and returns its gtid_executed.
	Fence(ctx context.Context, name string, say report) (gtid.Set, error)
	// SetUpSemiSync has the commits of an instance wait for an acknowledgement, for
	// timeout, or for ever where it is 0.
	SetUpSemiSync(ctx context.Context, name string, timeout time.Duration) error
	// TearDownSemiSync ends that on a frozen leader, where no commit waits, and
	// ends the transactions that are still open there.
	TearDownSemiSync(ctx context.Context, name string) error
	// SwitchOffSemiSync ends that commits wait, and lets go of those that do.
	SwitchOffSemiSync(ctx context.Context, name string) error
	MakeWritable(ctx context.Context, name string) error
	// TrustAs sets who may create functions and triggers on an instance as it was on
	// the former leader, where that is known.
	TrustAs(ctx context.Context, name, former string) error
	// FencedSinceStart tells whether a fenced instance has been so since it started.
	FencedSinceStart(ctx context.Context, name string) (bool, error)
	PersistFence(ctx context.Context, name string) error
	// WriteEpoch writes down, replicated, whom an epoch belongs to.
	WriteEpoch(ctx context.Context, name string, epoch int64) error
	Executed(ctx context.Context, name string) (gtid.Set, error)
}

// sqlServers are the instances themselves.
type sqlServers struct{ observer *Observer }

func (s sqlServers) Freeze(ctx context.Context, name string, drain time.Duration, say report) (gtid.Set, error) {
	w, err := s.observer.watchOf(name)
	if err != nil {
		return gtid.Set{}, err
	}
	r, err := mysql.FreezeLeader(ctx, w.target, mysql.FreezeOptions{Drain: drain, Step: say})
	return r.GTIDExecuted, err
}

func (s sqlServers) Idle(ctx context.Context, name string) (idle map[uint64]bool, known bool, err error) {
	err = s.on(name, func(w *watch) error {
		idle, known, err = mysql.IdleConnections(ctx, w.db)
		return err
	})
	return idle, known, err
}

func (s sqlServers) StillFrozen(ctx context.Context, name string, final gtid.Set) error {
	return s.on(name, func(w *watch) error {
		executed, err := mysql.GTIDExecuted(ctx, w.db)
		if err != nil {
			return err
		}
		frozen, err := mysql.Fenced(ctx, w.db)
		switch {
		case err != nil:
			return err
		case !frozen:
			return errors.New("it was made writable by somebody else")
		case !executed.Equal(final):
			return fmt.Errorf("it has executed %s since it was frozen", executed.Subtract(final))
		}
		return nil
	})
}

func (s sqlServers) Fence(ctx context.Context, name string, say report) (gtid.Set, error) {
	w, err := s.observer.watchOf(name)
	if err != nil {
		return gtid.Set{}, err
	}
	r, err := mysql.FenceLeader(ctx, w.target, mysql.FenceOptions{Step: say})
	return r.GTIDExecuted, err
}

func (s sqlServers) SetUpSemiSync(ctx context.Context, name string, timeout time.Duration) error {
	return s.on(name, func(w *watch) error {
		return mysql.SetUpSemiSync(ctx, w.db, mysql.SemiSyncSettings{Timeout: timeout})
	})
}

func (s sqlServers) TearDownSemiSync(ctx context.Context, name string) error {
	return s.on(name, func(w *watch) error {
		if err := mysql.TearDownSemiSync(ctx, w.db); err != nil {
			return err
		}
		// What is still open there can't be committed any more, and its locks would
		// be in the way of what is applied.
		_, err := mysql.EndTransactions(ctx, w.db)
		return err
	})
}

func (s sqlServers) SwitchOffSemiSync(ctx context.Context, name string) error {
	return s.on(name, func(w *watch) error { return mysql.SwitchOffSemiSync(ctx, w.db) })
}

func (s sqlServers) MakeWritable(ctx context.Context, name string) error {
	return s.on(name, func(w *watch) error { return mysql.MakeWritable(ctx, w.db) })
}

func (s sqlServers) TrustAs(ctx context.Context, name, former string) error {
	trusts, known := s.trusts(ctx, former)
	if !known {
		return nil
	}
	return s.on(name, func(w *watch) error {
		if err := mysql.SetTrustFunctionCreators(ctx, w.db, trusts); err != nil {
			return err
		}
		s.observer.noteTrust(w, trusts)
		return nil
	})
}

// trusts asks a former leader that answers, and else goes by its last answer.
func (s sqlServers) trusts(ctx context.Context, former string) (trusts, known bool) {
	trusts, known, answers := s.observer.trusts(former)
	if !answers {
		return trusts, known
	}
	ctx, cancel := context.WithTimeout(ctx, askTrust)
	defer cancel()
	// Where that fails, what is known stands.
	_ = s.on(former, func(w *watch) error {
		on, err := mysql.TrustsFunctionCreators(ctx, w.db)
		if err == nil {
			trusts, known = on, true
		}
		return err
	})
	return trusts, known
}

// askTrust is how long a former leader is asked: clients wait meanwhile.
const askTrust = 500 * time.Millisecond

func (s sqlServers) FencedSinceStart(ctx context.Context, name string) (since bool, err error) {
	err = s.on(name, func(w *watch) error {
		since, err = mysql.FencedSinceStart(ctx, w.db)
		return err
	})
	return since, err
}

func (s sqlServers) PersistFence(ctx context.Context, name string) error {
	return s.on(name, func(w *watch) error { return mysql.PersistFence(ctx, w.db) })
}

func (s sqlServers) WriteEpoch(ctx context.Context, name string, epoch int64) error {
	return s.on(name, func(w *watch) error {
		if err := mysql.EnsureSchema(ctx, w.db); err != nil {
			return err
		}
		return mysql.WriteEpoch(ctx, w.db, mysql.Epoch{Number: epoch, Leader: name})
	})
}

func (s sqlServers) Executed(ctx context.Context, name string) (set gtid.Set, err error) {
	err = s.on(name, func(w *watch) error {
		set, err = mysql.GTIDExecuted(ctx, w.db)
		return err
	})
	return set, err
}

// on does something over the small pool of connections to an instance.
func (s sqlServers) on(name string, do func(*watch) error) error {
	w, err := s.observer.watchOf(name)
	if err != nil {
		return err
	}
	<-w.opened
	if w.openErr != nil {
		return w.openErr
	}
	if err := do(w); err != nil {
		return fmt.Errorf("on %s: %w", name, err)
	}
	return nil
}
