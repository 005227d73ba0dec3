package rowimage

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// blobs are the types of columns that a row only points to, as a Table_map_event
// has them.
var blobs = []byte{mysql.MYSQL_TYPE_TINY_BLOB, mysql.MYSQL_TYPE_MEDIUM_BLOB, mysql.MYSQL_TYPE_LONG_BLOB, mysql.MYSQL_TYPE_BLOB,
	mysql.MYSQL_TYPE_JSON, mysql.MYSQL_TYPE_GEOMETRY, mysql.MYSQL_TYPE_VECTOR}

// HoldsBlobs tells whether a Table_map_event, without checksum, is of a table with
// such columns.
func HoldsBlobs(tableMap binlog.Event) bool {
	rest := []byte(tableMap[binlog.HeaderSize:])
	skip := func(n int) {
		rest = rest[min(n, len(rest)):]
	}
	skip(6 + 2) // table id, flags
	for range 2 {
		if len(rest) > 0 {
			skip(1 + int(rest[0]) + 1) // length, name, NUL
		}
	}
	if len(rest) == 0 {
		return false
	}
	columns, _, n := mysql.LengthEncodedInt(append(bytes.Clone(rest[:min(9, len(rest))]), make([]byte, 9)...))
	skip(n)
	return slices.ContainsFunc(rest[:min(columns, uint64(len(rest)))], func(typ byte) bool { return slices.Contains(blobs, typ) })
}

// Parts divides an Update_rows_event without checksum so that no part changes a
// row that it has changed before, which a statement can do (REPLACE, ON DUPLICATE
// KEY UPDATE); nil where one part is enough. A server that finds a table's rows
// without a primary key looks for all rows of an event at once, and then takes the
// second change of a row for its last (MySQL 9.7.4). The parts have the event's
// flags. Where JSON diffs were logged, rows that are alike but for JSON count as
// the same.
func (s *Scanner) Parts(e binlog.Event) ([]binlog.Event, error) {
	t, err := s.TableOf(e)
	if err != nil {
		return nil, err
	}
	r, err := parseHeader(e, t.TableMapEvent)
	if err != nil || r.Kind != Updated {
		return nil, err
	}
	head := e[:len(e)-len(r.images)]
	var parts []binlog.Event
	part := func(images []byte) {
		p := append(append(make(binlog.Event, 0, len(head)+len(images)), head...), images...)
		binary.LittleEndian.PutUint32(p[eventSize:], uint32(len(p)))
		parts = append(parts, p)
	}
	seed, partial := maphash.MakeSeed(), e.Type() == replication.PARTIAL_UPDATE_ROWS_EVENT
	hash := func(values [][]byte) uint64 { return r.hash(seed, values, t.TableMapEvent, partial) }
	became, before, after := map[uint64]struct{}{}, make([][]byte, r.Columns), make([][]byte, r.Columns)
	images := [2][][]byte{before, after}
	from := 0
	for at := 0; at < len(r.images); {
		begins := at
		n, ok := r.rowEnd(r.images[at:], t.TableMapEvent, partial, func(image, column int, v []byte) { images[image][column] = v })
		if !ok {
			return nil, malformed(e, t.TableMapEvent, "a row is cut off")
		}
		at += n
		if _, twice := became[hash(before)]; twice {
			part(r.images[from:begins])
			from = begins
			clear(became)
		}
		for i := range before {
			if !bit(r.second, i) {
				after[i] = before[i] // it is left as it was
			}
		}
		became[hash(after)] = struct{}{}
	}
	if from == 0 {
		return nil, nil
	}
	part(r.images[from:])
	return parts, nil
}

// eventSize is where an event's header has its size.
const eventSize = 9

// hash is that of the values of the columns in the images before, without JSON or
// with it.
func (r *Event) hash(seed maphash.Seed, values [][]byte, m *replication.TableMapEvent, withoutJSON bool) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for i, v := range values {
		if bit(r.Present, i) && !(withoutJSON && m.ColumnType[i] == mysql.MYSQL_TYPE_JSON) {
			if v == nil {
				_ = h.WriteByte(0) // NULL
				continue
			}
			_ = h.WriteByte(1)
			_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(v))))
			_, _ = h.Write(v)
		}
	}
	return h.Sum64()
}
