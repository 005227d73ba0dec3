package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// setup is run once on each connection. The rows that a leader logged don't
// need gap locks (its own applier uses READ COMMITTED for them too), and a
// session that waits for a metadata lock must say so some time. What the
// follower's own defaults would make of the leader's statements is set to what
// its replication threads have: no key added to a table, no foreign key or table
// option refused that the leader took, no commit that ends the connection.
const setup = "SET SESSION pseudo_replica_mode=1, transaction_isolation='READ-COMMITTED', autocommit=1, " +
	"completion_type=NO_CHAIN, transaction_read_only=0, innodb_strict_mode=0, " +
	"innodb_lock_wait_timeout=50, lock_wait_timeout=60, wait_timeout=31536000, character_set_results=utf8mb4" +
	" /*!80030 ,sql_generate_invisible_primary_key=0*/ /*!80400 ,restrict_fk_on_non_standard_key=0*/"

// A Session is one connection of an applier to its follower. It is not safe for
// concurrent use, but for Close.
type Session struct {
	conn      connection
	maxPacket int    // the follower's max_allowed_packet, in bytes
	user      string // the account's name

	format        binlog.Event // the Format_description_event the server was last told
	context       []byte       // status variables of the context that is set; nil when unknown
	encryption    byte         // default_table_encryption that is set
	attributes    bool         // whether a COM_QUERY must announce query attributes
	divider       divider
	packet        packet    // reused for each transaction
	hasDatabase   bool      // whether a default database is selected
	unlogged      bool      // sql_log_bin may be 0
	pendingEvents []byte    // reused: the Table_map and Rows events of one BINLOG statement
	tables, rows  []byte    // reused: these events of a batch, apart
	again         gtid.GTID // the last transaction that was to be tried again because super_read_only had just gone
	lost          bool      // the connection can't be used any more
	// wide is how many columns each table of the leader's has that the follower's
	// is known to have a place for.
	wide map[tableNamed]uint64
}

// keptBuffer is how many bytes of a buffer are kept for the next transaction:
// what one large transaction took isn't held for good, in every session.
const keptBuffer = 2 * packetLimit

// Open prepares a connection that allows several statements in a query
// (CLIENT_MULTI_STATEMENTS). The Session owns conn from here on, also when Open
// fails.
func Open(ctx context.Context, conn *client.Conn) (*Session, error) {
	s := &Session{conn: connection{conn}, wide: map[tableNamed]uint64{}}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("prepare session: %w", err)
	}
	return s, nil
}

func (s *Session) open(ctx context.Context) error {
	defer s.interruptible(ctx)()
	// The capabilities that were agreed upon are told in no other way.
	capabilities := s.conn.CapabilityString()
	if !strings.Contains(capabilities, "CLIENT_MULTI_STATEMENTS") {
		return errors.New("the connection doesn't allow several statements in a query")
	}
	s.attributes = strings.Contains(capabilities, "CLIENT_QUERY_ATTRIBUTES")
	if _, err := s.conn.Execute(setup); err != nil {
		return err
	}
	r, err := s.conn.Execute("SELECT @@global.max_allowed_packet, @@session.default_table_encryption, SUBSTRING_INDEX(USER(), '@', 1)")
	if err != nil {
		return err
	}
	maxPacket, err := r.GetInt(0, 0)
	if err != nil {
		return fmt.Errorf("read max_allowed_packet: %w", err)
	}
	encryption, err := r.GetInt(0, 1)
	if err != nil {
		return fmt.Errorf("read default_table_encryption: %w", err)
	}
	if s.user, err = r.GetString(0, 2); err != nil {
		return fmt.Errorf("read the account: %w", err)
	}
	s.maxPacket, s.encryption = int(maxPacket), byte(encryption)
	return nil
}

// Close ends the connection. The server rolls back what was open. (The client's
// own Close resets counters that whoever waits on the connection uses.)
func (s *Session) Close() error { return s.conn.Conn.Conn.Conn.Close() }

// interruptible closes the connection when ctx ends, which ends whatever waits
// on it. The returned function ends that.
func (s *Session) interruptible(ctx context.Context) (stop func()) {
	end := context.AfterFunc(ctx, func() { s.Close() })
	return func() { end() }
}

// Executed reads the follower's gtid_executed.
func (s *Session) Executed(ctx context.Context) (gtid.Set, error) {
	defer s.interruptible(ctx)()
	r, err := s.conn.Execute("SELECT @@global.gtid_executed")
	if err != nil {
		return gtid.Set{}, fmt.Errorf("read gtid_executed: %w", err)
	}
	text, err := r.GetString(0, 0)
	if err != nil {
		return gtid.Set{}, fmt.Errorf("read gtid_executed: %w", err)
	}
	return gtid.ParseSet(text)
}

// Lost tells whether the session can't be used any more, as after an error of
// the kind Disconnected.
func (s *Session) Lost() bool { return s.lost }

// Apply commits tx on the follower. When it returns an *Error, nothing of tx is
// committed, but for statements that commit by themselves, and unless the Kind
// is Disconnected. The session can be used again if it isn't Lost.
func (s *Session) Apply(ctx context.Context, tx *binlog.Transaction) error {
	defer s.interruptible(ctx)()
	e := s.attempt(ctx, tx, false)
	if e != nil && e.Kind == Refused && e.several && !s.lost {
		// One by one, the table and the row that was refused is known.
		e = s.attempt(ctx, tx, true)
	}
	if e == nil {
		return nil
	}
	return e
}

// attempt applies tx, with the rows of each of the leader's statements apart or
// not.
func (s *Session) attempt(ctx context.Context, tx *binlog.Transaction, apart bool) *Error {
	w := newWriter(s, tx)
	w.apart = apart
	err := w.apply()
	s.trim()
	if err == nil {
		return nil
	}
	return s.failed(ctx, tx, err)
}

// forget has the next transaction set everything anew.
func (s *Session) forget() { s.context, s.format, s.unlogged = nil, nil, true }

// failed describes what went wrong with tx, or the batch that begins with it, and
// makes the session fit for the next.
func (s *Session) failed(ctx context.Context, tx *binlog.Transaction, err error) *Error {
	s.forget()
	e := s.describe(ctx, tx.GTID, err)
	if e.Kind == Disconnected {
		s.lost = true
		return e
	}
	if e.Kind == Refused && !e.several {
		s.explain(tx.Format, e)
	}
	e.rows = nil
	if err := s.rollback(); err != nil {
		// What failed has failed, whatever becomes of the session. Only where a
		// connection breaks right after something passing, it is its end that counts.
		s.lost = true
		s.Close()
		if e.Kind == Passing && serverError(err) == nil {
			e.Kind = Disconnected
		}
		return e
	}
	if e.Kind == ReadOnly {
		s.lookAgain(e)
	}
	return e
}

// lookAgain judges an error that says that an option of the server forbids
// something: super_read_only is one of several. Where that is off, it may have
// been switched off just now, so that the transaction has another try.
func (s *Session) lookAgain(e *Error) {
	r, err := s.conn.Execute("SELECT @@global.super_read_only")
	if err != nil {
		return
	}
	switch on, err := r.GetInt(0, 0); {
	case err != nil || on != 0:
	case s.again != e.GTID:
		s.again, e.Kind = e.GTID, Passing
	default:
		e.Kind, e.Mend = Refused, "change the option that the follower's message names, or grant baton's account what `baton check` names; then `baton resume`"
	}
}

// trim gives back the memory that a large transaction took.
func (s *Session) trim() {
	if cap(s.packet.buf) > keptBuffer {
		s.packet.buf = nil
	}
	if cap(s.pendingEvents) > keptBuffer {
		s.pendingEvents = nil
	}
	if cap(s.tables) > keptBuffer {
		s.tables = nil
	}
	if cap(s.rows) > keptBuffer {
		s.rows = nil
	}
}

// Skip gives the GTID an empty transaction, so that the follower never executes
// the transaction itself.
func (s *Session) Skip(ctx context.Context, g gtid.GTID) error {
	defer s.interruptible(ctx)()
	s.packet.reset(s.attributes)
	s.logAgain()
	s.packet.nothing(g)
	if err := s.flush(); err != nil {
		return s.describe(ctx, g, err)
	}
	return nil
}

// rollback ends a transaction that an error left open: it still owns its GTID.
// The server refuses it in an XA transaction, which only the connection's end
// then rolls back.
func (s *Session) rollback() error {
	_, err := s.conn.Execute("ROLLBACK")
	return err
}

// describe makes what went wrong with g an Error.
func (s *Session) describe(ctx context.Context, g gtid.GTID, err error) *Error {
	e := &Error{}
	if !errors.As(err, &e) {
		e = &Error{Cause: err}
	}
	e.GTID = g
	e.classify()
	if ctx.Err() != nil {
		e.Kind, e.Cause = Disconnected, context.Cause(ctx)
	}
	return e
}

// execute runs one statement by itself, whatever result it has.
func (s *Session) execute(statement []byte) error {
	if need := len(statement) + slack; need > s.maxPacket {
		return sizeError{need: need, max: s.maxPacket}
	}
	r, err := s.conn.Execute(string(statement))
	if err != nil {
		return err
	}
	if r.Status&mysql.SERVER_MORE_RESULTS_EXISTS != 0 {
		// They would be taken for the answers to what is sent next.
		return fmt.Errorf("%q has more than one result", shorten(statement))
	}
	return nil
}

// serverError is err as an error of the server, nil if it is none.
func serverError(err error) *mysql.MyError {
	var e *mysql.MyError
	if errors.As(err, &e) {
		return e
	}
	return nil
}
