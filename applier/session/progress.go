package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/mysql"
	server "github.com/go-mysql-org/go-mysql/mysql"
)

const progressTable = mysql.Schema + "." + mysql.ProgressTable

// outsideBinlog keeps what follows out of the follower's binlog, without GTIDs.
const outsideBinlog = "SET @@session.sql_log_bin=0,@@session.gtid_next='AUTOMATIC'"

// logAgain has what follows be in the follower's binlog, after a batch.
func (s *Session) logAgain() {
	if s.unlogged {
		s.packet.add("SET @@session.sql_log_bin=1")
		s.unlogged = false
	}
}

// purged appends the statement that adds a set to gtid_executed. The server notes
// each in its error log, in two lines that can't be turned off.
func (p *packet) purged(add gtid.Set) {
	p.begin(statement{step: stepSettle})
	p.buf = append(p.buf, "SET @@global.gtid_purged='+"...)
	p.buf, _ = add.AppendText(p.buf) // it never fails
	p.buf = append(p.buf, '\'')
}

// AddExecuted adds what batches have committed to gtid_executed.
func (s *Session) AddExecuted(ctx context.Context, batches gtid.Set) error {
	defer s.interruptible(ctx)()
	return s.addExecuted(batches)
}

func (s *Session) addExecuted(batches gtid.Set) error {
	s.packet.reset(s.attributes)
	s.packet.add("SET @@session.gtid_next='AUTOMATIC'") // or BINLOG has left it undetermined
	s.packet.purged(batches)
	if err := s.flush(); err != nil {
		return fmt.Errorf("add to gtid_executed: %w", err)
	}
	return nil
}

// A ProgressError says that a row of baton.progress doesn't fit what the follower
// says that it has executed, so that nobody knows whether the transactions of the
// row are in its tables.
type ProgressError struct {
	GTIDs  gtid.Set // of the batch
	Reason string
}

func (e *ProgressError) Error() string {
	return fmt.Sprintf("baton.progress says that a batch with %s was committed, and gtid_executed doesn't have all of it: %s", e.GTIDs, e.Reason)
}

// Mend says what an operator can do.
func (e *ProgressError) Mend() string {
	return fmt.Sprintf("where the instance is a consistent copy (clone, snapshot) of a server that baton applied to, its tables hold them: SET GLOBAL gtid_purged='+…' with what is missing of them; "+
		"where it was seeded by other means, they don't: SET SESSION sql_log_bin=0; DELETE FROM %s; then `baton resume`", progressTable)
}

// Settle adds to gtid_executed what a batch has committed that was cut off before
// it could do so itself. No session that was opened before may be at work any
// more, see [Session.Alone]. The error wraps a *ProgressError where it can't be
// told what is in the follower's tables.
func (s *Session) Settle(ctx context.Context) error {
	defer s.interruptible(ctx)()
	// The set is read before the rows: a row says what came after it.
	r, err := s.conn.Execute("SELECT @@global.gtid_executed, @@global.server_uuid")
	if err != nil {
		return fmt.Errorf("read gtid_executed: %w", err)
	}
	executed, err := setAt(r, 0, 0)
	if err != nil {
		return fmt.Errorf("read gtid_executed: %w", err)
	}
	uuid, err := r.GetString(0, 1)
	if err != nil {
		return fmt.Errorf("read server_uuid: %w", err)
	}
	r, err = s.conn.Execute("SELECT server_uuid, executed, gtids FROM " + progressTable + " ORDER BY slot")
	if noTable(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", progressTable, err)
	}
	for i := range r.RowNumber() {
		if err := s.settle(r, i, uuid, executed); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) settle(r *server.Result, i int, uuid string, executed gtid.Set) error {
	of, err := r.GetString(i, 0)
	if err != nil {
		return fmt.Errorf("read %s: %w", progressTable, err)
	}
	before, err := setAt(r, i, 1)
	if err != nil {
		return fmt.Errorf("read %s: %w", progressTable, err)
	}
	batch, err := setAt(r, i, 2)
	if err != nil {
		return fmt.Errorf("read %s: %w", progressTable, err)
	}
	switch {
	case executed.ContainsSet(batch):
		return nil
	case of != uuid:
		return &ProgressError{batch, "the row is that of the server " + of + ", and this one is " + uuid}
	case !executed.ContainsSet(before):
		return &ProgressError{batch, "nor does it have " + before.Subtract(executed).String() + ", which came before"}
	case !batch.Intersect(executed).IsEmpty():
		return &ProgressError{batch, "a batch is added as a whole"}
	}
	return s.addExecuted(batch)
}

// PrepareBatches makes the table that batches need. The error is an *Error with
// no GTID.
func (s *Session) PrepareBatches(ctx context.Context) error {
	defer s.interruptible(ctx)()
	s.forget()
	for _, statement := range append([]string{outsideBinlog}, mysql.ProgressStatements()...) {
		if _, err := s.conn.Execute(statement); err != nil {
			return s.failed(ctx, &binlog.Transaction{}, &Error{Step: "make " + progressTable, Cause: err, several: true})
		}
	}
	return nil
}

// Tidy removes what batches have left behind: all of it is settled.
func (s *Session) Tidy(ctx context.Context) error {
	defer s.interruptible(ctx)()
	s.forget()
	for _, statement := range []string{outsideBinlog, "DELETE FROM " + progressTable} {
		if _, err := s.conn.Execute(statement); err != nil && !noTable(err) {
			return fmt.Errorf("empty %s: %w", progressTable, err)
		}
	}
	return nil
}

// noTable tells whether an error says that the table isn't there.
func noTable(err error) bool {
	my := serverError(err)
	return my != nil && (my.Code == server.ER_NO_SUCH_TABLE || my.Code == server.ER_BAD_DB_ERROR)
}

func setAt(r *server.Result, row, column int) (gtid.Set, error) {
	text, err := r.GetString(row, column)
	if err != nil {
		return gtid.Set{}, err
	}
	return gtid.ParseSet(text)
}

// BinlogReaders returns who reads the follower's own binlog, as user@host: native
// replicas, change data capture, backups. It needs PROCESS to see them; baton's
// own account is left out.
func (s *Session) BinlogReaders(ctx context.Context) ([]string, error) {
	defer s.interruptible(ctx)()
	r, err := s.conn.Execute("SHOW PROCESSLIST")
	if err != nil {
		return nil, fmt.Errorf("look who reads the binlog: %w", err)
	}
	var readers []string
	for i := range r.RowNumber() {
		command, err := r.GetStringByName(i, "Command")
		if err != nil {
			return nil, fmt.Errorf("look who reads the binlog: %w", err)
		}
		user, _ := r.GetStringByName(i, "User")
		host, _ := r.GetStringByName(i, "Host")
		if strings.HasPrefix(command, "Binlog Dump") && user != s.user {
			readers = append(readers, user+"@"+host)
		}
	}
	return readers, nil
}
