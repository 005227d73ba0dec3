package rewind

import (
	"bytes"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

// An event that is undone twice is what it was, to the byte.
func TestTheInverseOfTheInverseIsTheEvent(t *testing.T) {
	s := mysqltest.Start(t)
	wide := "CREATE TABLE d.wide (c0 INT PRIMARY KEY"
	for i := 1; i < 300; i++ {
		wide += ", c" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + " TINYINT DEFAULT 1"
	}
	s.MustExec(t, "CREATE DATABASE d", wide+")", "INSERT INTO d.wide (c0) VALUES (1),(2),(3)", "UPDATE d.wide SET cba=7", "DELETE FROM d.wide WHERE c0 > 1")
	found := 0
	for _, tx := range binlogtest.Read(t, s) {
		scan, err := rowimage.NewScanner(tx.Format)
		require.NoError(t, err)
		for e, err := range plain(tx) {
			require.NoError(t, err)
			if e.Type() == replication.TABLE_MAP_EVENT {
				_, err := scan.TableMap(e)
				require.NoError(t, err)
			}
			if !binlog.IsRows(e) {
				continue
			}
			found++
			m, r, err := rowsOf(scan, e)
			require.NoError(t, err)
			require.True(t, r.Full)
			_, back, err := rowsOf(scan, r.inverse(scan.Format(), r.reversed()))
			require.NoError(t, err)
			again := back.inverse(scan.Format(), back.reversed())
			_, same, err := rowsOf(scan, again)
			require.NoError(t, err)
			require.Equal(t, r.Rows, same.Rows)
			require.Equal(t, r.Kind, same.Kind)
			require.Equal(t, e[binlog.HeaderSize+rowimage.PostHeader:], again[binlog.HeaderSize+rowimage.PostHeader:])

			schema, name, err := binlog.TableName(renamed(scan.Format(), m.Raw, "other", "a_longer_name"))
			require.NoError(t, err)
			require.Equal(t, "other.a_longer_name", schema+"."+name)
		}
	}
	require.Equal(t, 3, found)
}

func TestStatementsAreKnownByTheirFirstWords(t *testing.T) {
	for statement, want := range map[string][2]string{
		"BEGIN": {"BEGIN", ""},
		"/* x */ /* y */\n drop  temporary table `a`": {"DROP", "TEMPORARY"},
		"/*!40000 ALTER TABLE t */":                   {"/*!40000", "ALTER"},
		"/* unfinished":                               {"/*", "UNFINISHED"},
		"":                                            {"", ""},
	} {
		first, second := firstWords([]byte(statement))
		require.Equal(t, want, [2]string{first, second}, statement)
	}
}

// Whatever can be parsed as a Table_map_event and a Rows_event can be undone.
func FuzzRows(f *testing.F) {
	// Table d.t of INT, VARCHAR(20), BLOB, with a row of each kind.
	table := []byte("\x07\x00\x00\x00\x00\x00\x01\x00\x01d\x00\x01t\x00\x03\x03\x0f\xfc\x03\x14\x00\x02\x06")
	row := "\x00\x01\x00\x00\x00\x01a\x02\x00bb"
	head := "\x07\x00\x00\x00\x00\x00\x01\x00\x02\x00\x03\xff"
	f.Add(table, byte(replication.WRITE_ROWS_EVENTv2), []byte(head+row+row))
	f.Add(table, byte(replication.DELETE_ROWS_EVENTv2), []byte(head+row))
	f.Add(table, byte(replication.UPDATE_ROWS_EVENTv2), []byte(head+"\xff"+row+row))
	f.Add(table, byte(replication.UPDATE_ROWS_EVENTv1), []byte("\x07\x00\x00\x00\x00\x00\x01\x00\x03\xff\xff"+row+row))
	f.Add(table, byte(replication.PARTIAL_UPDATE_ROWS_EVENT), []byte(head+"\xff"+row+row))
	format := testFormat(f)
	f.Fuzz(func(t *testing.T, table []byte, typ byte, rows []byte) {
		scan, err := rowimage.NewScanner(format)
		require.NoError(t, err)
		m := binlog.NewEvent(scan.Format(), replication.TABLE_MAP_EVENT, 1, 1, 0, 0, table)
		e := binlog.NewEvent(scan.Format(), binlog.EventType(typ), 1, 1, 0, 0, rows)
		if _, err := scan.TableMap(m); err != nil || !binlog.IsRows(e) {
			return
		}
		parsed, r, err := rowsOf(scan, e)
		if err != nil || !r.Full || len(r.Rows) == 0 {
			return
		}
		r.changes(parsed, &table2, []string{"b", "nowhere"})
		_, back, err := rowsOf(scan, r.inverse(scan.Format(), r.reversed()))
		require.NoError(t, err)
		_, again, err := rowsOf(scan, back.inverse(scan.Format(), back.reversed()))
		require.NoError(t, err)
		require.Equal(t, r.Rows, again.Rows)
	})
}

var table2 = table{columns: []column{{Column: rowimage.Column{Name: "a"}}, {Column: rowimage.Column{Name: "b"}}}}

// testFormat is the format of a server that writes no checksums.
func testFormat(tb testing.TB) binlog.Format {
	body := append([]byte{4, 0}, bytes.Repeat([]byte{0}, 50)...)
	copy(body[2:], "9.7.4")
	body = append(body, 0, 0, 0, 0, binlog.HeaderSize)
	lengths := bytes.Repeat([]byte{0}, 42)
	for t, n := range map[binlog.EventType]byte{replication.TABLE_MAP_EVENT: 8, replication.WRITE_ROWS_EVENTv1: 8, replication.UPDATE_ROWS_EVENTv1: 8,
		replication.DELETE_ROWS_EVENTv1: 8, replication.WRITE_ROWS_EVENTv2: 10, replication.UPDATE_ROWS_EVENTv2: 10, replication.DELETE_ROWS_EVENTv2: 10,
		replication.PARTIAL_UPDATE_ROWS_EVENT: 10} {
		lengths[t-1] = n
	}
	body = append(append(body, lengths...), 1)
	f, err := binlog.ParseFormat(binlog.NewEvent(binlog.Format{Checksum: true}, replication.FORMAT_DESCRIPTION_EVENT, 1, 1, 0, 0, body))
	require.NoError(tb, err)
	return f
}
