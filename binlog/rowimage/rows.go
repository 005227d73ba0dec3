package rowimage

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A Kind is what a Rows_event does to rows.
type Kind string

// The kinds of Rows_events.
const (
	Inserted Kind = "insert"
	Updated  Kind = "update"
	Deleted  Kind = "delete"
)

// KindOf is the kind of a Rows_event; ok is false for one with JSON diffs, which
// no after-image can be made of.
func KindOf(t binlog.EventType) (k Kind, ok bool) {
	switch t {
	case replication.WRITE_ROWS_EVENTv1, replication.WRITE_ROWS_EVENTv2:
		return Inserted, true
	case replication.UPDATE_ROWS_EVENTv1, replication.UPDATE_ROWS_EVENTv2:
		return Updated, true
	case replication.DELETE_ROWS_EVENTv1, replication.DELETE_ROWS_EVENTv2:
		return Deleted, true
	}
	return Updated, false
}

// A Row is one row of a Rows_event. Before is nil for an insert, After for a
// delete.
type Row struct{ Before, After Image }

// An Event is a Rows_event in parts, which point into the event.
type Event struct {
	Kind      Kind
	Timestamp uint32
	Server    uint32
	TableID   []byte // 6 bytes
	Flags     uint16
	Columns   int
	Present   []byte // bitmap of the columns in the first image
	Full      bool   // every column is in every image
	Rows      []Row  // of an event that is Full; none else

	second []byte // bitmap of the columns in the second image; nil where there is none
	images []byte // all of them
}

// PostHeader is the size of what begins the body of a Rows_event and of a
// Table_map_event: table id and flags.
const PostHeader = 8

// parse takes a Rows_event without checksum into parts. The error wraps
// binlog.ErrMalformed.
//
// Source: Rows_event in MySQL's rows_event.h.
func parse(e binlog.Event, m *replication.TableMapEvent) (Event, error) {
	r, err := parseHeader(e, m)
	if err != nil || !r.Full {
		return r, err
	}
	for rest := r.images; len(rest) > 0; {
		var c Row
		for i, present := range r.bitmaps() {
			end, ok := imageEnd(rest, m, present, nil, nil)
			if !ok {
				return Event{}, malformed(e, m, "a row is cut off")
			}
			if r.Kind == Deleted || r.Kind == Updated && i == 0 {
				c.Before = Image(rest[:end:end])
			} else {
				c.After = Image(rest[:end:end])
			}
			rest = rest[end:]
		}
		r.Rows = append(r.Rows, c)
	}
	return r, nil
}

// bitmaps are those of the columns in each image of a row.
func (r *Event) bitmaps() [][]byte {
	if r.second == nil {
		return [][]byte{r.Present}
	}
	return [][]byte{r.Present, r.second}
}

func malformed(e binlog.Event, m *replication.TableMapEvent, what string) error {
	return fmt.Errorf("%w: a %s of %s.%s: %s", binlog.ErrMalformed, e.Type(), m.Schema, m.Table, what)
}

// parseHeader reads what comes before the images.
func parseHeader(e binlog.Event, m *replication.TableMapEvent) (Event, error) {
	body := e[binlog.HeaderSize:]
	if len(body) < PostHeader {
		return Event{}, malformed(e, m, "it is cut off")
	}
	k, whole := KindOf(e.Type())
	r := Event{Kind: k, Timestamp: e.Timestamp(), Server: e.ServerID(), TableID: body[:6], Flags: binary.LittleEndian.Uint16(body[6:])}
	rest := body[PostHeader:]
	if e.Type() >= replication.WRITE_ROWS_EVENTv2 {
		if len(rest) < 2 || int(binary.LittleEndian.Uint16(rest)) < 2 || len(rest) < int(binary.LittleEndian.Uint16(rest)) {
			return Event{}, malformed(e, m, "its extra row information is cut off")
		}
		rest = rest[binary.LittleEndian.Uint16(rest):]
	}
	if len(rest) == 0 {
		return Event{}, malformed(e, m, "it is cut off")
	}
	columns, _, n := mysql.LengthEncodedInt(append(slices.Clone(rest[:min(9, len(rest))]), make([]byte, 9)...))
	if n > len(rest) || columns != m.ColumnCount || columns == 0 {
		return Event{}, malformed(e, m, fmt.Sprintf("%d columns, its Table_map has %d", columns, m.ColumnCount))
	}
	rest = rest[n:]
	r.Columns = int(columns)
	bitmaps := 1
	if k == Updated {
		bitmaps = 2
	}
	size := (r.Columns + 7) / 8
	if len(rest) < bitmaps*size {
		return Event{}, malformed(e, m, "its bitmap of columns is cut off")
	}
	r.Present = rest[:size]
	if k == Updated {
		r.second = rest[size : 2*size]
	}
	r.Full = whole
	held := 0
	for _, present := range r.bitmaps() {
		n := countBits(present, r.Columns)
		r.Full = r.Full && n == r.Columns
		held += n
	}
	// Such rows would never end.
	if r.images = rest[bitmaps*size:]; held == 0 && len(r.images) > 0 {
		return Event{}, malformed(e, m, "its rows have no columns")
	}
	return r, nil
}

// rowEnd is the length of the row, with all its images, that b begins with;
// partial says that its second image may hold JSON diffs. It calls value, if that
// is given, with the bytes of each column of each image, nil for NULL.
func (r *Event) rowEnd(b []byte, m *replication.TableMapEvent, partial bool, value func(image, column int, bytes []byte)) (int, bool) {
	at := 0
	for i, present := range r.bitmaps() {
		var diffs []byte
		if partial && i == 1 {
			n, ok := 0, false
			if diffs, n, ok = diffBitmap(b[at:], m); !ok {
				return 0, false
			}
			at += n
		}
		var each func(int, []byte)
		if value != nil {
			each = func(column int, v []byte) { value(i, column, v) }
		}
		n, ok := imageEnd(b[at:], m, present, diffs, each)
		if !ok {
			return 0, false
		}
		at += n
	}
	return at, at > 0
}

// diffBitmap reads what comes before an image with JSON diffs: value options, and
// a bitmap that says which of the JSON columns are diffs.
//
// Source: binlog_row_value_options in MySQL's log_event.cc.
func diffBitmap(b []byte, m *replication.TableMapEvent) (bitmap []byte, n int, ok bool) {
	const partialJSON = 1 // there are no other options, so that one byte holds them
	if len(b) == 0 || b[0] > partialJSON {
		return nil, 0, false
	}
	if b[0] == partialJSON {
		n = (int(m.JsonColumnCount()) + 7) / 8
	}
	if len(b) < 1+n {
		return nil, 0, false
	}
	return b[1 : 1+n], 1 + n, true
}
