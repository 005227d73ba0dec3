package admin

import (
	"strings"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/batondb/baton/binlog"
)

// maxQuery is how many bytes of a statement are shown.
const maxQuery = 300

// maxShownEvents bounds what is shown of one transaction, so that one of a
// million rows can be looked at.
const maxShownEvents = 1000

// Describe puts a transaction of the relay into readable form. The events
// inside a compressed transaction follow the Transaction_payload that holds
// them. Of a transaction with very many events only the first are shown.
func Describe(t *binlog.Transaction, segment uint64) (RelayTransaction, error) {
	d := RelayTransaction{
		GTID: t.GTID.String(), Segment: segment, Bytes: t.Size,
		LastCommitted: t.LastCommitted, SequenceNumber: t.SequenceNumber,
		Events: []RelayEvent{},
	}
	tables := map[tableID]string{}
	if !t.ImmediateCommit.IsZero() {
		at := t.ImmediateCommit.UTC()
		d.Time = &at
	}
	for e, err := range t.Body {
		if err != nil {
			return d, err
		}
		if !d.show(e, t.Format, tables) {
			return d, nil
		}
		if e.Type() != replication.TRANSACTION_PAYLOAD_EVENT {
			continue
		}
		for inner, err := range binlog.Unwrap(e, t.Format) {
			if err != nil {
				return d, err
			}
			if !d.show(inner, t.Format.WithoutChecksum(), tables) {
				return d, nil
			}
		}
	}
	return d, nil
}

// tableID is the number under which a Table_map_event announces a table to the
// Rows_events behind it; both begin with it.
type tableID [6]byte

func tableIDOf(e binlog.Event) (id tableID) {
	copy(id[:], e[binlog.HeaderSize:])
	return id
}

// show adds an event and reports whether there is room for more. An event that
// can't be read is shown by its type.
func (d *RelayTransaction) show(e binlog.Event, f binlog.Format, tables map[tableID]string) bool {
	if len(d.Events) == maxShownEvents {
		d.Events = append(d.Events, RelayEvent{Type: "(more, not shown)"})
		return false
	}
	shown := RelayEvent{Type: eventName(e.Type()), Bytes: int64(len(e))}
	switch {
	case e.Type() == replication.TABLE_MAP_EVENT:
		if schema, table, err := binlog.TableName(e); err == nil {
			shown.Table = oneLine([]byte(schema + "." + table))
			tables[tableIDOf(e)] = shown.Table
		}
	case binlog.IsRows(e):
		shown.Table = tables[tableIDOf(e)]
	case e.Type() == replication.QUERY_EVENT:
		if q, err := binlog.ParseQuery(e, f); err == nil {
			shown.Query = oneLine(q.Statement)
		}
	}
	d.Events = append(d.Events, shown)
	return true
}

// eventName is the event's name in MySQL's manual, or go-mysql's where baton
// has no use for the event.
func eventName(t binlog.EventType) string {
	switch t {
	case replication.GTID_EVENT:
		return "Gtid"
	case replication.GTID_TAGGED_LOG_EVENT:
		return "Gtid_tagged"
	case replication.QUERY_EVENT:
		return "Query"
	case replication.TABLE_MAP_EVENT:
		return "Table_map"
	case replication.ROWS_QUERY_EVENT:
		return "Rows_query"
	case replication.WRITE_ROWS_EVENTv1, replication.WRITE_ROWS_EVENTv2:
		return "Write_rows"
	case replication.UPDATE_ROWS_EVENTv1, replication.UPDATE_ROWS_EVENTv2:
		return "Update_rows"
	case replication.DELETE_ROWS_EVENTv1, replication.DELETE_ROWS_EVENTv2:
		return "Delete_rows"
	case replication.PARTIAL_UPDATE_ROWS_EVENT:
		return "Partial_update_rows"
	case replication.TRANSACTION_PAYLOAD_EVENT:
		return "Transaction_payload"
	case replication.XID_EVENT:
		return "Xid"
	case replication.XA_PREPARE_LOG_EVENT:
		return "XA_prepare"
	}
	return t.String()
}

// oneLine is the beginning of a statement, which may hold any bytes, on one
// line that a terminal can show, without the passwords in it.
func oneLine(statement []byte) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r == 0x7f || r == utf8.RuneError || (r >= 0x80 && r < 0xa0):
			return '?'
		}
		return r
	}, binlog.Readable(statement, maxQuery))
}
