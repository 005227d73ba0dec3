package session

import (
	"errors"
	"fmt"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
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
	Row       string   // which row was refused and what is wrong with it; empty where that isn't known
	Step      string   // what was being done, such as "apply rows"
	Mend      string   // what an operator can do; empty when the cause says it
	Cause     error    // the server's error (*mysql.MyError), a connection's, or baton's own

	rows    []byte // the events that were refused, for explain
	several bool   // they are of several of the leader's statements
}

// Error says it in one line.
func (e *Error) Error() string {
	var b strings.Builder
	if !e.GTID.IsZero() {
		fmt.Fprintf(&b, "transaction %s: ", e.GTID)
	}
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
	if e.Row != "" {
		fmt.Fprintf(&b, ": %s", e.Row)
	}
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
		e.Kind, e.Mend = Refused, "mend the cause where the message says how; or "+skipByHand
	case errors.Is(e.Cause, binlog.ErrMalformed):
		e.Kind, e.Mend = Refused, "look at it with `baton relay dump`; "+skipByHand
	default:
		e.Kind = Disconnected
	}
	var with interface{ Mend() string }
	if errors.As(e.Cause, &with) {
		e.Mend = with.Mend()
	}
}
