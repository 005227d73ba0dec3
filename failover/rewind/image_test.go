package rewind

import (
	"bytes"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

func TestSizesOfValuesAreThoseOfMySQL(t *testing.T) {
	for _, c := range []struct {
		typ  byte
		meta uint16
		b    []byte
		want int
	}{
		{mysql.MYSQL_TYPE_NEWDECIMAL, 65<<8 | 30, nil, 15 + 1 + 14 - 1 + 1},
		{mysql.MYSQL_TYPE_NEWDECIMAL, 10 << 8, nil, 5},
		{mysql.MYSQL_TYPE_NEWDECIMAL, 9<<8 | 9, nil, 4},
		{mysql.MYSQL_TYPE_BIT, 2<<8 | 1, nil, 3},
		{mysql.MYSQL_TYPE_BIT, 8 << 8, nil, 8},
		{mysql.MYSQL_TYPE_DATETIME2, 3, nil, 7},
		{mysql.MYSQL_TYPE_TIMESTAMP2, 6, nil, 7},
		{mysql.MYSQL_TYPE_TIME2, 0, nil, 3},
		{mysql.MYSQL_TYPE_STRING, 0xf701, nil, 1},                  // ENUM
		{mysql.MYSQL_TYPE_STRING, 0xf808, nil, 8},                  // SET
		{mysql.MYSQL_TYPE_STRING, 0xfe14, []byte{3}, 4},            // CHAR(20) of one byte a character
		{mysql.MYSQL_TYPE_STRING, 0xcefc, []byte{3, 1}, 2 + 0x103}, // CHAR(255) of four
		{mysql.MYSQL_TYPE_VARCHAR, 255, []byte{200}, 201},
		{mysql.MYSQL_TYPE_VARCHAR, 256, []byte{200, 1}, 2 + 456},
		{mysql.MYSQL_TYPE_BLOB, 3, []byte{1, 0, 1}, 3 + 0x10001},
		{mysql.MYSQL_TYPE_BLOB, 3, []byte{1, 0}, -1},
		{mysql.MYSQL_TYPE_BLOB, 5, []byte{1, 0, 0, 0, 0}, -1},
		{20, 0, nil, -1},
	} {
		n, ok := valueSize(c.typ, c.meta, c.b)
		if !ok {
			n = -1
		}
		require.Equal(t, c.want, n, "type %d, metadata %04x", c.typ, c.meta)
	}
}

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
		scan, err := newScanner(tx.Format)
		require.NoError(t, err)
		for e, err := range plain(tx) {
			require.NoError(t, err)
			if e.Type() == replication.TABLE_MAP_EVENT {
				require.NoError(t, scan.tableMap(e))
			}
			if !binlog.IsRows(e) {
				continue
			}
			found++
			m, r, err := scan.rows(e)
			require.NoError(t, err)
			require.True(t, r.full)
			_, back, err := scan.rows(r.inverse(scan.format, r.reversed()))
			require.NoError(t, err)
			again := back.inverse(scan.format, back.reversed())
			_, same, err := scan.rows(again)
			require.NoError(t, err)
			require.Equal(t, r.rows, same.rows)
			require.Equal(t, r.kind, same.kind)
			require.Equal(t, e[binlog.HeaderSize+postHeader:], again[binlog.HeaderSize+postHeader:])

			schema, name, err := binlog.TableName(renamed(scan.format, m.raw, "other", "a_longer_name"))
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

func TestMembersOfAnEnumAreTakenFromItsType(t *testing.T) {
	require.Equal(t, []string{"a", "b'c", "d,e", ""}, column{typeText: "enum('a','b''c','d,e','')"}.members())
	require.Nil(t, column{typeText: "int"}.members())
}

// FuzzRows parses any bytes as a Table_map_event and a Rows_event, and whatever
// can be parsed can be undone.
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
		scan, err := newScanner(format)
		require.NoError(t, err)
		m := binlog.NewEvent(scan.format, replication.TABLE_MAP_EVENT, 1, 1, 0, 0, table)
		e := binlog.NewEvent(scan.format, binlog.EventType(typ), 1, 1, 0, 0, rows)
		if scan.tableMap(m) != nil || !binlog.IsRows(e) {
			return
		}
		parsed, r, err := scan.rows(e)
		_, _ = scan.values(e)
		if err != nil || !r.full || len(r.rows) == 0 {
			return
		}
		r.changes(parsed, &table2, []string{"b", "nowhere"})
		_, back, err := scan.rows(r.inverse(scan.format, r.reversed()))
		require.NoError(t, err)
		_, again, err := scan.rows(back.inverse(scan.format, back.reversed()))
		require.NoError(t, err)
		require.Equal(t, r.rows, again.rows)
	})
}

var table2 = table{columns: []column{{name: "a"}, {name: "b"}}}

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
