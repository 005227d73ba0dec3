package binlog

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-mysql-org/go-mysql/replication"
)

// A Part is what an event is to the transaction around it.
type Part int

// The parts that [Grouper.Next] tells apart.
const (
	Outside Part = iota // no part of a transaction: rotation, format, heartbeat …
	First               // the Gtid_event that starts a transaction
	Middle              // neither first nor last
	Last                // the transaction is whole with this event
)

// ErrNoGTID is returned for a transaction without a GTID: gtid_mode was not ON
// when it was written, so that it can't be replicated by GTID.
var ErrNoGTID = errors.New("transaction without a GTID")

// A Grouper finds the transactions in a stream of events. The zero value is
// ready to use, at a place between two transactions. It is not safe for
// concurrent use.
type Grouper struct {
	state groupState
}

type groupState int

const (
	between   groupState = iota // no transaction is open
	afterGTID                   // a Gtid_event was the last event
	inBlock                     // after BEGIN: ends with an Xid_event, COMMIT or ROLLBACK
	inXA                        // after XA START: ends with an XA_prepare_event
)

// Open tells whether a transaction has begun and not ended.
func (g *Grouper) Open() bool { return g.state != between }

// Next says which part the next event of the stream, written in format f,
// plays. The error wraps ErrNoGTID or ErrMalformed; the stream can't be read
// on after it.
func (g *Grouper) Next(e Event, f Format) (Part, error) {
	switch t := e.Type(); t {
	case replication.GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT:
		if g.Open() {
			return Outside, fmt.Errorf("%w: a %s inside a transaction", ErrMalformed, t)
		}
		g.state = afterGTID
		return First, nil
	case replication.ANONYMOUS_GTID_EVENT:
		return Outside, fmt.Errorf("%w: the leader's binlog holds one that ends at %d", ErrNoGTID, e.LogPos())
	case replication.FORMAT_DESCRIPTION_EVENT, replication.PREVIOUS_GTIDS_EVENT, replication.ROTATE_EVENT,
		replication.STOP_EVENT, replication.HEARTBEAT_EVENT, replication.HEARTBEAT_LOG_EVENT_V2:
		if g.Open() && t != replication.HEARTBEAT_EVENT && t != replication.HEARTBEAT_LOG_EVENT_V2 {
			return Outside, fmt.Errorf("%w: a %s inside a transaction", ErrMalformed, t)
		}
		return Outside, nil
	}
	if !g.Open() {
		return Outside, g.checkStray(e)
	}
	return g.inside(e, f)
}

// checkStray judges an event outside a transaction that is not one of those
// that belong there.
func (g *Grouper) checkStray(e Event) error {
	switch e.Type() {
	case replication.QUERY_EVENT, replication.XID_EVENT, replication.TABLE_MAP_EVENT:
		return fmt.Errorf("%w: the leader's binlog holds a %s that ends at %d and belongs to none", ErrNoGTID, e.Type(), e.LogPos())
	}
	return nil
}

func (g *Grouper) inside(e Event, f Format) (Part, error) {
	switch e.Type() {
	case replication.XID_EVENT, replication.XA_PREPARE_LOG_EVENT, replication.TRANSACTION_PAYLOAD_EVENT,
		replication.INCIDENT_EVENT:
		g.state = between
		return Last, nil
	case replication.QUERY_EVENT:
		return g.insideQuery(e, f)
	case replication.INTVAR_EVENT, replication.RAND_EVENT, replication.USER_VAR_EVENT:
		// They belong to the Query_event after them, which may be all there is.
		return Middle, nil
	}
	if g.state == afterGTID {
		g.state = inBlock
	}
	return Middle, nil
}

func (g *Grouper) insideQuery(e Event, f Format) (Part, error) {
	q, err := ParseQuery(e, f)
	if err != nil {
		return Outside, err
	}
	switch g.state {
	case afterGTID:
		switch {
		case isStatement(q.Statement, "BEGIN"):
			g.state = inBlock
			return Middle, nil
		case hasPrefix(q.Statement, "XA START"):
			g.state = inXA
			return Middle, nil
		}
		g.state = between
		return Last, nil
	case inBlock:
		if isStatement(q.Statement, "COMMIT") || isStatement(q.Statement, "ROLLBACK") {
			g.state = between
			return Last, nil
		}
	}
	return Middle, nil
}

// isStatement tells whether a statement that the server itself wrote into the
// binlog is word; such statements have a fixed spelling.
func isStatement(statement []byte, word string) bool {
	return bytes.EqualFold(statement, []byte(word))
}

func hasPrefix(statement []byte, prefix string) bool {
	return len(statement) >= len(prefix) && bytes.EqualFold(statement[:len(prefix)], []byte(prefix))
}
