package session

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/replication"
)

// rowsLimit is how many bytes of row events one BINLOG statement, and packetLimit
// how many bytes of statements one packet is filled with before it is sent. They
// bound the memory that a large transaction takes here and on the follower; the
// follower's max_allowed_packet bounds them further.
const (
	rowsLimit   = 2 << 20
	packetLimit = 4 << 20
)

// slack is what a packet needs besides the base64 text of its events, in bytes.
const slack = 4 << 10

// A writer turns the events of one transaction into packets.
type writer struct {
	*Session
	tx     *binlog.Transaction
	format binlog.Format // of the event at hand

	needs  binlog.EventType // the event before was part of a statement in STATEMENT format; 0 for none
	apart  bool             // each of the leader's statements gets a BINLOG statement of its own
	opened bool             // GTID_NEXT is set
	ended  bool             // the transaction's last statement is in a packet
	block  bool             // inside BEGIN or XA START
	// creates says that the transaction has created a table: until its end the
	// server then takes nothing but row events.
	creates bool

	// Of pendingEvents, which hold whole statements of the leader and the one at
	// hand:
	maps    []tableNamed // the tables of all of them
	own     int          // maps[own:] are those of the statement at hand
	begins  int          // where the statement at hand begins
	mapsEnd int          // where its Table_map events end
	lastRow int          // where the last Rows event begins; meaningless if there is none
	hasRows bool         // there are Rows events
	ends    int          // how many of the leader's statements end in them
}

func newWriter(s *Session, tx *binlog.Transaction) *writer {
	s.packet.reset(s.attributes)
	s.pendingEvents = s.pendingEvents[:0]
	return &writer{Session: s, tx: tx, format: tx.Format}
}

// apply sends the whole transaction.
func (w *writer) apply() error {
	for e, err := range w.tx.Body {
		if err != nil {
			return &Error{Step: "read from the relay", Cause: fmt.Errorf("%w: %w", errUnreadable, err)}
		}
		if err := w.event(e); err != nil {
			return err
		}
	}
	if !w.ended {
		return &Error{Step: "read transaction", Cause: fmt.Errorf("%w: it has no end", errUnsupported)}
	}
	return w.flush()
}

// event writes the next event.
func (w *writer) event(e binlog.Event) error {
	if w.ended && e.Flags()&binlog.FlagIgnorable == 0 {
		return w.unsupported("a %s after the transaction's end", e.Type())
	}
	if binlog.IsRows(e) {
		return w.rows(e)
	}
	switch t := e.Type(); t {
	case replication.GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT, replication.ROWS_QUERY_EVENT, replication.IGNORABLE_EVENT:
		return nil
	case replication.TABLE_MAP_EVENT:
		return w.tableMap(e)
	case replication.QUERY_EVENT:
		return w.query(e)
	case replication.XID_EVENT:
		return w.end("COMMIT")
	case replication.XA_PREPARE_LOG_EVENT:
		return w.xaPrepare(e)
	case replication.TRANSACTION_PAYLOAD_EVENT:
		return w.payload(e)
	case replication.INTVAR_EVENT, replication.RAND_EVENT, replication.USER_VAR_EVENT:
		// The statement that it belongs to comes next, and says more.
		w.needs = t
		return nil
	case replication.INCIDENT_EVENT:
		return w.unsupported("the leader logged an incident: events may be missing from its binlog; compare the data or rebuild the follower")
	default:
		if e.Flags()&binlog.FlagIgnorable != 0 {
			return nil
		}
		return w.unsupported("an event of type %d (%s) that baton doesn't know", byte(t), t)
	}
}

func (w *writer) unsupported(format string, args ...any) error {
	return &Error{Step: "read transaction", Cause: fmt.Errorf("%w: "+format, append([]any{errUnsupported}, args...)...)}
}

// statementFormat refuses a statement that is in the binlog instead of its rows,
// or needs what comes before it.
func (w *writer) statementFormat(statement []byte) error {
	e := w.unsupported("a statement in STATEMENT format: set binlog_format=ROW on the leader, have its clients reconnect, and leave this one out").(*Error)
	e.Statement = shorten(statement)
	return e
}

// open names the transaction, and the time and the versions of the servers that
// it comes from. The server forgets them with each transaction.
func (w *writer) open() {
	if w.opened {
		return
	}
	w.opened = true
	info := &w.tx.GTIDInfo
	p := &w.packet
	w.logAgain()
	p.begin(statement{step: "set GTID_NEXT"})
	var micros int64
	if !info.OriginalCommit.IsZero() {
		micros = info.OriginalCommit.UnixMicro()
	}
	p.buf = append(p.buf, "SET @@session.original_commit_timestamp="...)
	p.buf = strconv.AppendInt(p.buf, micros, 10)
	p.version(",@@session.original_server_version=", info.OriginalVersion)
	p.version(",@@session.immediate_server_version=", info.ImmediateVersion)
	p.buf = append(p.buf, ",@@session.gtid_next='"...)
	p.buf, _ = info.GTID.AppendText(p.buf) // it never fails
	p.buf = append(p.buf, '\'')
	w.tellFormat(w.tx.Format)
}

// end writes the statement that ends the transaction.
func (w *writer) end(statement string) error {
	if err := w.sendRest(); err != nil {
		return err
	}
	if w.needs != 0 {
		return w.statementFormat(nil)
	}
	w.block, w.ended = false, true
	w.packet.add(statement)
	return nil
}

// payload writes the events inside a compressed transaction.
func (w *writer) payload(e binlog.Event) error {
	outer, plain := w.format, w.format.WithoutChecksum()
	for inner, err := range binlog.Unwrap(e, outer) {
		if err != nil {
			return fmt.Errorf("read compressed transaction: %w", err)
		}
		w.format = plain
		if err := w.event(inner); err != nil {
			return err
		}
	}
	w.format = outer
	return nil
}

func (w *writer) tableMap(e binlog.Event) error {
	schema, table, err := binlog.TableName(e)
	if err != nil {
		return err
	}
	if len(w.pendingEvents) > w.mapsEnd {
		// A statement's Table_map events come before all its rows.
		return w.unsupported("a Table_map of %s.%s between the rows of a statement", schema, table)
	}
	if !w.creates {
		if err := w.fits(e, tableNamed{schema, table}); err != nil {
			return err
		}
	}
	w.maps = append(w.maps, tableNamed{schema, table})
	w.pendingEvents = e.AppendWithoutChecksum(w.pendingEvents, w.format)
	w.mapsEnd = len(w.pendingEvents)
	return nil
}

// rows adds a Rows event. One BINLOG statement takes the rows of as many of the
// leader's statements as fit: the server runs them one after the other as its
// replication threads do, and each BINLOG costs it as much as a small one of them.
func (w *writer) rows(e binlog.Event) error {
	flags, err := binlog.RowsFlags(e)
	if err != nil {
		return err
	}
	if w.mapsEnd == w.begins {
		return w.unsupported("rows without a Table_map")
	}
	if w.hasRows && len(w.pendingEvents)+mostOf(e) > min(rowsLimit, w.rowsThatFit()) {
		if err := w.sendRows(); err != nil {
			return err
		}
	}
	w.lastRow, w.hasRows = len(w.pendingEvents), true
	w.pendingEvents = e.AppendWithoutChecksum(w.pendingEvents, w.format)
	binlog.SetRowsFlags(w.pendingEvents[w.lastRow:], flagsToApply(flags))
	w.pendingEvents, w.lastRow = w.divider.divide(w.pendingEvents, w.lastRow, w.pendingEvents[w.begins:w.mapsEnd], w.format)
	if flags&binlog.RowsStatementEnd != 0 {
		w.ends++
		w.begins, w.mapsEnd, w.own = len(w.pendingEvents), len(w.pendingEvents), len(w.maps)
		if w.apart {
			return w.sendRows()
		}
	}
	return nil
}

// flagsToApply are the flags that a Rows event is applied with.
func flagsToApply(flags uint16) uint16 {
	if flags&binlog.RowsLoggedCascades != 0 {
		// The cascades' rows are in the binlog too, and so may be a child's before
		// its parent's.
		return flags | binlog.RowsNoForeignKeyChecks
	}
	return flags
}

// sendRest sends the rows that are pending, before something else.
func (w *writer) sendRest() error {
	if !w.hasRows {
		return nil
	}
	return w.sendRows()
}

// rowsThatFit is how many bytes of events fit into one packet in base64.
func (s *Session) rowsThatFit() int { return base64.StdEncoding.DecodedLen(s.maxPacket - slack) }

// sendRows puts the pending events into a BINLOG statement that ends with a
// statement's end. Where the leader's statement goes on, what follows begins with
// its Table_map events again.
func (w *writer) sendRows() error {
	// Table_map events may come after the last Rows event.
	whole := w.pendingEvents
	if w.begins > w.lastRow {
		whole = whole[:w.begins]
	}
	last := binlog.Event(whole[w.lastRow:])
	flags, err := binlog.RowsFlags(last)
	if err != nil {
		return err
	}
	binlog.SetRowsFlags(last, flags|binlog.RowsStatementEnd)
	w.open()
	if err := w.binlogStatement(whole, w.maps, w.ends > 1 || w.ends == 1 && w.lastRow >= w.begins, w.flush); err != nil {
		return err
	}
	w.pendingEvents = append(w.pendingEvents[:0], w.pendingEvents[w.begins:w.mapsEnd]...)
	w.maps, w.own = slices.Clone(w.maps[w.own:]), 0
	w.begins, w.mapsEnd, w.lastRow, w.hasRows, w.ends = 0, len(w.pendingEvents), 0, false, 0
	return nil
}

// binlogStatement puts a BINLOG statement into the packet. Where there is no room
// for it, the packet is sent before.
func (s *Session) binlogStatement(events []byte, maps []tableNamed, several bool, send func() error) error {
	size := base64.StdEncoding.EncodedLen(len(events)) + slack
	if size > s.maxPacket {
		return &Error{Step: "apply rows", Tables: names(maps), Cause: sizeError{need: size, max: s.maxPacket}}
	}
	if len(s.packet.buf)+size > min(packetLimit, s.maxPacket) {
		if err := send(); err != nil {
			return err
		}
	}
	s.packet.binlog(events, maps, several)
	return nil
}

func names(maps []tableNamed) []string {
	var all []string
	for _, m := range maps {
		if name := m.schema + "." + m.table; !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// A sizeError says that a packet, with one row and its BINLOG statement or with
// one statement, is larger than the follower takes.
type sizeError struct{ need, max int }

func (e sizeError) Error() string {
	return fmt.Sprintf("it takes a packet of %d bytes, and the follower's max_allowed_packet is %d", e.need, e.max)
}

// Mend says what makes room.
func (e sizeError) Mend() string {
	const most, step = 1 << 30, 1 << 20
	if e.need > most {
		return "no server takes a packet of more than 1073741824 bytes: " + skipByHand
	}
	return fmt.Sprintf("SET PERSIST max_allowed_packet=%d on the follower, or more, then `baton resume`", (e.need+step-1)/step*step)
}

func (e sizeError) Unwrap() error { return errUnsupported }

// shorten makes a statement fit into one line of a message.
func shorten(statement []byte) string { return binlog.Readable(statement, 200) }
