package rowimage

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// An Image is one row as the binlog holds it: a bitmap of the columns that are
// NULL, then the values of the others. It points into its event.
type Image []byte

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

// imageEnd is the length of the image, of the present columns, that b begins
// with; diffs says which of the JSON columns hold diffs, nil for none. It calls
// value, if that is given, with the bytes of each column, nil for NULL.
func imageEnd(b []byte, m *replication.TableMapEvent, present, diffs []byte, value func(column int, bytes []byte)) (int, bool) {
	columns := int(m.ColumnCount)
	at := (countBits(present, columns) + 7) / 8
	if len(b) < at {
		return 0, false
	}
	nulls, held, documents := b[:at], 0, 0
	for i := range columns {
		isJSON, isDiff := m.ColumnType[i] == mysql.MYSQL_TYPE_JSON, false
		if isJSON {
			isDiff = documents/8 < len(diffs) && bit(diffs, documents)
			documents++
		}
		if !bit(present, i) {
			continue
		}
		var v []byte
		if !bit(nulls, held) {
			n, ok := valueSize(m.ColumnType[i], m.ColumnMeta[i], b[at:])
			if !ok || n > len(b)-at {
				return 0, false
			}
			v, at = b[at:at+n:at+n], at+n
			if isJSON && !jsonEnds(v[m.ColumnMeta[i]:], isDiff) {
				return 0, false
			}
		}
		held++
		if value != nil {
			value(i, v)
		}
	}
	return at, true
}

func bit(bitmap []byte, i int) bool { return bitmap[i/8]>>(i%8)&1 != 0 }

// Values are the bytes of each column of a full image, nil for NULL.
func (im Image) Values(m *replication.TableMapEvent) [][]byte {
	all := make([][]byte, m.ColumnCount)
	present := bytes.Repeat([]byte{0xff}, (len(all)+7)/8)
	imageEnd(im, m, present, nil, func(i int, v []byte) { all[i] = v })
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
