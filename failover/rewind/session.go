package rewind

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	instance "github.com/batondb/baton/internal/mysql"
)

// setup makes a session leave no trace in the binlog, take rows as they are, and
// make tables of its own as it is told to.
const setup = "SET SESSION sql_log_bin=0, pseudo_replica_mode=1, transaction_isolation='READ-COMMITTED', autocommit=1, " +
	"completion_type=NO_CHAIN, transaction_read_only=0, sql_mode='', time_zone='+00:00', foreign_key_checks=0, unique_checks=1, " +
	"rbr_exec_mode='STRICT', innodb_lock_wait_timeout=20, lock_wait_timeout=20, wait_timeout=31536000, max_execution_time=0, sql_safe_updates=0, " +
	"character_set_results=utf8mb4, sql_require_primary_key=0 /*!80030 ,sql_generate_invisible_primary_key=0*/"

// shadowPrefix begins the names of the tables that hold what errant transactions
// left of rows, to compare it with what is there.
const shadowPrefix = "rewind_"

// A session is the connection that undoes.
type session struct {
	conn      *client.Conn
	maxPacket int
	format    binlog.Event // that the server was last told
	shadows   map[rowimage.TableName]string
	unbind    func() bool
}

// openSession connects. The end of ctx ends the connection, and so whatever waits
// on it, until close.
func openSession(ctx context.Context, target instance.Target) (*session, error) {
	conn, err := target.Dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, shadows: map[rowimage.TableName]string{}}
	// Unlike client.Conn's own, this Close touches nothing that whoever waits uses.
	s.unbind = context.AfterFunc(ctx, func() { _ = conn.Conn.Conn.Close() })
	if err := s.execute(setup); err != nil {
		s.close()
		return nil, interrupted(ctx, fmt.Errorf("prepare the session: %w", err))
	}
	r, err := instance.Execute(conn, "SELECT @@GLOBAL.max_allowed_packet")
	if err == nil {
		var n int64
		n, err = r.GetInt(0, 0)
		s.maxPacket = int(n)
	}
	if err != nil {
		s.close()
		return nil, interrupted(ctx, fmt.Errorf("prepare the session: %w", instance.Classify(err)))
	}
	return s, nil
}

// close ends the connection; the server rolls back what is open.
func (s *session) close() {
	s.unbind()
	_ = s.conn.Conn.Conn.Close()
}

// execute runs one statement whose result is of no interest.
func (s *session) execute(statement string) error {
	if _, err := instance.Execute(s.conn, statement); err != nil {
		return instance.Classify(err)
	}
	return nil
}

// count runs a query whose result is one number.
func (s *session) count(query string) (int64, error) {
	r, err := instance.Execute(s.conn, query)
	if err != nil {
		return 0, instance.Classify(err)
	}
	return r.GetInt(0, 0)
}

// tell makes the server read rows in format f, which has no checksums. It must
// not be in a transaction. The statement leaves GTID_NEXT undetermined.
func (s *session) tell(f binlog.Format) error {
	if (binlog.Format{Event: s.format}).SameAs(f) {
		return nil
	}
	if err := s.execute("BINLOG '" + base64.StdEncoding.EncodeToString(f.Event) + "'"); err != nil {
		return fmt.Errorf("set the events' format: %w", err)
	}
	s.format = f.Event
	return s.execute("SET @@SESSION.gtid_next='AUTOMATIC'")
}

// binlog applies rows: a Table_map_event and a Rows_event that ends its
// statement. The connection's own statement of one BINLOG has one result.
func (s *session) binlog(m, rows binlog.Event) error {
	const frame = len("BINLOG ''") + 64
	if need := base64.StdEncoding.EncodedLen(len(m)+len(rows)) + frame; need > s.maxPacket {
		return fmt.Errorf("a row takes a packet of %d bytes, and max_allowed_packet is %d: raise it on the instance (1G is the most) and rewind again", need, s.maxPacket)
	}
	return s.execute("BINLOG '" + base64.StdEncoding.EncodeToString(append(append([]byte(nil), m...), rows...)) + "'")
}

// madeSchema is the comment of the mark's table where baton's schema was made
// for it, which outlasts a rewind that was cut short.
const madeSchema = "the schema too was made for a rewind"

// makeMarkTable makes the table of the mark, and the schema if need be.
func (s *session) makeMarkTable() error {
	n, err := s.count("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '" + instance.Schema + "'")
	if err != nil {
		return err
	}
	comment := ""
	if n == 0 {
		comment = madeSchema
		if err := s.execute("CREATE DATABASE " + instance.Schema + " DEFAULT CHARACTER SET utf8mb4"); err != nil {
			return err
		}
	}
	return s.execute("CREATE TABLE IF NOT EXISTS " + markTable + " (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, " +
		"errant LONGTEXT NOT NULL, keep LONGTEXT NOT NULL, folder TEXT NOT NULL, undone DATETIME(6) NOT NULL" +
		") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='" + comment + "'")
}

// makeShadow makes a table with t's columns and no keys, so that it can hold the
// same row twice.
func (s *session) makeShadow(t *table) error {
	name := shadowPrefix + strconv.Itoa(len(s.shadows)+1)
	columns := ""
	for i, c := range t.columns {
		if i > 0 {
			columns += ", "
		}
		columns += rowimage.QuoteName(c.Name) // * leaves invisible columns out
	}
	s.shadows[t.TableName] = name
	return s.execute("CREATE TABLE " + instance.Schema + "." + name + " ENGINE=InnoDB SELECT " + columns + " FROM " + t.Quoted() + " LIMIT 0")
}

// check tells whether each of the rows is in t as the errant transaction left
// it. What it writes for it, it removes; either way by the same transaction.
func (s *session) check(f binlog.Format, m *rowimage.Table, t *table, r *rowsEvent, rows []rowimage.Row) (bool, error) {
	name := s.shadows[t.TableName]
	if err := s.binlog(renamed(f, m.Raw, instance.Schema, name), r.left(f, rows)); err != nil {
		return false, fmt.Errorf("look at rows of %s: %w", t, err)
	}
	shadow, on := instance.Schema+"."+name, ""
	for i, column := range t.key {
		if i > 0 {
			on += " AND "
		}
		on += "t." + rowimage.QuoteName(column) + " = s." + rowimage.QuoteName(column)
	}
	n, err := s.count("SELECT COUNT(*) FROM " + shadow + " AS s STRAIGHT_JOIN " + t.Quoted() + " AS t FORCE INDEX (" + rowimage.QuoteName(t.keyName) + ") ON " + on +
		" WHERE " + t.same("s", "t") + " FOR UPDATE OF t")
	if err != nil {
		return false, fmt.Errorf("look at rows of %s: %w", t, err)
	}
	if err := s.execute("DELETE FROM " + shadow); err != nil {
		return false, err
	}
	return n == int64(len(rows)), nil
}

// dropLeftovers drops what a rewind that was cut short has left.
func (s *session) dropLeftovers() error {
	r, err := instance.Execute(s.conn, leftoversQuery)
	if err != nil {
		return instance.Classify(err)
	}
	var names []string
	for i := range r.RowNumber() {
		name, err := r.GetString(i, 0)
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	for _, name := range names {
		if err := s.execute("DROP TABLE IF EXISTS " + instance.Schema + "." + rowimage.QuoteName(name)); err != nil {
			return err
		}
	}
	return nil
}

// dropMarkTable drops the mark's table, with a schema that was made for it.
func (s *session) dropMarkTable() error {
	made, err := s.count("SELECT COUNT(*) FROM information_schema.TABLES WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) = '" + markTable +
		"' AND TABLE_COMMENT = '" + madeSchema + "'")
	if err != nil {
		return err
	}
	if made > 0 {
		return s.execute("DROP DATABASE IF EXISTS " + instance.Schema)
	}
	return s.execute("DROP TABLE IF EXISTS " + markTable)
}

const leftoversQuery = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '" + instance.Schema +
	"' AND TABLE_NAME LIKE 'rewind\\_%' ORDER BY TABLE_NAME"

// serverCode is the number of a server's error, 0 if it is none.
func serverCode(err error) uint16 {
	var my *mysql.MyError
	if errors.As(err, &my) {
		return my.Code
	}
	return 0
}
