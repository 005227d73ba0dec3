package admin

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
)

func event(typ binlog.EventType, body string) binlog.Event {
	return binlog.NewEvent(binlog.Format{}, typ, 1, 1, 100, 0, []byte(body))
}

// tableMap is the head of the body of a Table_map_event that announces a table
// under a number.
func tableMap(number byte, schema, table string) string {
	return rows(number) + string(rune(len(schema))) + schema + "\x00" + string(rune(len(table))) + table + "\x00"
}

// rows is the head of the body of a Rows_event.
func rows(number byte) string { return string([]byte{number, 0, 0, 0, 0, 0, 1, 0}) }

// query is the body of a Query_event without status variables.
func query(schema, statement string) string {
	head := make([]byte, 13)
	head[8] = byte(len(schema))
	binary.LittleEndian.PutUint16(head[11:], 0)
	return string(head) + schema + "\x00" + statement
}

func transaction(t *testing.T, events ...binlog.Event) *binlog.Transaction {
	t.Helper()
	g, err := gtid.Parse(server1 + ":45")
	require.NoError(t, err)
	return &binlog.Transaction{
		GTIDInfo: binlog.GTIDInfo{GTID: g, LastCommitted: 3, SequenceNumber: 5, ImmediateCommit: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)},
		Size:     1234, Body: binlog.Events(events),
	}
}

func TestDescribeNamesTablesAndStatements(t *testing.T) {
	d, err := Describe(transaction(t,
		event(replication.GTID_EVENT, "x"),
		event(replication.QUERY_EVENT, query("shop", "BEGIN\n")),
		event(replication.TABLE_MAP_EVENT, tableMap(7, "shop", "orders")),
		event(replication.TABLE_MAP_EVENT, tableMap(8, "shop", "items")),
		event(replication.WRITE_ROWS_EVENTv2, rows(7)),
		event(replication.DELETE_ROWS_EVENTv2, rows(8)),
		event(replication.UPDATE_ROWS_EVENTv2, ""),
		event(replication.XID_EVENT, "12345678"),
	), 7)
	require.NoError(t, err)
	require.Equal(t, RelayTransaction{
		GTID: server1 + ":45", Time: new(time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)), Segment: 7, Bytes: 1234,
		LastCommitted: 3, SequenceNumber: 5,
		Events: []RelayEvent{
			{Type: "Gtid", Bytes: 20},
			{Type: "Query", Bytes: 43, Query: "BEGIN"},
			{Type: "Table_map", Bytes: 41, Table: "shop.orders"},
			{Type: "Table_map", Bytes: 40, Table: "shop.items"},
			{Type: "Write_rows", Bytes: 27, Table: "shop.orders"},
			{Type: "Delete_rows", Bytes: 27, Table: "shop.items"},
			{Type: "Update_rows", Bytes: 19},
			{Type: "Xid", Bytes: 27},
		},
	}, d)
}

func TestDescribeBoundsWhatItShows(t *testing.T) {
	long := strings.Repeat("x", 10*maxQuery)
	events := []binlog.Event{event(replication.QUERY_EVENT, query("", long))}
	for range 2 * maxShownEvents {
		events = append(events, event(replication.WRITE_ROWS_EVENTv2, "rows"))
	}
	d, err := Describe(transaction(t, events...), 1)
	require.NoError(t, err)
	require.Len(t, d.Events, maxShownEvents+1)
	require.Equal(t, long[:maxQuery]+"…", d.Events[0].Query)
	require.Contains(t, d.Events[maxShownEvents].Type, "not shown")
}

func FuzzDescribe(f *testing.F) {
	f.Add(byte(replication.TABLE_MAP_EVENT), []byte(tableMap(7, "shop", "orders")))
	f.Add(byte(replication.QUERY_EVENT), []byte(query("shop", "DROP TABLE `\x1b[31m\xff`")))
	f.Add(byte(replication.TRANSACTION_PAYLOAD_EVENT), []byte{0x02, 0x01, 0xff, 0x01, 0x01, 0x05, 0x00, 'x'})
	f.Fuzz(func(t *testing.T, typ byte, body []byte) {
		d, err := Describe(transaction(t, event(binlog.EventType(typ), string(body))), 1)
		if err == nil {
			require.NotEmpty(t, d.Events)
		}
		for _, e := range d.Events {
			require.NotContains(t, e.Query, "\x1b")
			require.NotContains(t, e.Query, "\n")
			require.NotContains(t, e.Table, "\n")
		}
	})
}
