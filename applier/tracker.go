package applier

import (
	"errors"
	"maps"
	"slices"

	"github.com/batondb/baton/applier/keys"
	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/applier/writeset"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"go.uber.org/zap"
)

// A tracker tells from the rows which transactions depend on which, while the
// leader's clock says little. Only the round's goroutine uses it.
//
// What it knows of tables is what the follower says while it was given nothing that
// may change one. It is forgotten when such a transaction arrives, and asked for
// again when that is done: until then the leader's clock is all that is known. So
// no transaction is judged by another table than the one that it finds.
type tracker struct {
	on       bool
	history  writeset.History
	sets     keys.Sets
	tables   map[rowimage.TableName]*keys.Table // nil: nothing can be told of it
	unknown  map[rowimage.TableName]struct{}
	changing schedule.Ticket // tables may change until it is done
	lookup   *lookup         // under way
}

// A lookup asks the follower for tables.
type lookup struct {
	tables map[rowimage.TableName]*keys.Table
	stale  bool // they may have changed meanwhile
}

// push adds the next transaction to the schedule, with what depends on what as
// the leader's clock tells it or, where that is less, the rows.
func (r *round) push(tx *binlog.Transaction) (ticket schedule.Ticket, ahead bool) {
	leader := schedule.Transaction{LastCommitted: tx.LastCommitted, SequenceNumber: tx.SequenceNumber,
		Barrier: r.cfg.LeaderOrder || r.clock.changed(tx) || runsAlone(tx)}
	if r.cfg.LeaderOrder || r.batches.on {
		r.tracker.on = false
		return r.schedule.Push(leader), false
	}
	used, rows := leader, true
	choice := &r.Applier.tracking
	starts := choice.ByRows() && !r.tracker.on
	if r.tracker.on = choice.ByRows(); r.tracker.on && !starts {
		used.LastCommitted, rows = r.tracker.lastCommitted(tx, leader)
	}
	moment := schedule.Moment{Sessions: r.cfg.Sessions, Starved: r.available() && r.schedule.AnyWaiting(),
		Learning: r.tracker.lookup != nil || len(r.tracker.unknown) > 0}
	ticket = r.schedule.Push(used)
	choice.Next(leader, used, moment)
	switch {
	case starts:
		r.tracker.begin(ticket, tx.SequenceNumber)
	case r.tracker.on && !rows:
		r.tracker.forget(ticket)
	}
	return ticket, used.LastCommitted < leader.LastCommitted
}

// begin has all after a transaction depend on it and on those before it, of which
// nothing is known.
func (t *tracker) begin(last schedule.Ticket, sequence int64) {
	t.history = writeset.History{Size: writeset.DefaultSize}
	t.sets.Table = t.table
	var set writeset.Set
	set.Opaque()
	t.history.Next(sequence, &set)
	t.forget(last)
}

// forget forgets the tables, which may change until a transaction is done.
func (t *tracker) forget(until schedule.Ticket) {
	t.changing = until
	t.tables, t.unknown = map[rowimage.TableName]*keys.Table{}, map[rowimage.TableName]struct{}{}
	if t.lookup != nil {
		t.lookup.stale = true
	}
}

// table is what is known of a table; nil if nothing is, or not yet.
func (t *tracker) table(name rowimage.TableName) *keys.Table {
	known, ok := t.tables[name]
	if !ok {
		t.unknown[name] = struct{}{}
	}
	return known
}

// lastCommitted is the least that is known of what a transaction depends on; rows
// is false where it may change tables.
func (t *tracker) lastCommitted(tx *binlog.Transaction, leader schedule.Transaction) (last int64, rows bool) {
	var set writeset.Set
	rows = t.sets.Of(tx, &set)
	if leader.Barrier {
		set.Opaque()
	}
	last, ok := t.history.Next(leader.SequenceNumber, &set)
	if !ok || leader.LastCommitted < 0 || leader.LastCommitted >= leader.SequenceNumber {
		return leader.LastCommitted, rows
	}
	return min(last, leader.LastCommitted), rows
}

// lookUp asks for the tables that weren't known, when what changes tables is done.
func (r *round) lookUp() {
	t := &r.tracker
	if !t.on || r.batches.on || t.lookup != nil || len(t.unknown) == 0 || !r.available() {
		return
	}
	if oldest, lacking := r.schedule.Oldest(); lacking && oldest <= t.changing {
		return
	}
	names := slices.Collect(maps.Keys(t.unknown))
	clear(t.unknown)
	l := &lookup{}
	t.lookup = l
	r.assign(job{lookup: l, do: func(s *session.Session) (err error) {
		l.tables, err = s.Keys(r.ctx, names)
		return err
	}})
}

// lookedUp takes the tables that the follower told of.
func (r *round) lookedUp(res result) {
	r.tracker.lookup = nil
	switch {
	case res.err == nil && !res.lookup.stale:
		maps.Copy(r.tracker.tables, res.lookup.tables)
	case res.err != nil && !errors.Is(res.err, errAgain) && !errors.Is(res.err, errEnded):
		r.fail(res.err)
	}
}

// ranAhead has a transaction that was refused, which the rows let start before the
// leader's clock would have, tried again when all before it are done.
func (r *round) ranAhead(res result) bool {
	e := refusal(res.err)
	if e == nil || e.Kind != session.Refused || !r.held[res.ticket].ahead {
		return false
	}
	r.deps.Logger.Warn("a transaction was refused beside others; it is tried again after all before it", zap.Error(res.err))
	h := r.held[res.ticket]
	h.ahead = false
	r.held[res.ticket] = h
	r.schedule.Alone(res.ticket)
	r.Applier.tracking.Distrust()
	r.tracker.on = false
	return true
}
