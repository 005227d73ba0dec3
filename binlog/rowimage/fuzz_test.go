package rowimage_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

// column describes what a fuzzed value is rendered with.
var column = rowimage.Column{Name: "c", DataType: "enum", TypeText: "enum('a')", Charset: "utf8mb4"}

// read has everything done with a Table_map and a Rows event that can be, and
// returns how many rows could be decoded.
func read(t testing.TB, format binlog.Format, table, rows binlog.Event) (n int, err error) {
	s, err := rowimage.NewScanner(format)
	require.NoError(t, err)
	if _, err := s.TableMap(table); err != nil {
		require.ErrorIs(t, err, binlog.ErrMalformed)
		return 0, err
	}
	m, r, err := s.Rows(rows)
	if err != nil {
		require.ErrorIs(t, err, binlog.ErrMalformed)
		return 0, err
	}
	for _, row := range r.Rows {
		for _, im := range []rowimage.Image{row.Before, row.After} {
			if im != nil {
				require.Len(t, im.Values(m.TableMapEvent), r.Columns)
			}
		}
	}
	raw := 0
	for row, err := range s.RawRows(rows) {
		if err != nil {
			require.ErrorIs(t, err, binlog.ErrMalformed)
			break
		}
		raw++
		requireRaw(t, m, r, row)
	}
	requireParts(t, s, rows)
	defer func() {
		if err == nil && rows.Type() != replication.PARTIAL_UPDATE_ROWS_EVENT {
			require.Equal(t, n, raw, "every row is read, decoded or not")
		}
	}()
	for c, err := range s.Changes(rows) {
		if err != nil {
			require.ErrorIs(t, err, binlog.ErrMalformed)
			require.Less(t, len(err.Error()), 1000, "rows have no place in an error")
			return n, err
		}
		n++
		for _, v := range append(c.Before, c.After...) {
			_, _, _ = column.Literal(v), column.Equals(v), column.JSONValue(v)
		}
	}
	return n, nil
}

// requireParts makes sure that the parts of an event are events, and hold its rows.
func requireParts(t testing.TB, s *rowimage.Scanner, rows binlog.Event) {
	parts, err := s.Parts(rows)
	if err != nil {
		require.ErrorIs(t, err, binlog.ErrMalformed)
		return
	}
	if parts == nil {
		return
	}
	require.Greater(t, len(parts), 1)
	var all []string
	for _, part := range parts {
		e, err := binlog.CheckEvent(part)
		require.NoError(t, err)
		lines := rawRows(t, s, e)
		require.NotEmpty(t, lines)
		all = append(all, lines...)
	}
	require.Equal(t, rawRows(t, s, rows), all)
}

// rawRows is a line for each row of an event.
func rawRows(t testing.TB, s *rowimage.Scanner, e binlog.Event) (lines []string) {
	for row, err := range s.RawRows(e) {
		require.NoError(t, err)
		lines = append(lines, fmt.Sprintf("%#v", row))
	}
	return lines
}

// requireRaw makes sure that a raw row has the values of the images.
func requireRaw(t testing.TB, m *rowimage.Table, r rowimage.Event, row rowimage.RawRow) {
	if !r.Full {
		return
	}
	for _, image := range [][]rowimage.RawValue{row.Before, row.After} {
		for i, v := range image {
			require.True(t, v.Present, "column %d of %s", i, m.Name)
		}
	}
	require.Equal(t, r.Kind != rowimage.Inserted, row.Before != nil)
	require.Equal(t, r.Kind != rowimage.Deleted, row.After != nil)
}

// recordedRows are pairs of a Table_map and a Rows event, without their headers.
func recordedRows(t testing.TB) (format binlog.Format, pairs [][2]binlog.Event) {
	format, events := binlogtest.Unwrapped(t)
	tables := map[[6]byte]binlog.Event{}
	for _, e := range events {
		if e.Type() == replication.TABLE_MAP_EVENT {
			tables[[6]byte(e[binlog.HeaderSize:])] = e
		}
		if binlog.IsRows(e) {
			pairs = append(pairs, [2]binlog.Event{tables[[6]byte(e[binlog.HeaderSize:])], e})
		}
	}
	return format, pairs
}

func TestEveryRecordedRowIsRead(t *testing.T) {
	format, pairs := recordedRows(t)
	require.Greater(t, len(pairs), 15)
	for _, p := range pairs {
		n, err := read(t, format, p[0], p[1])
		require.NoError(t, err)
		require.Positive(t, n)
	}
}

func FuzzChanges(f *testing.F) {
	format, pairs := recordedRows(f)
	for _, p := range pairs {
		f.Add([]byte(p[0][binlog.HeaderSize:]), byte(p[1].Type()), []byte(p[1][binlog.HeaderSize:]))
	}
	f.Fuzz(func(t *testing.T, table []byte, typ byte, rows []byte) {
		e := binlog.NewEvent(format, binlog.EventType(typ), 1, 1, 0, 0, rows)
		if binlog.IsRows(e) {
			_, _ = read(t, format, binlog.NewEvent(format, replication.TABLE_MAP_EVENT, 1, 1, 0, 0, table), e)
		}
	})
}

// tableOf is a Table_map of d.t with columns of one type, each with metadata.
func tableOf(format binlog.Format, columns int, typ byte, meta []byte) binlog.Event {
	body := []byte("\x07\x00\x00\x00\x00\x00\x01\x00\x01d\x00\x01t\x00")
	body = append(body, 0xfc, byte(columns), byte(columns>>8))
	body = append(body, bytes.Repeat([]byte{typ}, columns)...)
	body = append(body, 0xfc, byte(columns*len(meta)), byte(columns*len(meta)>>8))
	body = append(body, bytes.Repeat(meta, columns)...)
	return binlog.NewEvent(format, replication.TABLE_MAP_EVENT, 1, 1, 0, 0, append(body, make([]byte, (columns+7)/8)...))
}

func insertInto(format binlog.Format, columns int, present, images []byte) binlog.Event {
	body := []byte("\x07\x00\x00\x00\x00\x00\x01\x00\x02\x00\xfc")
	body = binary.LittleEndian.AppendUint16(body, uint16(columns))
	return binlog.NewEvent(format, replication.WRITE_ROWS_EVENTv2, 1, 1, 0, 0, append(append(body, present...), images...))
}

// A JSON document that holds itself is refused: a decoder would descend until
// its stack ends, which no program survives.
func TestJSONThatHoldsItself(t *testing.T) {
	format, _ := binlogtest.Unwrapped(t)
	const json, smallArray = 245, 2
	table := tableOf(format, 1, json, []byte{4})
	document := func(elements ...byte) []byte {
		head := append([]byte{byte(len(elements) / 3), 0, byte(4 + len(elements)), 0}, elements...)
		return append([]byte{smallArray}, head...)
	}
	row := func(doc []byte) binlog.Event {
		image := binary.LittleEndian.AppendUint32([]byte{0}, uint32(len(doc)))
		return insertInto(format, 1, []byte{1}, append(image, doc...))
	}
	n, err := read(t, format, table, row(document(5, 7, 0, 5, 8, 0))) // two small integers
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = read(t, format, table, row(document(smallArray, 0, 0)))
	require.ErrorIs(t, err, binlog.ErrMalformed)

	// Each of forty arrays holds the next one twice: 2^40 values.
	var doc []byte
	for range 40 {
		doc = append(doc, 2, 0, 10, 0, smallArray, 10, 0, smallArray, 10, 0)
	}
	doc[2], doc[3] = byte(len(doc)), byte(len(doc)>>8)
	_, err = read(t, format, table, row(append([]byte{smallArray}, append(doc, 0, 0, 4, 0)...)))
	require.ErrorIs(t, err, binlog.ErrMalformed)
}

// Rows of one byte each, of a table with thousands of columns, take no more
// memory than a few rows do.
func TestRowsThatLeaveMostColumnsOut(t *testing.T) {
	format, _ := binlogtest.Unwrapped(t)
	const columns, rows, tiny = 4096, 8000, 1
	present := make([]byte, columns/8)
	present[0] = 1
	table, e := tableOf(format, columns, tiny, nil), insertInto(format, columns, present, bytes.Repeat([]byte{1}, rows))
	s, err := rowimage.NewScanner(format)
	require.NoError(t, err)
	_, err = s.TableMap(table)
	require.NoError(t, err)
	var most runtime.MemStats
	n := 0
	for _, err := range s.Changes(e) {
		require.NoError(t, err)
		if n++; n%1000 == 0 {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most.HeapInuse = max(most.HeapInuse, now.HeapInuse)
		}
	}
	require.Equal(t, rows, n)
	require.Less(t, most.HeapInuse, uint64(256<<20))

	_, err = s.TableMap(tableOf(format, 4097, tiny, nil))
	require.ErrorIs(t, err, binlog.ErrMalformed, "no table of MySQL's has so many columns")
}
