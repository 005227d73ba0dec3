package binlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-mysql-org/go-mysql/replication"
)

// A Query is the content of a Query_event: a statement and the context in
// which it ran.
type Query struct {
	ThreadID   uint32 // pseudo_thread_id of the statement
	ErrorCode  uint16 // the error that the statement ended with on the leader; 0 for none
	StatusVars []byte // the session context, in the encoding of Query_event's status variables
	Database   []byte // the default database; empty for none
	Statement  []byte // the statement's bytes, in the client's character set
}

// secrets finds what in a statement about accounts, as the server writes it into
// the binlog, is secret or made of a secret: passwords, their hashes, keys.
var secrets = regexp.MustCompile(`(?is)\b(IDENTIFIED|PASSWORD|MASTER_PASSWORD|SOURCE_PASSWORD)\b(.*)`)

// accounts finds statements that may hold one.
var accounts = regexp.MustCompile(`(?is)^\s*(CREATE|ALTER)\s+USER\b|^\s*SET\s+PASSWORD\b|^\s*GRANT\b|^\s*CHANGE\s`)

// Readable is a statement as it may be shown to people: in one line, cut after
// most bytes, and without the passwords and hashes in it.
func Readable(statement []byte, most int) string {
	if accounts.Match(statement) {
		statement = secrets.ReplaceAll(statement, []byte("$1 [hidden]"))
	}
	line := bytes.Join(bytes.Fields(statement), []byte(" "))
	if len(line) > most {
		return strings.ToValidUTF8(string(line[:most]), "") + "…"
	}
	return strings.ToValidUTF8(string(line), "\uFFFD")
}

// queryPostHeader is the size of what precedes a Query_event's variable part:
// thread id (4), execution time (4), database length (1), error code (2),
// length of the status variables (2).
const queryPostHeader = 13

// ParseQuery reads a Query_event written in format f. The slices of the result
// point into e. The error wraps ErrMalformed.
func ParseQuery(e Event, f Format) (Query, error) {
	if e.Type() != replication.QUERY_EVENT {
		return Query{}, fmt.Errorf("%w: expected a Query_event, found a %s", ErrMalformed, e.Type())
	}
	body, err := e.Body(f)
	if err != nil {
		return Query{}, err
	}
	if len(body) < queryPostHeader {
		return Query{}, fmt.Errorf("%w: a Query_event's body of %d bytes is too short", ErrMalformed, len(body))
	}
	dbLen := int(body[8])
	varLen := int(binary.LittleEndian.Uint16(body[11:]))
	rest := body[queryPostHeader:]
	if len(rest) < varLen+dbLen+1 {
		return Query{}, fmt.Errorf("%w: a Query_event's body of %d bytes is too short for its parts", ErrMalformed, len(body))
	}
	return Query{
		ThreadID:   binary.LittleEndian.Uint32(body),
		ErrorCode:  binary.LittleEndian.Uint16(body[9:]),
		StatusVars: rest[:varLen],
		Database:   rest[varLen : varLen+dbLen],
		Statement:  rest[varLen+dbLen+1:],
	}, nil
}
