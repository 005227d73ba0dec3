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
// What it knows of tables is what the follower says while no transaction that may
// change one is under way, and it judges by that the transactions before the next
// that may. That one runs alone; when it is done, all that was known is forgotten,
// and what comes after it is judged by what the follower says then. What isn't
// judged yet goes by the leader's clock.
type tracker struct {
	on      bool
	history writeset.History
	sets    keys.Sets
	tables  map[rowimage.TableName]*keys.Table // nil: nothing can be told of it
	unknown map[rowimage.TableName]struct{}
	changes []schedule.Ticket // that aren't done and may change tables
	lookup  *lookup           // under way
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
	t, choice := &r.tracker, &r.Applier.tracking
	if r.cfg.LeaderOrder || r.batches.on {
		t.on = false
		return r.schedule.Push(leader), false
	}
	if choice.ByRows() && !t.on {
		r.begin()
	}
	used, rows := leader, true
	switch t.on = choice.ByRows(); {
	case !t.on:
	case len(t.changes) > 0:
		t.skip(tx.SequenceNumber)
		rows = t.onlyRows(tx)
	default:
		used.LastCommitted, rows = t.lastCommitted(tx, leader)
	}
	used.Barrier = used.Barrier || !rows
	moment := schedule.Moment{Sessions: r.cfg.Sessions, Starved: r.available() && r.schedule.AnyWaiting(),
		Learning: t.lookup != nil || len(t.unknown) > 0 || len(t.changes) > 0}
	ticket = r.schedule.Push(used)
	choice.Next(leader, used, moment)
	if !rows {
		t.changes = append(t.changes, ticket)
	}
	return ticket, used.LastCommitted < leader.LastCommitted
}

// begin begins with what the follower was given and lacks, of whose tables nothing
// is known yet.
func (r *round) begin() {
	t := &r.tracker
	t.sets.Table = t.table
	t.forget()
	t.changes = nil
	for ticket := range r.schedule.Unfinished() {
		if !t.onlyRows(r.held[ticket].tx) {
			t.changes = append(t.changes, ticket)
		}
	}
	r.judge()
}

// judge looks at what the follower was given and lacks, up to the next that may
// change tables. What it has doesn't matter any more.
func (r *round) judge() {
	t := &r.tracker
	clear(t.unknown)
	t.history = writeset.History{Size: writeset.DefaultSize}
	for ticket := range r.schedule.Unfinished() {
		h, at := r.held[ticket], r.schedule.At(ticket)
		if len(t.changes) > 0 && ticket >= t.changes[0] {
			t.skip(at.SequenceNumber)
			continue
		}
		last, _ := t.lastCommitted(h.tx, at)
		r.schedule.Relax(ticket, last)
		h.ahead = h.ahead || last < h.tx.LastCommitted
		r.held[ticket] = h
	}
}

// skip takes a transaction into account of which nothing is known.
func (t *tracker) skip(sequence int64) {
	var set writeset.Set
	set.Opaque()
	t.history.Next(sequence, &set)
}

// onlyRows tells whether a transaction changes no table.
func (t *tracker) onlyRows(tx *binlog.Transaction) bool {
	var set writeset.Set
	set.Opaque()
	return t.sets.Of(tx, &set)
}

// changed notes that a transaction is done: if it may have changed tables, the
// next ones are judged by what they are now.
func (r *round) changed(ticket schedule.Ticket) {
	t := &r.tracker
	i := slices.Index(t.changes, ticket)
	if i < 0 {
		return
	}
	t.changes = slices.Delete(t.changes, i, i+1)
	if t.on {
		t.forget()
		r.judge()
	}
}

// changing tells whether tables may be changing now.
func (r *round) changing() bool {
	t := &r.tracker
	return slices.ContainsFunc(t.changes, r.schedule.Started)
}

// forget forgets the tables.
func (t *tracker) forget() {
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

// lookUp asks for the tables that weren't known.
func (r *round) lookUp() {
	t := &r.tracker
	if !t.on || r.batches.on || t.lookup != nil || len(t.unknown) == 0 || !r.available() || r.changing() {
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
	case res.err == nil && r.tracker.on && !res.lookup.stale && !r.changing():
		maps.Copy(r.tracker.tables, res.lookup.tables)
		r.judge()
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
