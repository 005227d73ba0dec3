package rewind

import (
	"encoding/binary"
	"slices"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A rowsEvent is a Rows_event that can be undone.
type rowsEvent struct{ rowimage.Event }

// rowsOf takes a Rows_event without checksum apart.
func rowsOf(s *rowimage.Scanner, e binlog.Event) (*rowimage.Table, rowsEvent, error) {
	m, r, err := s.Rows(e)
	return m, rowsEvent{r}, err
}

// inverse is the event that undoes some rows of r, given in the order in which
// they are to be undone. Its flags end the statement, and leave foreign keys
// alone: what the keys caused was logged, and is undone by itself.
func (r *rowsEvent) inverse(f binlog.Format, rows []rowimage.Row) binlog.Event {
	switch r.Kind {
	case rowimage.Inserted:
		return r.event(f, replication.DELETE_ROWS_EVENTv2, 1, images(rows, after))
	case rowimage.Deleted:
		return r.event(f, replication.WRITE_ROWS_EVENTv2, 1, images(rows, before))
	}
	return r.event(f, replication.UPDATE_ROWS_EVENTv2, 2, images(rows, after, before))
}

// left is the event that writes what the errant transaction left of some rows,
// to compare it with what is there.
func (r *rowsEvent) left(f binlog.Format, rows []rowimage.Row) binlog.Event {
	return r.event(f, replication.WRITE_ROWS_EVENTv2, 1, images(rows, after))
}

func before(c rowimage.Row) rowimage.Image { return c.Before }
func after(c rowimage.Row) rowimage.Image  { return c.After }

func images(rows []rowimage.Row, of ...func(rowimage.Row) rowimage.Image) []byte {
	var all []byte
	for _, c := range rows {
		for _, f := range of {
			all = append(all, f(c)...)
		}
	}
	return all
}

func (r *rowsEvent) event(f binlog.Format, t binlog.EventType, bitmaps int, images []byte) binlog.Event {
	body := slices.Clone(r.TableID)
	body = binary.LittleEndian.AppendUint16(body, r.Flags|binlog.RowsStatementEnd|binlog.RowsNoForeignKeyChecks)
	body = append(body, 2, 0) // no extra row information but its length
	body = appendLengthEncoded(body, r.Columns)
	for range bitmaps {
		body = append(body, r.Present...)
	}
	return binlog.NewEvent(f, t, r.Timestamp, r.Server, 0, 0, append(body, images...))
}

func appendLengthEncoded(b []byte, n int) []byte {
	if n < 251 {
		return append(b, byte(n))
	}
	// A table has at most 4096 columns.
	return append(b, 0xfc, byte(n), byte(n>>8))
}

// renamed is a Table_map_event without checksum, of another table.
func renamed(f binlog.Format, m binlog.Event, schema, table string) binlog.Event {
	body := m[binlog.HeaderSize:]
	rest := body[rowimage.PostHeader:]
	for range 2 { // a length, the name and a NUL
		rest = rest[int(rest[0])+2:]
	}
	renamed := slices.Clone(body[:rowimage.PostHeader])
	for _, name := range []string{schema, table} {
		renamed = append(append(append(renamed, byte(len(name))), name...), 0)
	}
	return binlog.NewEvent(f, replication.TABLE_MAP_EVENT, m.Timestamp(), m.ServerID(), 0, m.Flags(), append(renamed, rest...))
}

// reversed are the rows of r in the order in which they are undone.
func (r *rowsEvent) reversed() []rowimage.Row {
	rows := slices.Clone(r.Rows)
	slices.Reverse(rows)
	return rows
}
