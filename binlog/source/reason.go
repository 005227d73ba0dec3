package source

import (
	"errors"
	"strconv"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// A Reason says why the stream can't go on before somebody mends the cause.
// The values are part of the output of `baton status` and stay.
type Reason string

// The reasons for which a Source stops. Everything else (a refused or cut
// connection, silence, damaged bytes) passes by itself and has no Reason.
const (
	// Purged: the leader no longer has the binlogs with transactions that the
	// relay lacks. Error.GTIDs are those transactions.
	Purged Reason = "purged"
	// Diverged: the relay has transactions of the leader's own server_uuid that
	// the leader lacks: it was reset, or lost the end of its binlog in a crash.
	// Error.GTIDs are those transactions.
	Diverged Reason = "diverged"
	// Credentials: the leader refused the account.
	Credentials Reason = "credentials"
	// Privileges: the account may not read the binlog.
	Privileges Reason = "privileges"
	// DuplicateServerID: another replica with our server_id took the stream over.
	DuplicateServerID Reason = "duplicate-server-id"
	// LeaderIsSelf: the leader's server_id is the one that we register with.
	LeaderIsSelf Reason = "leader-is-self"
	// NotMySQL: the server is not MySQL 8.0 or newer.
	NotMySQL Reason = "not-mysql"
	// BinlogOff: the leader writes no binlog.
	BinlogOff Reason = "binlog-off"
	// GTIDOff: the leader's gtid_mode is not ON.
	GTIDOff Reason = "gtid-off"
	// FormatNotRow: the leader's binlog_format is not ROW.
	FormatNotRow Reason = "format-not-row"
	// AnonymousTransaction: the leader's binlog holds a transaction without a
	// GTID that the relay would need. It isn't tried again: a later stream would
	// begin behind it, because no GTID set shows that it is missing.
	AnonymousTransaction Reason = "anonymous-transaction"
	// UnknownEvent: the stream holds an event that baton doesn't know and may
	// not leave out.
	UnknownEvent Reason = "unknown-event"
	// LeaderBinlog: the leader can't read its own binlog (1236 with none of the
	// causes above).
	LeaderBinlog Reason = "leader-binlog"
	// RelayFailed: the relay can't make anything durable; nothing is
	// acknowledged until it can again.
	RelayFailed Reason = "relay-failed"
)

// An Error is why a Source stopped.
type Error struct {
	Reason Reason
	// GTIDs are the transactions that it is about; empty where it is about none.
	GTIDs gtid.Set
	// Problem is what is wrong, in one line.
	Problem string
	// Mend is what to do about it, in one line.
	Mend string
	// Err is the error of the server or the relay; nil when a check found the
	// problem.
	Err error
}

// Error is the problem, with the error that showed it.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Problem
	}
	return e.Problem + ": " + e.Err.Error()
}

// Unwrap returns the error that showed the problem.
func (e *Error) Unwrap() error { return e.Err }

// Error numbers of the server (MySQL's manual, "Server Error Message
// Reference") that no retry overcomes.
const (
	errAccessDenied           = 1045 // ER_ACCESS_DENIED_ERROR
	errHostNotPrivileged      = 1130 // ER_HOST_NOT_PRIVILEGED
	errSpecificAccessDenied   = 1227 // ER_SPECIFIC_ACCESS_DENIED_ERROR
	errReadingBinlog          = 1236 // ER_SOURCE_FATAL_ERROR_READING_BINLOG
	errAccessDeniedNoPassword = 1698 // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
	errMustChangePassword     = 1820 // ER_MUST_CHANGE_PASSWORD
	errMustChangeLogin        = 1862 // ER_MUST_CHANGE_PASSWORD_LOGIN
	errAccountLocked          = 3118 // ER_ACCOUNT_HAS_BEEN_LOCKED
	errNotSupportedAuth       = 1251 // ER_NOT_SUPPORTED_AUTH_MODE
)

// serverCode is the number of the server's error in err, 0 when there is none.
func serverCode(err error) uint16 {
	var e *mysql.MyError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// dialError tells a refused account from a leader that can't be reached.
func dialError(err error) error {
	switch serverCode(err) {
	case errAccessDenied, errAccessDeniedNoPassword, errHostNotPrivileged, errNotSupportedAuth:
		return &Error{Reason: Credentials, Err: err,
			Problem: "the leader refuses the account",
			Mend:    "check user, password and the host that the account may connect from (SELECT user, host FROM mysql.user)"}
	case errAccountLocked:
		return &Error{Reason: Credentials, Err: err,
			Problem: "the account is locked on the leader",
			Mend:    "ALTER USER … ACCOUNT UNLOCK on the leader"}
	case errMustChangePassword, errMustChangeLogin:
		return passwordExpired(err)
	}
	return err
}

func passwordExpired(err error) error {
	return &Error{Reason: Credentials, Err: err,
		Problem: "the account's password has expired on the leader",
		Mend:    "ALTER USER … IDENTIFIED BY … on the leader, or PASSWORD EXPIRE NEVER for the account, and configure that password"}
}

// commandError judges an error of a statement or command on a connection that
// the leader accepted. 1045 means a missing privilege then: commands answer a
// missing REPLICATION SLAVE with it.
func commandError(err error) error {
	switch serverCode(err) {
	case errMustChangePassword, errMustChangeLogin:
		return passwordExpired(err)
	case errSpecificAccessDenied, errAccessDenied:
		return &Error{Reason: Privileges, Err: err,
			Problem: "the account may not read the leader's binlog",
			Mend:    "GRANT REPLICATION SLAVE ON *.* TO the account, on the leader"}
	}
	return err
}

// Fragments of the text of error 1236, which the server also uses for causes
// that have numbers of their own in its message file. The session sets
// lc_messages to en_US, so that they are in English.
const (
	textDuplicate = "same server_uuid/server_id"
	textAnonymous = "anonymous transaction"
)

// binlogError judges the texts of error 1236 that name a cause which no
// variable of the leader shows. It returns nil for all others.
func binlogError(err error) error {
	var e *mysql.MyError
	if !errors.As(err, &e) || e.Code != errReadingBinlog {
		return nil
	}
	switch {
	case strings.Contains(e.Message, textDuplicate):
		return &Error{Reason: DuplicateServerID, Err: err,
			Problem: "another replica with our server_id has taken the stream over",
			Mend:    "stop the other one, or give each its own server_id (SHOW REPLICAS on the leader lists them)"}
	case strings.Contains(strings.ToLower(e.Message), textAnonymous):
		return anonymous(err)
	}
	return nil
}

func anonymous(err error) error {
	return &Error{Reason: AnonymousTransaction, Err: err,
		Problem: "the leader's binlog holds a transaction without a GTID that the relay lacks",
		Mend: "it was written while gtid_mode was not ON and can't be replicated; seed the followers from a backup " +
			"taken after it and start baton anew with an empty relay"}
}

// unreadable is what is left of error 1236 when no check explains it.
func unreadable(err error) error {
	return &Error{Reason: LeaderBinlog, Err: err,
		Problem: "the leader can't read its binlog",
		Mend:    "look into the leader's error log; mysqlbinlog --verify-binlog-checksum shows which of its files is damaged"}
}

// streamError judges an error in the events themselves.
func streamError(err error) error {
	if errors.Is(err, binlog.ErrNoGTID) {
		return anonymous(err)
	}
	return err
}

func unknownEvent(e binlog.Event, at binlog.Position) error {
	return &Error{Reason: UnknownEvent,
		Problem: "the leader's binlog holds an event of type " + strconv.Itoa(int(e.Type())) + " (" + e.Type().String() +
			") that ends at " + at.String() + ", belongs to no transaction and is not known",
		Mend: "use a version of baton that knows the leader's version of MySQL"}
}

func relayFailed(err error) error {
	return &Error{Reason: RelayFailed, Err: err,
		Problem: "the relay can't make anything durable; nothing is acknowledged",
		Mend:    "free space on the relay's disk, or mend it; the stream then goes on by itself"}
}
