package applier

import (
	"bytes"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/replication"
)

// held is a transaction that the follower was given and lacks.
type held struct {
	tx     *binlog.Transaction
	format int
	ahead  bool // it may start before the leader's clock lets it
}

// formats numbers event formats, as they come.
type formats struct {
	last   binlog.Format
	number int
}

func (f *formats) of(tx *binlog.Transaction) int {
	if !f.last.SameAs(tx.Format) {
		f.last, f.number = tx.Format, f.number+1
	}
	return f.number
}

// A clock is the binlog file that a transaction's logical clock counts in. Its
// numbers mean nothing to those of another file. The schedule sees that they
// begin anew, but not where a stream goes on in the middle of a new leader's file.
type clock struct {
	file   string
	format binlog.Event
}

// changed tells whether tx has another clock than the transaction before it.
func (c *clock) changed(tx *binlog.Transaction) bool {
	same := c.file == tx.End.File && bytes.Equal(c.format, tx.Format.Event)
	c.file, c.format = tx.End.File, tx.Format.Event
	return !same
}

// runsAlone tells whether a transaction is one whose effects the logical clock
// may not cover: everything but rows.
func runsAlone(tx *binlog.Transaction) bool {
	n := 0
	for e, err := range tx.Body {
		if err != nil {
			return true
		}
		if n++; n == 1 {
			continue // the GTID
		}
		if e.Type() == replication.TRANSACTION_PAYLOAD_EVENT {
			return false
		}
		if e.Type() != replication.QUERY_EVENT {
			return true
		}
		q, err := binlog.ParseQuery(e, tx.Format)
		return err != nil || string(q.Statement) != "BEGIN"
	}
	return true
}

// onlyRows tells whether a transaction is BEGIN, rows, and the end of a
// transaction of a storage engine that has them. What is compressed is rows.
func onlyRows(tx *binlog.Transaction) bool {
	for e, err := range tx.Body {
		if err != nil {
			return false
		}
		switch e.Type() {
		case replication.GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT, replication.ROWS_QUERY_EVENT, replication.IGNORABLE_EVENT,
			replication.TABLE_MAP_EVENT, replication.XID_EVENT, replication.TRANSACTION_PAYLOAD_EVENT:
		case replication.QUERY_EVENT:
			if q, err := binlog.ParseQuery(e, tx.Format); err != nil || string(q.Statement) != "BEGIN" {
				return false
			}
		default:
			if !binlog.IsRows(e) {
				return false
			}
		}
	}
	return true
}
