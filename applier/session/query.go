package session

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// query writes a Query_event: the beginning or end of a transaction, or a
// statement of its own.
func (w *writer) query(e binlog.Event) error {
	q, err := binlog.ParseQuery(e, w.format)
	if err != nil {
		return err
	}
	if w.needs != 0 {
		return w.statementFormat(q.Statement)
	}
	if string(q.Statement) == "BEGIN" {
		return w.begin(q)
	}
	word := firstWords(q.Statement)
	switch {
	case word == "BEGIN":
		return w.begin(q)
	case word == "COMMIT" && w.block:
		return w.end(word)
	case word == "ROLLBACK" && w.block && len(bytes.TrimSpace(q.Statement)) == len("ROLLBACK"):
		if err := w.end(word); err != nil {
			return err
		}
		// What is rolled back here without a trace doesn't use its GTID up.
		w.packet.nothing(w.tx.GTID)
		return nil
	case !w.block && word != "XA START":
		return w.alone(e, q)
	}
	return w.within(e, q, word)
}

// begin opens a transaction in the session context of its BEGIN: generated
// columns and column defaults may look at it.
func (w *writer) begin(q binlog.Query) error {
	w.block = true
	w.open()
	if w.Session.context == nil || !bytes.Equal(w.Session.context, q.StatusVars) {
		vars, err := parseStatusVars(q.StatusVars)
		if err != nil {
			return &Error{Step: "read the session context", Cause: err}
		}
		w.setRowsContext(vars)
		w.Session.context = bytes.Clone(q.StatusVars)
	}
	w.packet.add("BEGIN")
	return nil
}

// Statements that may stand inside a transaction in row format. Anything else
// there is the leader's statement instead of its rows.
var withinBlock = []string{"SAVEPOINT", "ROLLBACK", "RELEASE", "CREATE TABLE", "CREATE TEMPORARY", "DROP TEMPORARY", "XA START", "XA END"}

// within runs a statement inside a transaction.
func (w *writer) within(e binlog.Event, q binlog.Query, word string) error {
	if !slices.ContainsFunc(withinBlock, func(s string) bool { return word == s || firstWord(word) == s }) {
		return w.statementFormat(q.Statement)
	}
	if word == "XA START" {
		w.block = true
		w.open()
	}
	w.creates = w.creates || word == "CREATE TABLE"
	return w.run(e, q)
}

// alone runs a statement that is a transaction by itself, such as DDL.
func (w *writer) alone(e binlog.Event, q binlog.Query) error {
	w.ended = true
	w.open()
	err := w.run(e, q)
	if err != nil {
		return err
	}
	// A statement that changes nothing on this server doesn't use its GTID up.
	r, err := w.conn.Execute("SELECT @@session.gtid_owned")
	if err != nil {
		return fmt.Errorf("read gtid_owned: %w", err)
	}
	owned, err := r.GetString(0, 0)
	if err != nil {
		return fmt.Errorf("read gtid_owned: %w", err)
	}
	switch {
	case owned != "":
		w.packet.add("COMMIT")
	case q.ErrorCode != 0:
		// Nor does one that failed, as it did on the leader.
		w.packet.nothing(w.tx.GTID)
	}
	return nil
}

// run executes a statement in its own context, and in a packet of its own: what
// it says is nothing that baton looks into.
func (w *writer) run(e binlog.Event, q binlog.Query) error {
	if err := w.sendRest(); err != nil {
		return err
	}
	vars, err := parseStatusVars(q.StatusVars)
	if err != nil {
		return &Error{Step: "read the session context", Statement: shorten(q.Statement), Cause: err}
	}
	statement, err := asInvoker(q.Statement, vars)
	if err != nil {
		return &Error{Step: "read the session context", Statement: shorten(q.Statement), Cause: err}
	}
	if err := w.use(e, q); err != nil {
		return err
	}
	w.setContext(vars)
	w.packet.buf = fmt.Appendf(w.packet.buf, ",@@session.timestamp=%d.%06d,@@session.pseudo_thread_id=%d", e.Timestamp(), vars.micros, q.ThreadID)
	if err := w.flush(); err != nil {
		return err
	}
	if vars.tableEncryption != nil {
		w.encryption = *vars.tableEncryption
	}
	// The context holds things that only statements carry.
	w.Session.context = nil
	err = w.execute(statement)
	if q.ErrorCode != 0 {
		return w.expect(q, err)
	}
	if err != nil {
		return &Error{Step: "run", Statement: shorten(q.Statement), Cause: err}
	}
	return nil
}

// use selects the statement's default database. One that isn't there is none:
// the statement may do without, or is about to fail.
func (w *writer) use(e binlog.Event, q binlog.Query) error {
	if len(q.Database) == 0 || e.Flags()&binlog.FlagSuppressUse != 0 {
		return nil
	}
	w.packet.add("SET @@session.character_set_client=utf8mb4")
	w.Session.context = nil
	if err := w.flush(); err != nil {
		return err
	}
	err := w.selectDatabase(q.Database)
	if my := serverError(err); my != nil && my.Code == mysql.ER_BAD_DB_ERROR {
		if w.hasDatabase {
			return errStale
		}
		return nil
	}
	if err != nil {
		return &Error{Step: "select the database", Statement: "USE " + string(q.Database), Cause: err}
	}
	w.hasDatabase = true
	return nil
}

// expect compares how a statement ended with how it ended on the leader, where
// it failed and was logged for the part that it did.
func (w *writer) expect(q binlog.Query, err error) error {
	if my := serverError(err); my != nil && my.Code == q.ErrorCode {
		return nil
	}
	if err != nil && serverError(err) == nil {
		return err
	}
	return &Error{Step: "run", Statement: shorten(q.Statement),
		Cause: fmt.Errorf("%w: it ended with error %d on the leader and here with: %v", errUnsupported, q.ErrorCode, err)}
}

// xaPrepare ends an XA transaction as the XA_prepare_log_event says: its body
// is one_phase (1 byte), the format id and the lengths of gtrid and bqual (4
// bytes each), and these two.
func (w *writer) xaPrepare(e binlog.Event) error {
	body, err := e.Body(w.format)
	if err != nil {
		return err
	}
	const fixed = 1 + 4 + 4 + 4
	if len(body) < fixed {
		return fmt.Errorf("%w: an XA_prepare_log_event of %d bytes", binlog.ErrMalformed, len(e))
	}
	format := int32(binary.LittleEndian.Uint32(body[1:]))
	gtrid, bqual := uint64(binary.LittleEndian.Uint32(body[5:])), uint64(binary.LittleEndian.Uint32(body[9:]))
	if uint64(len(body)-fixed) < gtrid+bqual {
		return fmt.Errorf("%w: the xid of an XA_prepare_log_event is cut off", binlog.ErrMalformed)
	}
	xid := body[fixed:]
	name := fmt.Sprintf("X'%x',X'%x',%d", xid[:gtrid], xid[gtrid:gtrid+bqual], format)
	if body[0] != 0 {
		return w.end("XA COMMIT " + name + " ONE PHASE")
	}
	return w.end("XA PREPARE " + name)
}

// firstWords is the first word of a statement in upper case, or the first two
// where the first alone doesn't say what it is. Comments before it are passed
// over.
func firstWords(statement []byte) string {
	rest := skipComments(statement)
	first, rest := word(rest)
	switch first {
	case "XA", "CREATE", "DROP":
		second, _ := word(bytes.TrimLeft(rest, " \t\r\n"))
		return first + " " + second
	}
	return first
}

func firstWord(words string) string {
	first, _ := word([]byte(words))
	return first
}

func word(b []byte) (string, []byte) {
	n := 0
	for n < len(b) && (b[n]|0x20 >= 'a' && b[n]|0x20 <= 'z') {
		n++
	}
	return string(bytes.ToUpper(b[:n])), b[n:]
}

func skipComments(b []byte) []byte {
	for {
		b = bytes.TrimLeft(b, " \t\r\n")
		if !bytes.HasPrefix(b, []byte("/*")) || bytes.HasPrefix(b, []byte("/*!")) {
			return b
		}
		end := bytes.Index(b, []byte("*/"))
		if end < 0 {
			return b
		}
		b = b[end+2:]
	}
}
