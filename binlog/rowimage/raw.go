package rowimage

import (
	"iter"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A RawValue is what an image holds of a column. The zero value is one that the
// image leaves out.
type RawValue struct {
	Present bool
	// Bytes are those of the binlog, for CHAR, VARCHAR, BINARY and VARBINARY without
	// the length before them; nil for NULL. They point into the event.
	Bytes []byte
}

// A RawRow is a row of a Rows_event. Before is nil for an insert, After for a
// delete.
type RawRow struct{ Before, After []RawValue }

// RawRows yields the rows of a Rows_event without checksum, whichever columns it
// leaves out, without decoding a value. A row is valid until the next is asked
// for. An event with JSON diffs is refused.
func (s *Scanner) RawRows(e binlog.Event) iter.Seq2[RawRow, error] {
	return func(yield func(RawRow, error) bool) {
		t, err := s.TableOf(e)
		if err != nil {
			yield(RawRow{}, err)
			return
		}
		r, err := parseHeader(e, t.TableMapEvent)
		if err == nil && e.Type() == replication.PARTIAL_UPDATE_ROWS_EVENT {
			err = malformed(e, t.TableMapEvent, "it holds diffs")
		}
		if err != nil {
			yield(RawRow{}, err)
			return
		}
		images := [2][]RawValue{make([]RawValue, r.Columns), make([]RawValue, r.Columns)}
		for rest := r.images; len(rest) > 0; {
			clear(images[0])
			clear(images[1])
			n, ok := r.rowEnd(rest, t.TableMapEvent, false, func(image, column int, v []byte) {
				images[image][column] = RawValue{true, withoutLength(t.ColumnType[column], t.ColumnMeta[column], v)}
			})
			if !ok {
				yield(RawRow{}, malformed(e, t.TableMapEvent, "a row is cut off"))
				return
			}
			rest = rest[n:]
			row := RawRow{Before: images[0], After: images[1]}
			switch r.Kind {
			case Inserted:
				row = RawRow{After: images[0]}
			case Deleted:
				row = RawRow{Before: images[0]}
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// withoutLength takes the length off from text and bytes that aren't BLOBs.
func withoutLength(typ byte, meta uint16, v []byte) []byte {
	if typ == mysql.MYSQL_TYPE_STRING {
		typ, meta = stringType(meta)
	}
	switch typ {
	case mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_STRING:
		if v == nil {
			return nil
		}
		if meta > 255 {
			return v[2:]
		}
		return v[1:]
	}
	return v
}

// StringLength takes the type of a column of MYSQL_TYPE_STRING apart into that of
// CHAR, ENUM or SET, and its length in bytes.
func StringLength(meta uint16) (typ byte, length uint16) { return stringType(meta) }
