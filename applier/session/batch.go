package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A Batch is whole transactions of the leader, in its order, that become one
// transaction of the follower, which isn't in the follower's binlog.
type Batch struct {
	// Transactions are rows of transactional tables and nothing else, and all of
	// one Format.
	Transactions []*binlog.Transaction
	// GTIDs are those of the transactions, and of the batches before that
	// gtid_executed doesn't have yet. Before is what it does have.
	GTIDs, Before gtid.Set
	// Settle has the GTIDs added to gtid_executed after the commit.
	Settle bool
	// Slot is the row of baton.progress that the batch writes.
	Slot int
	// Turn returns when all that has to be committed before is, so that what was
	// put together meanwhile may be sent. An error has nothing committed.
	Turn func(context.Context) error
	// Early says which transactions may be executed before, from the first on.
	Early []Early
	// GaveWay, if not nil, is told when these had to be undone, to be executed in
	// their turn.
	GaveWay func()
}

// ErrNotForBatches is wrapped by the error of ApplyBatch for a transaction that
// has to be applied by itself.
var ErrNotForBatches = errors.New("the transaction can't be part of a batch")

// ApplyBatch commits all of b, or nothing, and with it a row that says so. When it returns an *Error,
// nothing is committed unless the Kind is Disconnected: whether it is then is
// what [Session.Settle] of another session finds out. The error's GTID is the
// first of the batch, whichever transaction is the cause.
//
// What goes wrong before the batch's turn, but for the connection, is no error: it
// is undone, and all is executed in its turn.
func (s *Session) ApplyBatch(ctx context.Context, b Batch) error {
	defer s.interruptible(ctx)()
	err := s.applyBatch(ctx, b)
	if !errors.Is(err, errTooEarly) {
		return err
	}
	if b.GaveWay != nil {
		b.GaveWay()
	}
	b.Early = nil
	return s.applyBatch(ctx, b)
}

func (s *Session) applyBatch(ctx context.Context, b Batch) error {
	s.packet.reset(s.attributes)
	w := &batchWriter{Session: s, batch: b, early: b.Early, known: map[uint64]span{}, ids: map[tableNamed]uint64{}}
	err := w.apply(ctx)
	s.trim()
	switch {
	case err == nil:
		return nil
	case !w.sent:
		// The server knows nothing of it.
		s.forget()
		if errors.Is(err, ErrNotForBatches) || !errors.As(err, new(*Error)) {
			return err
		}
	case w.calledOff, errors.Is(err, ErrNotForBatches):
		s.undo()
		return err
	case !w.ownTurn && w.mayComeRight(ctx, err):
		s.undo()
		if s.lost {
			return &Error{Kind: Disconnected, GTID: b.Transactions[0].GTID, Step: "undo what was executed before its turn", Cause: err}
		}
		return fmt.Errorf("%w: %w", errTooEarly, err)
	}
	e := s.failed(ctx, b.Transactions[0], err)
	if e.Step == stepSettle && e.Kind != Disconnected {
		e.Kind, s.lost = Disconnected, true // committed, and nobody here can say more
		s.Close()
	}
	return e
}

// stepSettle is the step after the commit.
const stepSettle = "add the batch to gtid_executed"

// A batchWriter turns a batch into packets: BEGIN, few BINLOG statements with the
// rows of many transactions, the progress, COMMIT.
//
// A BINLOG statement opens its tables once for all rows up to a Rows event that
// ends a statement. So only its last one does, and all Table_map events, each
// once, come before the rows, as in a statement of the leader that changes
// several tables.
type batchWriter struct {
	*Session
	batch     Batch
	early     []Early       // what of Batch.Early isn't executed yet
	format    binlog.Format // of the event at hand
	turned    bool          // what is at hand may be executed
	sent      bool          // something was sent
	ownTurn   bool          // all before the batch is committed
	calledOff bool          // the batch is not to be applied
	executing time.Duration // how long what was sent took the follower

	// Of the BINLOG statement at hand; its bytes are Session.tables and Session.rows.
	known   map[uint64]span       // the Table_map events in it, by their table's id
	ids     map[tableNamed]uint64 // the ids of their tables
	maps    []tableNamed
	flags   uint16 // of all its Rows events
	lastRow int    // where the last one begins
	leaders []span // the Table_map events of the leader's statement at hand
	block   bool   // inside a transaction
}

// A span is a Table_map event in Session.tables, and the table.
type span struct {
	from, to int
	table    tableNamed
}

func (w *batchWriter) apply(ctx context.Context) error {
	w.tables, w.rows = w.tables[:0], w.rows[:0]
	w.open()
	for i, tx := range w.batch.Transactions {
		if len(w.early) > 0 && i == w.early[0].Until {
			if err := w.endStage(ctx); err != nil {
				return err
			}
		}
		w.format = tx.Format
		for e, err := range tx.Body {
			if err != nil {
				return &Error{Step: "read from the relay", Cause: fmt.Errorf("%w: %w", errUnreadable, err)}
			}
			if err := w.event(ctx, e); err != nil {
				return err
			}
		}
		if w.block || len(w.leaders) > 0 {
			return fmt.Errorf("%w: %s has no end", ErrNotForBatches, tx.GTID)
		}
	}
	for len(w.early) > 0 {
		if err := w.endStage(ctx); err != nil {
			return err
		}
	}
	if err := w.closeStatement(ctx); err != nil {
		return err
	}
	w.end()
	return w.send(ctx)
}

// open writes what comes before the first transaction.
func (w *batchWriter) open() {
	w.tellFormat(w.batch.Transactions[0].Format)
	// BINLOG leaves gtid_next undetermined.
	w.packet.add(outsideBinlog)
	w.unlogged = true
	w.packet.add("BEGIN")
}

// end commits, and says what was.
func (w *batchWriter) end() {
	w.packet.begin(statement{step: "write baton.progress"})
	w.packet.buf = fmt.Appendf(w.packet.buf, "REPLACE INTO "+progressTable+" VALUES (%d,@@global.server_uuid,'%s','%s',UTC_TIMESTAMP(6))", w.batch.Slot, w.batch.Before, w.batch.GTIDs)
	w.packet.add("COMMIT")
	if w.batch.Settle {
		w.packet.purged(w.batch.GTIDs)
	}
}

// send sends what is in the packet, when it is time for it.
func (w *batchWriter) send(ctx context.Context) error {
	if !w.turned {
		if err := w.wait(ctx); err != nil {
			return err
		}
	}
	w.turned, w.sent = true, true
	began := time.Now()
	err := w.flush()
	w.executing += time.Since(began)
	return err
}

func (w *batchWriter) event(ctx context.Context, e binlog.Event) error {
	if binlog.IsRows(e) {
		return w.rowsEvent(ctx, e)
	}
	switch t := e.Type(); t {
	case replication.GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT, replication.ROWS_QUERY_EVENT, replication.IGNORABLE_EVENT:
		return nil
	case replication.TABLE_MAP_EVENT:
		return w.tableMap(ctx, e)
	case replication.QUERY_EVENT:
		return w.begin(ctx, e)
	case replication.XID_EVENT:
		w.block = false
		return nil
	case replication.TRANSACTION_PAYLOAD_EVENT:
		return w.payload(ctx, e)
	default:
		return fmt.Errorf("%w: it has a %s", ErrNotForBatches, t)
	}
}

// payload writes the events inside a compressed transaction.
func (w *batchWriter) payload(ctx context.Context, e binlog.Event) error {
	outer, plain := w.format, w.format.WithoutChecksum()
	for inner, err := range binlog.Unwrap(e, outer) {
		if err != nil {
			return fmt.Errorf("%w: read compressed transaction: %w", ErrNotForBatches, err)
		}
		w.format = plain
		if err := w.event(ctx, inner); err != nil {
			return err
		}
	}
	w.format = outer
	return nil
}

// begin sets the session context of a transaction, where it isn't that of the
// one before.
func (w *batchWriter) begin(ctx context.Context, e binlog.Event) error {
	q, err := binlog.ParseQuery(e, w.format)
	if err != nil || string(q.Statement) != "BEGIN" || w.block {
		return fmt.Errorf("%w: it has a statement", ErrNotForBatches)
	}
	w.block = true
	if w.Session.context != nil && bytes.Equal(w.Session.context, q.StatusVars) {
		return nil
	}
	vars, err := parseStatusVars(q.StatusVars)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotForBatches, err)
	}
	if err := w.closeStatement(ctx); err != nil {
		return err
	}
	w.setRowsContext(vars)
	w.Session.context = bytes.Clone(q.StatusVars)
	return nil
}

func (w *batchWriter) tableMap(ctx context.Context, e binlog.Event) error {
	schema, name, err := binlog.TableName(e)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotForBatches, err)
	}
	table, id := tableNamed{schema, name}, binlog.TableID(e)
	body, err := e.Body(w.format)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotForBatches, err)
	}
	if at, ok := w.known[id]; ok && bytes.Equal(w.tables[at.from+binlog.HeaderSize:at.to], body) {
		w.leaders = append(w.leaders, at)
		return nil
	}
	if _, taken := w.ids[table]; taken {
		if err := w.closeStatement(ctx); err != nil {
			return err
		}
	} else if _, taken := w.known[id]; taken {
		if err := w.closeStatement(ctx); err != nil {
			return err
		}
	}
	at := span{from: len(w.tables), table: table}
	w.tables = e.AppendWithoutChecksum(w.tables, w.format)
	at.to = len(w.tables)
	w.addMap(id, at)
	w.leaders = append(w.leaders, at)
	return nil
}

func (w *batchWriter) addMap(id uint64, at span) {
	w.known[id], w.ids[at.table] = at, id
	w.maps = append(w.maps, at.table)
}

// rowsEvent adds a Rows event. Those with other flags are a statement's of its
// own: the server looks at them once a statement.
func (w *batchWriter) rowsEvent(ctx context.Context, e binlog.Event) error {
	flags, err := binlog.RowsFlags(e)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotForBatches, err)
	}
	if _, ok := w.known[binlog.TableID(e)]; !ok {
		return fmt.Errorf("%w: it has rows without a Table_map", ErrNotForBatches)
	}
	ends := flags&binlog.RowsStatementEnd != 0
	flags = flagsToApply(flags) &^ binlog.RowsStatementEnd
	if len(w.rows) > 0 && (flags != w.flags || len(w.tables)+len(w.rows)+mostOf(e) > min(rowsLimit, w.rowsThatFit())) {
		if err := w.closeStatement(ctx); err != nil {
			return err
		}
	}
	w.flags, w.lastRow = flags, len(w.rows)
	w.rows = e.AppendWithoutChecksum(w.rows, w.format)
	binlog.SetRowsFlags(w.rows[w.lastRow:], flags)
	w.rows, w.lastRow = w.divider.divide(w.rows, w.lastRow, w.tables, w.format)
	if ends {
		w.leaders = w.leaders[:0]
	}
	return nil
}

// closeStatement puts the rows at hand into a BINLOG statement. The Table_map
// events of a statement of the leader that goes on are those of the next.
func (w *batchWriter) closeStatement(ctx context.Context) error {
	if len(w.rows) > 0 {
		binlog.SetRowsFlags(w.rows[w.lastRow:], w.flags|binlog.RowsStatementEnd)
		w.pendingEvents = append(append(w.pendingEvents[:0], w.tables...), w.rows...)
		if err := w.binlogStatement(w.pendingEvents, w.maps, true, func() error { return w.send(ctx) }); err != nil {
			return err
		}
	}
	again := w.leaders
	kept := make([]byte, 0, 1<<10)
	w.leaders, w.maps = nil, nil
	clear(w.known)
	clear(w.ids)
	for _, at := range again {
		e := binlog.Event(w.tables[at.from:at.to])
		at.from = len(kept)
		kept = append(kept, e...)
		at.to = len(kept)
		w.addMap(binlog.TableID(e), at)
		w.leaders = append(w.leaders, at)
	}
	w.tables, w.rows = append(w.tables[:0], kept...), w.rows[:0]
	return nil
}
