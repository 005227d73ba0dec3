package rewind

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A kind is what a Rows_event does to rows.
type kind string

const (
	inserted kind = "insert"
	updated  kind = "update"
	deleted  kind = "delete"
)

func isPayload(e binlog.Event) bool { return e.Type() == replication.TRANSACTION_PAYLOAD_EVENT }

// kindOf is the kind of a Rows_event; ok is false for one with JSON diffs, which
// no after-image can be made of.
func kindOf(t binlog.EventType) (k kind, ok bool) {
	switch t {
	case replication.WRITE_ROWS_EVENTv1, replication.WRITE_ROWS_EVENTv2:
		return inserted, true
	case replication.UPDATE_ROWS_EVENTv1, replication.UPDATE_ROWS_EVENTv2:
		return updated, true
	case replication.DELETE_ROWS_EVENTv1, replication.DELETE_ROWS_EVENTv2:
		return deleted, true
	}
	return updated, false
}

// An image is one row as the binlog holds it: a bitmap of the columns that are
// NULL, then the values of the others. It points into its event.
type image []byte

// A rowChange is one row of a Rows_event. before is nil for an insert, after for
// a delete.
type rowChange struct{ before, after image }

// rowsEvent is a Rows_event in parts, which point into the event.
type rowsEvent struct {
	kind      kind
	timestamp uint32
	server    uint32
	tableID   []byte // 6 bytes
	flags     uint16
	columns   int
	present   []byte // bitmap of the columns in the first image
	full      bool   // every column is in every image
	rows      []rowChange
}

// postHeader is the size of what begins a Rows_event's body: table id and flags.
const postHeader = 8

// parseRows takes a Rows_event without checksum into parts. Rows are only there
// if the images are full and no JSON diffs. The error wraps binlog.ErrMalformed.
//
// Source: Rows_event in MySQL's rows_event.h.
func parseRows(e binlog.Event, m *replication.TableMapEvent) (rowsEvent, error) {
	body := e[binlog.HeaderSize:]
	malformed := func(what string) (rowsEvent, error) {
		return rowsEvent{}, fmt.Errorf("%w: a %s of %s.%s: %s", binlog.ErrMalformed, e.Type(), m.Schema, m.Table, what)
	}
	if len(body) < postHeader {
		return malformed("it is cut off")
	}
	k, whole := kindOf(e.Type())
	r := rowsEvent{kind: k, timestamp: e.Timestamp(), server: e.ServerID(), tableID: body[:6], flags: binary.LittleEndian.Uint16(body[6:])}
	rest := body[postHeader:]
	if e.Type() >= replication.WRITE_ROWS_EVENTv2 {
		if len(rest) < 2 || int(binary.LittleEndian.Uint16(rest)) < 2 || len(rest) < int(binary.LittleEndian.Uint16(rest)) {
			return malformed("its extra row information is cut off")
		}
		rest = rest[binary.LittleEndian.Uint16(rest):]
	}
	if len(rest) == 0 {
		return malformed("it is cut off")
	}
	columns, _, n := mysql.LengthEncodedInt(append(slices.Clone(rest[:min(9, len(rest))]), make([]byte, 9)...))
	if n > len(rest) || columns != m.ColumnCount || columns == 0 {
		return malformed(fmt.Sprintf("%d columns, its Table_map has %d", columns, m.ColumnCount))
	}
	rest = rest[n:]
	r.columns = int(columns)
	bitmaps := 1
	if k == updated {
		bitmaps = 2
	}
	size := (r.columns + 7) / 8
	if len(rest) < bitmaps*size {
		return malformed("its bitmap of columns is cut off")
	}
	r.full, r.present = whole, rest[:size]
	held := 0
	for i := range bitmaps {
		n := countBits(rest[i*size:(i+1)*size], r.columns)
		r.full = r.full && n == r.columns
		held += n
	}
	if rest = rest[bitmaps*size:]; held == 0 && len(rest) > 0 {
		return malformed("its rows have no columns")
	}
	if !r.full {
		return r, nil
	}
	for len(rest) > 0 {
		var c rowChange
		for i := range bitmaps {
			end, ok := imageEnd(rest, m, nil)
			if !ok {
				return malformed("a row is cut off")
			}
			if k == deleted || k == updated && i == 0 {
				c.before = image(rest[:end:end])
			} else {
				c.after = image(rest[:end:end])
			}
			rest = rest[end:]
		}
		r.rows = append(r.rows, c)
	}
	return r, nil
}

func countBits(bitmap []byte, n int) int {
	count := 0
	for i, b := range bitmap {
		if left := n - 8*i; left < 8 {
			b &= 1<<left - 1
		}
		count += bits.OnesCount8(b)
	}
	return count
}

// imageEnd is the length of the full image that b begins with. It calls value,
// if that is given, with the bytes of each column, nil for NULL.
func imageEnd(b []byte, m *replication.TableMapEvent, value func(column int, bytes []byte)) (int, bool) {
	columns := int(m.ColumnCount)
	at := (columns + 7) / 8
	if len(b) < at {
		return 0, false
	}
	nulls := b[:at]
	for i := range columns {
		var v []byte
		if nulls[i/8]>>(i%8)&1 == 0 {
			n, ok := valueSize(m.ColumnType[i], m.ColumnMeta[i], b[at:])
			if !ok || n > len(b)-at {
				return 0, false
			}
			v, at = b[at:at+n:at+n], at+n
		}
		if value != nil {
			value(i, v)
		}
	}
	return at, true
}

// values are the bytes of each column of an image, nil for NULL.
func (im image) values(m *replication.TableMapEvent) [][]byte {
	all := make([][]byte, m.ColumnCount)
	imageEnd(im, m, func(i int, v []byte) { all[i] = v })
	return all
}

// valueSize is the number of bytes of the value that b begins with; ok is false
// if b is too short to tell, or the type is none of a table's.
//
// Source: Table_map_event in MySQL's rows_event.h, and calc_field_size in
// binary_log_funcs.cpp.
func valueSize(typ byte, meta uint16, b []byte) (n int, ok bool) {
	if typ == mysql.MYSQL_TYPE_STRING {
		typ, meta = stringType(meta)
	}
	switch typ {
	case mysql.MYSQL_TYPE_NULL:
		return 0, true
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_YEAR:
		return 1, true
	case mysql.MYSQL_TYPE_SHORT:
		return 2, true
	case mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE, mysql.MYSQL_TYPE_TIME:
		return 3, true
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_TIMESTAMP:
		return 4, true
	case mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_DOUBLE, mysql.MYSQL_TYPE_DATETIME:
		return 8, true
	case mysql.MYSQL_TYPE_TIME2:
		return 3 + int(meta+1)/2, true
	case mysql.MYSQL_TYPE_TIMESTAMP2:
		return 4 + int(meta+1)/2, true
	case mysql.MYSQL_TYPE_DATETIME2:
		return 5 + int(meta+1)/2, true
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		return decimalSize(int(meta>>8), int(meta&0xff))
	case mysql.MYSQL_TYPE_BIT:
		return (int(meta>>8)*8 + int(meta&0xff) + 7) / 8, true
	case mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET:
		return int(meta & 0xff), true
	case mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_STRING:
		if meta > 255 {
			return prefixed(b, 2)
		}
		return prefixed(b, 1)
	case mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_JSON, mysql.MYSQL_TYPE_GEOMETRY, mysql.MYSQL_TYPE_VECTOR:
		return prefixed(b, int(meta))
	}
	return 0, false
}

// stringType takes the type and length apart that the metadata of a CHAR, ENUM
// or SET holds: lengths above 255 borrow two bits of the type, inverted.
func stringType(meta uint16) (typ byte, length uint16) {
	real, low := byte(meta>>8), meta&0xff
	switch {
	case real == 0:
		return mysql.MYSQL_TYPE_STRING, low
	case real&0x30 != 0x30:
		return real | 0x30, low | uint16(real&0x30^0x30)<<4
	}
	return real, low
}

// prefixed is the size of a value behind a length of width bytes.
func prefixed(b []byte, width int) (int, bool) {
	if width < 1 || width > 4 || len(b) < width {
		return 0, false
	}
	var wide [8]byte
	copy(wide[:], b[:width])
	return width + int(binary.LittleEndian.Uint64(wide[:])), true
}

// decimalSize is the size of a DECIMAL: nine digits take four bytes, and what
// is left over of them as many as it needs.
func decimalSize(precision, scale int) (int, bool) {
	if scale > precision {
		return 0, false
	}
	leftOver := [10]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}
	whole := precision - scale
	return whole/9*4 + leftOver[whole%9] + scale/9*4 + leftOver[scale%9], true
}
