package failover

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/batondb/baton/internal/mysql"
)

const (
	// factsAge is how old what seldom changes may be.
	factsAge = 30 * time.Second
	// inspectTimeouts is how many timeouts the several statements of a full
	// inspection may take.
	inspectTimeouts = 5
	// hungLimit is how long an unanswered question is waited for on its
	// connection, though the instance is called silent long before: a server that
	// was frozen answers at once when it goes on, while each connection that was
	// given up counts against max_connect_errors, up to refusing this host.
	hungLimit = 15 * time.Second
)

// errClosed ends a watch whose settings can't be used.
var errClosed = errors.New("the instance is not observed")

// A watch observes one instance. The fields below the line belong to the
// Observer's mutex.
type watch struct {
	o      *Observer
	target mysql.Target

	db       *sql.DB
	opened   chan struct{} // closed when db, or openErr, is set
	openErr  error
	conn     *sql.Conn // the watch's own goroutine only
	factsDue time.Time // likewise

	// -----
	cancel           context.CancelFunc
	asking           time.Time // when the question was asked that is not answered yet; zero for none
	observed         bool
	fault            *mysql.Fault
	since            time.Time
	failing, refused time.Time // as Instance has them
	writeFault       *mysql.Fault
	writeSince       time.Time
	endBeat          context.CancelFunc // ends the heartbeat that is being written; nil for none
	facts            *mysql.Facts       // of the last inspection
	pulse            mysql.Pulse        // of the last answer
	// pending is the oldest pulse that still waits for a set of the leader that
	// was asked for after it was read; settled is the last that has seen one. A
	// set that was read after the leader's may hold more than that, and the
	// difference would pass for errant.
	pending, settled mysql.Pulse
}

func newWatch(o *Observer, t mysql.Target) *watch {
	return &watch{o: o, target: t, opened: make(chan struct{})}
}

func (w *watch) run(ctx context.Context) {
	target := w.target
	// A connection attempt is waited for as any other question.
	target.Timeout = hungLimit
	w.db, w.openErr = target.Open()
	close(w.opened)
	if w.openErr != nil {
		w.fail(time.Now(), mysql.Classify(w.openErr))
		return
	}
	defer func() { _ = w.db.Close() }()
	defer w.disconnect()
	for {
		w.ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.o.cfg.Interval):
		}
	}
}

func (w *watch) disconnect() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// ask asks one round of questions: the pulse, and all facts where they are due
// or the connection is new.
func (w *watch) ask(ctx context.Context) {
	if w.conn == nil {
		err := w.step(ctx, w.o.cfg.Timeout, func(ctx context.Context) (err error) {
			w.conn, err = w.db.Conn(ctx)
			return err
		})
		if err != nil {
			return
		}
		w.factsDue = time.Time{}
	}
	if time.Now().After(w.factsDue) {
		w.inspect(ctx)
		return
	}
	_ = w.step(ctx, w.o.cfg.Timeout, func(ctx context.Context) error {
		p, err := mysql.ReadPulse(ctx, w.conn)
		if err == nil {
			w.answer(nil, p)
		}
		return err
	})
}

func (w *watch) inspect(ctx context.Context) {
	_ = w.step(ctx, inspectTimeouts*w.o.cfg.Timeout, func(ctx context.Context) error {
		f, err := mysql.InspectOn(ctx, w.conn)
		if err != nil {
			return err
		}
		w.answer(&f, f.Pulse())
		// What has no MySQL's pulse is asked for everything each time.
		if f.GTIDMode != "" {
			w.factsDue = time.Now().Add(factsAge)
		}
		return nil
	})
}

// step asks something, calling the instance silent when that takes longer than
// patience, though the answer is waited for longer.
func (w *watch) step(ctx context.Context, patience time.Duration, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, max(hungLimit, 2*patience))
	defer cancel()
	began := time.Now()
	w.setAsking(began)
	silent := time.AfterFunc(patience, func() { w.callSilent(began) })
	err := ask(bounded)
	w.setAsking(time.Time{})
	silent.Stop()
	if w.o.deps.Probed != nil && ctx.Err() == nil {
		w.o.deps.Probed(w.target.Name, time.Since(began), err)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	w.fail(began, mysql.Classify(err))
	w.disconnect()
	return err
}

func (w *watch) setAsking(t time.Time) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	w.asking = t
}

// callSilent calls the instance silent if the question asked at that moment is
// still not answered.
func (w *watch) callSilent(asked time.Time) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	if w.asking.Equal(asked) {
		w.failLocked(asked, mysql.Classify(context.DeadlineExceeded))
	}
}

// fail notes that the instance doesn't answer, since the moment at which the
// question was asked that is not answered.
func (w *watch) fail(asked time.Time, f *mysql.Fault) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	w.failLocked(asked, f)
}

func (w *watch) failLocked(asked time.Time, f *mysql.Fault) {
	if w.fault == nil {
		w.since, w.failing = asked, asked
	}
	switch {
	case f.Kind != mysql.Refused:
		w.refused = time.Time{}
	case w.refused.IsZero():
		w.refused = asked
	}
	w.observed, w.fault = true, f
	w.o.settle(w)
	w.o.notify()
}

// answer notes what the instance said; facts is nil where only the pulse was
// asked for.
func (w *watch) answer(facts *mysql.Facts, p mysql.Pulse) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	if w.fault != nil || !w.observed {
		w.since = p.Read
	}
	w.observed, w.fault, w.asking = true, nil, time.Time{}
	w.failing, w.refused = time.Time{}, time.Time{}
	if facts != nil {
		w.facts = facts
	} else if w.facts.ServerUUID != p.ServerUUID {
		// Another server has taken the address, or the data directory was replaced.
		w.factsDue = time.Time{}
	}
	w.pulse = p
	if w.pending.Read.IsZero() {
		w.pending = p
	}
	w.o.settle(w)
	w.o.notify()
}

// settle moves on what can be compared with the leader's set, after news of
// one watch; o.mu is held. While the leader doesn't answer, the last it said is
// all there is to compare with: what it committed later and no relay has, no
// follower can have from baton.
func (o *Observer) settle(news *watch) {
	leader := o.leading()
	for _, w := range o.watches {
		if w.pending.Read.IsZero() || w == leader {
			continue
		}
		switch {
		case leader == nil || leader.fault != nil:
			w.settled, w.pending = w.pulse, mysql.Pulse{}
		case news == leader && !leader.pulse.Asked.Before(w.pending.Read):
			w.settled = w.pending
			w.pending = mysql.Pulse{}
			if w.pulse.Read.After(w.settled.Read) {
				w.pending = w.pulse
			}
		}
	}
}

// current returns the facts as of a pulse; nil while there are none. o.mu is
// held.
func (w *watch) current(p mysql.Pulse) *mysql.Facts {
	if w.facts == nil || p.Read.IsZero() {
		return nil
	}
	return w.facts.With(p)
}

// comparable returns the facts with the newest sets that may be compared with
// the leader's. o.mu is held.
func (w *watch) comparable(leads bool) *mysql.Facts {
	if leads {
		return w.current(w.pulse)
	}
	return w.current(w.settled)
}

// trusts tells whether an instance, when it was last asked, let those create
// functions and triggers whom its binlog would forbid it, and whether it answers.
func (o *Observer) trusts(name string) (trusts, known, answers bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.watches {
		if w.target.Name == name && w.facts != nil {
			return w.facts.TrustFunctionCreators, true, w.fault == nil
		}
	}
	return false, false, false
}

// noteTrust has trusts know what was set, before the instance is asked again.
func (o *Observer) noteTrust(w *watch, trusts bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w.facts != nil {
		facts := *w.facts
		facts.TrustFunctionCreators = trusts
		w.facts = &facts
	}
}
