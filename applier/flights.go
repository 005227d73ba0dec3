package applier

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"go.uber.org/zap"
)

// A flight is something under way in batch mode: a batch, a transaction that is
// applied by itself, or what has to be done for them.
type flight struct {
	tickets   []schedule.Ticket
	gtids     gtid.Set
	alone     bool            // it is a transaction of its own, with its GTID
	settles   bool            // everything unsettled is in gtid_executed afterwards
	early     int             // how many of its transactions were to be executed before its turn
	gaveWay   atomic.Bool     // they were undone
	before    <-chan struct{} // closed when all before it is done; nil when it begins with that
	committed chan struct{}   // closed when it is done, and all before it
	off       chan struct{}   // closed when it is not to be done
	landed    *result
}

func newFlight() *flight {
	return &flight{committed: make(chan struct{}), off: make(chan struct{})}
}

// errAbandoned says that a batch wasn't sent, since one before it failed.
var errAbandoned = errors.New("a batch before it failed")

// A readError names who reads the follower's binlog, in which batches aren't.
type readError struct{ readers []string }

func (e *readError) Error() string {
	return "its binlog is read by " + strings.Join(e.readers, ", ")
}

// turn is the Turn of a batch.
func (f *flight) turn(ctx context.Context) error {
	if f.before == nil {
		return nil
	}
	return f.await(ctx, f.before)
}

// await waits for something, unless the flight is called off.
func (f *flight) await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-f.off:
		return errAbandoned
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take takes the next n transactions for a flight.
func (r *round) take(n int) (f *flight, txs []*binlog.Transaction) {
	r.batches.next = nextBatch{}
	f = newFlight()
	for ticket := range r.schedule.Waiting() {
		if n == 0 {
			break
		}
		n--
		f.tickets = append(f.tickets, ticket)
		tx := r.held[ticket].tx
		txs = append(txs, tx)
		f.gtids.Add(tx.GTID)
	}
	for range f.tickets {
		r.schedule.StartNext()
	}
	return f, txs
}

func (r *round) startAlone() {
	f, txs := r.take(1)
	f.alone = true
	r.launch(f, func(s *session.Session) error { return s.Apply(r.ctx, txs[0]) })
}

func (r *round) startBatch(n int) {
	b := &r.batches
	f, txs := r.take(n)
	all, before := b.unsettled, b.executed
	for _, other := range b.flights {
		all = all.Union(other.gtids)
		if other.settles {
			before, all = before.Union(all), gtid.Set{}
		}
	}
	all.AddSet(f.gtids)
	f.settles = time.Since(b.settled) >= settleEvery
	if f.settles {
		b.settled = time.Now()
	}
	batch := session.Batch{Transactions: txs, GTIDs: all, Before: before, Settle: f.settles, Turn: f.turn,
		Early: r.early(f), GaveWay: func() { f.gaveWay.Store(true) }}
	if n := len(batch.Early); n > 0 {
		f.early = batch.Early[n-1].Until
	}
	first, look := !b.prepared, time.Since(b.looked) >= lookEvery
	if look {
		b.looked = time.Now()
	}
	b.prepared, b.written = true, true
	r.launch(f, func(s *session.Session) error {
		if look {
			if err := r.look(s); err != nil {
				return err
			}
		}
		if first {
			if err := s.PrepareBatches(r.ctx); err != nil {
				return err
			}
		}
		return s.ApplyBatch(r.ctx, batch)
	})
}

// settle adds what is committed to gtid_executed, when nothing is under way.
func (r *round) settle() {
	b := &r.batches
	if len(b.flights) > 0 || !r.available() {
		return
	}
	f := newFlight()
	f.settles = true
	all := b.unsettled
	b.settled = time.Now()
	r.launch(f, func(s *session.Session) error { return s.AddExecuted(r.ctx, all) })
}

// launch gives a flight to a worker.
func (r *round) launch(f *flight, do func(*session.Session) error) {
	b := &r.batches
	if n := len(b.flights); n > 0 {
		f.before = b.flights[n-1].committed
	}
	b.flights = append(b.flights, f)
	r.inFlight += len(f.tickets)
	r.assign(job{flight: f, do: do})
}

// landed takes the result of a flight, unless it was called off. What is done and
// what failed is looked at in the leader's order.
func (r *round) landed(res result) {
	b := &r.batches
	res.flight.landed = &res
	for len(b.flights) > 0 && b.flights[0].landed != nil {
		f := b.flights[0]
		b.flights = b.flights[1:]
		if err := f.landed.err; err != nil {
			r.crashed(f, err)
		} else {
			r.arrivedAt(f)
			close(f.committed)
		}
	}
}

// arrivedAt notes that all of a flight is committed.
func (r *round) arrivedAt(f *flight) {
	b := &r.batches
	switch {
	case f.alone:
		b.executed.AddSet(f.gtids)
	default:
		b.unsettled.AddSet(f.gtids)
	}
	if f.settles {
		b.executed.AddSet(b.unsettled)
		b.unsettled = gtid.Set{}
	}
	if len(f.tickets) == 0 {
		return
	}
	r.inFlight -= len(f.tickets)
	if !f.alone {
		r.countBatch(f)
	}
	b.width.Done(len(f.tickets))
	for _, ticket := range f.tickets {
		r.done(ticket, f.landed.took)
	}
}

// giveBack has the transactions of a flight wait again.
func (r *round) giveBack(f *flight) {
	for _, ticket := range f.tickets {
		r.schedule.Return(ticket)
	}
	r.inFlight -= len(f.tickets)
}

// countBatch notes a batch.
func (r *round) countBatch(f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.progress.batches
	c.Commits++
	c.Transactions += int64(len(f.tickets))
	c.Took += f.landed.took
	switch {
	case f.gaveWay.Load():
		r.batches.overlap.GaveWay()
		c.GaveWay++
	case f.early > 0:
		r.batches.overlap.Kept()
		c.Early += int64(f.early)
	}
}

// crashed has the transactions of a flight, none of which is committed, tried
// again in smaller batches, or ends the round. Those after it are called off.
func (r *round) crashed(f *flight, err error) {
	b := &r.batches
	r.giveBack(f)
	for _, other := range b.flights {
		close(other.off)
		r.giveBack(other)
	}
	b.flights, b.next = nil, nextBatch{}
	b.prepared = false // the table may be what is missing
	var read *readError
	refused := refusal(err)
	switch {
	case errors.As(err, &read):
		r.readBy(read)
	case errors.Is(err, errAgain):
	case !f.alone && (errors.Is(err, session.ErrNotForBatches) || refused != nil && refused.Kind == session.Refused && !refused.GTID.IsZero()):
		r.deps.Logger.Debug("a batch is narrowed", zap.Int("transactions", len(f.tickets)), zap.Error(err))
		if len(f.tickets) == 1 {
			b.width.Suspect()
		} else {
			b.width.Refused(len(f.tickets))
		}
	case errors.Is(err, errEnded):
	default:
		r.fail(err)
	}
}
