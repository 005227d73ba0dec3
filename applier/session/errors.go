package session

import (
	"errors"
	"fmt"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// A Kind says what an applier does about an [Error].
type Kind int

// The kinds of errors.
const (
	// Refused: the follower, or baton itself, can't apply the transaction. It
	// will be so until somebody mends the cause or has it skipped.
	Refused Kind = iota
	// Passing: a lock, a deadlock or a kill was in the way; the same may succeed
	// when it is tried again.
	Passing
	// ReadOnly: the server refuses row events because super_read_only is on.
	ReadOnly
	// Stale: the transaction needs a session that has no default database yet, and
	// one can't be taken from a session. The same succeeds in a new one.
	Stale
	// Unreadable: the relay couldn't give the transaction; nothing is wrong with
	// the follower.
	Unreadable
	// Disconnected: the session is of no more use. Whether the transaction was
	// committed only the follower's gtid_executed tells.
	Disconnected
)

// An Error says why a transaction wasn't applied.
type Error struct {
	Kind      Kind
	GTID      gtid.GTID
	Tables    []string // the tables of the rows that failed, as schema.table
	Statement string   // the statement that failed, shortened; empty for rows
	Step      string   // what was being done, such as "apply rows"
	Mend      string   // what an operator can do; empty when the cause says it
	Cause     error    // the server's error (*mysql.MyError), a connection's, or baton's own
}

// Error says it in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "transaction %s: ", e.GTID)
	if e.Step != "" {
		b.WriteString(e.Step)
	} else {
		b.WriteString("apply")
	}
	if len(e.Tables) > 0 {
		fmt.Fprintf(&b, " of %s", strings.Join(e.Tables, ", "))
	}
	if e.Statement != "" {
		fmt.Fprintf(&b, " %q", e.Statement)
	}
	fmt.Fprintf(&b, ": %v", e.Cause)
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Code is the server's error number; 0 if it isn't the server's error.
func (e *Error) Code() uint16 {
	if my := serverError(e.Cause); my != nil {
		return my.Code
	}
	return 0
}

// errUnsupported is wrapped by errors about events that baton refuses to apply.
var errUnsupported = errors.New("baton can't apply it")

// errUnreadable is wrapped by errors of the transaction's Body.
var errUnreadable = errors.New("the transaction can't be read")

// errStale is the cause of errors of the kind Stale.
var errStale = errors.New("the statement's default database isn't there, and the session has another")

// Server errors that decide on a Kind, or have a mend of their own, and that
// go-mysql has no name for.
const (
	errKilledIdle         = 4031 // ER_CLIENT_INTERACTION_TIMEOUT
	errSessionKilled      = 3169 // ER_SESSION_WAS_KILLED
	errMaxExecutionTime   = 3024 // ER_QUERY_TIMEOUT
	errAccountLacksRights = 1227 // ER_SPECIFIC_ACCESS_DENIED_ERROR
)

// classify sets Kind and Mend by the cause.
func (e *Error) classify() {
	my := serverError(e.Cause)
	switch {
	case my != nil:
		e.Kind, e.Mend = classifyCode(my.Code)
	case errors.Is(e.Cause, errStale):
		e.Kind = Stale
	case errors.Is(e.Cause, errUnreadable):
		e.Kind = Unreadable
	case errors.Is(e.Cause, errUnsupported):
		e.Kind, e.Mend = Refused, "mend the cause where the message says how; or leave the transaction out with `baton skip` and make its changes on the follower by hand; or rebuild the follower"
	case errors.Is(e.Cause, binlog.ErrMalformed):
		e.Kind, e.Mend = Refused, "look at it with `baton relay dump`; rebuild the follower, or leave the transaction out with `baton skip` and make its changes by hand"
	default:
		e.Kind = Disconnected
	}
	var with interface{ Mend() string }
	if errors.As(e.Cause, &with) {
		e.Mend = with.Mend()
	}
}

func classifyCode(code uint16) (Kind, string) {
	switch code {
	case mysql.ER_LOCK_WAIT_TIMEOUT, mysql.ER_LOCK_DEADLOCK, mysql.ER_LOCK_ABORTED, mysql.ER_TABLE_DEF_CHANGED,
		mysql.ER_TOO_MANY_CONCURRENT_TRXS, mysql.ER_XA_RBTIMEOUT, mysql.ER_XA_RBDEADLOCK,
		mysql.ER_QUERY_INTERRUPTED, errMaxExecutionTime:
		return Passing, ""
	case mysql.ER_OPTION_PREVENTS_STATEMENT:
		return ReadOnly, "SET GLOBAL super_read_only=OFF (read_only stays ON)"
	case mysql.ER_SERVER_SHUTDOWN, mysql.ER_NORMAL_SHUTDOWN, mysql.ER_ABORTING_CONNECTION, mysql.ER_NEW_ABORTING_CONNECTION,
		errSessionKilled, mysql.ER_NET_READ_ERROR, mysql.ER_NET_READ_INTERRUPTED,
		mysql.ER_NET_ERROR_ON_WRITE, mysql.ER_NET_WRITE_INTERRUPTED, errKilledIdle:
		return Disconnected, ""
	case mysql.ER_KEY_NOT_FOUND:
		return Refused, "the follower's row differs from the leader's: put the row right, then `baton resume`; or rebuild the follower; or leave the transaction out with `baton skip`"
	case mysql.ER_DUP_ENTRY, mysql.ER_DUP_KEY, mysql.ER_DUP_ENTRY_WITH_KEY_NAME:
		return Refused, "the follower has a row that the leader hasn't: remove it, then `baton resume`; or rebuild the follower; or leave the transaction out with `baton skip`"
	case mysql.ER_NET_PACKET_TOO_LARGE:
		return Refused, "raise max_allowed_packet on the follower (1G is the most), then `baton resume`"
	case mysql.ER_BINLOG_CREATE_ROUTINE_NEED_SUPER, mysql.ER_BINLOG_UNSAFE_ROUTINE:
		return Refused, "SET GLOBAL log_bin_trust_function_creators=ON on the follower (baton does so when it begins to apply), then `baton resume`"
	case mysql.ER_DISK_FULL, mysql.ER_RECORD_FILE_FULL, mysql.ER_ERROR_ON_WRITE:
		return Refused, "free space on the follower's disk; baton goes on by itself"
	case mysql.ER_TABLEACCESS_DENIED_ERROR, mysql.ER_DBACCESS_DENIED_ERROR, mysql.ER_ACCESS_DENIED_ERROR, errAccountLacksRights:
		return Refused, "grant baton's account what `baton check` names, then `baton resume`"
	}
	return Refused, "mend the cause on the follower, then `baton resume`; or leave the transaction out with `baton skip`"
}
