package applier

import (
	"context"
	"fmt"
	"time"

	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
	"go.uber.org/zap"
)

const (
	// batchBytes is how much binlog goes into a batch at most; a larger transaction
	// is applied by itself. It bounds what is held in memory on both sides, and how
	// long locks are held on the follower.
	batchBytes = 2 << 20
	// lanes is how many batches are under way at most: one is to be committed next,
	// one is put together meanwhile, and what doesn't depend on those before it is
	// executed.
	lanes = 4
	// settleEvery is how often batches are added to gtid_executed while one follows
	// the other (the server notes it in its error log each time), and settleIdle how
	// soon where nothing follows.
	settleEvery = time.Second
	settleIdle  = 20 * time.Millisecond
	// lookEvery is how often it is looked who reads the follower's binlog.
	lookEvery = time.Second
	// beat is how often the mode is thought about when nothing happens.
	beat = 250 * time.Millisecond
)

// batches is what a round knows in batch mode. Only the round's goroutine uses
// it, but for what a flight's worker does.
type batches struct {
	on        bool           // transactions are applied in batches
	width     schedule.Width // how many go into one
	overlap   schedule.Overlap
	flights   []*flight // under way, in the leader's order
	prepared  bool      // baton.progress is there
	written   bool      // it may have a row of this round
	executed  gtid.Set  // the follower's gtid_executed
	unsettled gtid.Set  // what was committed and isn't in there yet
	settled   time.Time // when it last was
	looked    time.Time // when it was last looked who reads the binlog
	next      nextBatch
}

// limits are those of the next batch.
func (r *round) limits() schedule.Limits {
	return schedule.Limits{Transactions: r.batches.width.Limit(), Bytes: batchBytes}
}

// turnMode goes over to batches, or back to transactions one by one, when that is
// due and nothing is under way.
func (r *round) turnMode(oldest time.Time, lacking bool) (ready bool) {
	now := time.Now()
	lag := time.Duration(0)
	if lacking && !oldest.IsZero() {
		lag = r.deps.LeaderNow().Sub(oldest)
	}
	want := r.Applier.mode.Batches(now, lag, len(r.Applier.readers) > 0)
	b := &r.batches
	switch {
	case want == b.on:
		return true
	case r.running > 0 || len(r.again) > 0:
		return false
	case want:
		b.executed = r.given
		for _, w := range r.held {
			b.executed.Remove(setOf(w.tx.GTID))
		}
		b.on, b.settled, b.next = true, now, nextBatch{}
		r.sayMode(true)
	case !b.unsettled.IsEmpty():
		r.settle()
		return false
	default:
		b.on = false
		r.sayMode(false)
	}
	return true
}

// sayMode tells of a change, but not of each round.
func (r *round) sayMode(batches bool) {
	if r.Applier.saidBatches == batches {
		return
	}
	r.Applier.saidBatches = batches
	message := "the follower is applied to transaction by transaction again"
	if batches {
		message = "the follower is applied to in batches"
	}
	r.announce(history.Event{Kind: history.FollowerMode, Message: message})
}

func setOf(g gtid.GTID) (s gtid.Set) {
	s.Add(g)
	return s
}

// A nextBatch is how far what waits fits into a batch. It is reckoned anew after
// what waits, or what fits, has changed other than by an arrival.
type nextBatch struct {
	pack    schedule.Pack
	verdict schedule.Verdict // of the last that was looked at
	limits  schedule.Limits
	known   bool
}

// nextBatch reckons it.
func (r *round) nextBatch() *nextBatch {
	n := &r.batches.next
	if n.known && n.limits == r.limits() {
		return n
	}
	*n = nextBatch{limits: r.limits(), known: true}
	for ticket := range r.schedule.Waiting() {
		if n.verdict != schedule.Joins {
			break
		}
		n.add(r.candidate(ticket))
	}
	return n
}

// add takes an arrival into account.
func (n *nextBatch) add(c schedule.Candidate) {
	if n.known && n.verdict == schedule.Joins {
		n.verdict = n.pack.Add(c, n.limits)
	}
}

// startBatches has as many batches under way as is useful.
func (r *round) startBatches() {
	b := &r.batches
	for len(b.flights) < min(lanes, r.cfg.Sessions) && r.available() {
		others := len(b.flights)
		if others > 0 && (b.width.Narrowed() || b.flights[others-1].alone) || others > 1 && !r.startsEarly() {
			return
		}
		next := r.nextBatch()
		n, alone := next.pack.Len(), next.verdict == schedule.Alone
		full := next.verdict != schedule.Joins || next.pack.Full(next.limits)
		switch {
		case n == 0 && !alone, others > 0 && (!full || alone):
			return // it gets fuller while the other is committed
		case alone && !b.unsettled.IsEmpty():
			r.settle()
			return
		case others == 0 && (alone || n == 1 && b.unsettled.IsEmpty()):
			r.startAlone()
		default:
			r.startBatch(n)
		}
	}
}

// startsEarly tells whether the next transaction may be executed although nothing
// that is under way is committed, or not all of it.
func (r *round) startsEarly() bool {
	if !r.batches.overlap.Allowed() {
		return false
	}
	under, _ := r.underWay()
	for ticket := range r.schedule.Waiting() {
		return len(r.schedule.Stages(under, []schedule.Ticket{ticket})) > 0
	}
	return false
}

// underWay are the flights that have transactions, and the first of each.
func (r *round) underWay() (first []schedule.Ticket, flights []*flight) {
	for _, f := range r.batches.flights {
		if len(f.tickets) > 0 {
			first, flights = append(first, f.tickets[0]), append(flights, f)
		}
	}
	return first, flights
}

// early is what of a flight's batch may be executed before its turn.
func (r *round) early(f *flight) (early []session.Early) {
	o := &r.batches.overlap
	o.Began()
	if !o.Allowed() {
		return nil
	}
	first, flights := r.underWay()
	for _, stage := range r.schedule.Stages(first, f.tickets) {
		e := session.Early{Until: stage.Until}
		if stage.Needs > 0 {
			after := flights[stage.Needs-1]
			e.Wait = func(ctx context.Context) error { return f.await(ctx, after.committed) }
		}
		early = append(early, e)
	}
	return early
}

// candidate is what decides whether a transaction goes into a batch.
func (r *round) candidate(ticket schedule.Ticket) schedule.Candidate {
	w := r.held[ticket]
	return schedule.Candidate{Bytes: w.tx.Size, Rows: w.tx.Size <= batchBytes && onlyRows(w.tx), Format: w.format}
}

// look looks who reads the follower's binlog.
func (r *round) look(s *session.Session) error {
	readers, err := s.BinlogReaders(r.ctx)
	if err != nil {
		return err
	}
	if len(readers) > 0 {
		return &readError{readers}
	}
	return nil
}

// available tells whether there is a worker for one more job.
func (r *round) available() bool { return len(r.idle) > 0 || len(r.workers) < r.cfg.Sessions }

// readBy notes that somebody reads the follower's binlog: batches are not in it.
func (r *round) readBy(e *readError) {
	first := len(r.Applier.readers) == 0
	r.Applier.setReaders(e.readers)
	if !first {
		return
	}
	event := history.Event{Level: history.Warn, Kind: history.FollowerMode,
		Message: fmt.Sprintf("the follower is applied to transaction by transaction, also when it is behind: %v, and batches aren't in it", e),
		Mend:    "set apply.catch_up.mode to off, or end what reads its binlog and restart baton"}
	if r.cfg.Batches == schedule.Always {
		event.Message = fmt.Sprintf("%v, and batches aren't in it (apply.catch_up.mode: always)", e)
		event.Mend = "set apply.catch_up.mode to off, and seed what reads its binlog anew"
	}
	r.announce(event)
}

// nothingHappens fires when there is something to do because nothing else is.
func (r *round) nothingHappens() <-chan time.Time {
	b := &r.batches
	switch {
	case !b.on:
		return nil
	case len(b.flights) == 0 && !b.unsettled.IsEmpty():
		return time.After(settleIdle)
	}
	return time.After(beat)
}

func (r *round) beat() {
	if b := &r.batches; b.on && len(b.flights) == 0 && !b.unsettled.IsEmpty() {
		r.settle()
	}
}

// wrapUp leaves the follower as if there had never been batches, where it can be
// reached.
func (r *round) wrapUp() {
	b := &r.batches
	if !b.written {
		return
	}
	for i, w := range r.idle {
		if !w.open {
			continue
		}
		r.idle = append(r.idle[:i], r.idle[i+1:]...)
		all := b.unsettled
		w.jobs <- job{do: func(s *session.Session) error {
			if !all.IsEmpty() {
				if err := s.AddExecuted(r.ctx, all); err != nil {
					return err
				}
			}
			return s.Tidy(r.ctx)
		}}
		res := <-r.results
		r.idle = append(r.idle, res.worker)
		if res.err != nil {
			// The next round begins with it.
			r.deps.Logger.Info("batches are not settled yet", zap.Error(res.err))
		}
		return
	}
}
