package rowimage

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/replication"
)

// maxColumns is how many columns a table of MySQL has at most.
const maxColumns = 4096

// A Table is a Table_map_event, raw and decoded.
type Table struct {
	*replication.TableMapEvent
	Raw  binlog.Event // without checksum
	Name TableName
}

// A Scanner keeps the table maps of one transaction's events.
type Scanner struct {
	parser *replication.BinlogParser
	format binlog.Format
	tables map[uint64]*Table
}

// NewScanner reads events that were written in f, without their checksums.
func NewScanner(f binlog.Format) (*Scanner, error) {
	s := &Scanner{parser: replication.NewBinlogParser(), format: f.WithoutChecksum(), tables: map[uint64]*Table{}}
	s.parser.SetIgnoreJSONDecodeError(false)
	s.parser.SetTimestampStringLocation(time.UTC)
	s.parser.SetRowsEventDecodeFunc(func(e *replication.RowsEvent, data []byte) error {
		_, err := e.DecodeHeader(data) // see Changes
		return err
	})
	if _, err := s.decode(s.format.Event); err != nil {
		return nil, err
	}
	return s, nil
}

// Format is that of the events, without checksums.
func (s *Scanner) Format() binlog.Format { return s.format }

// decode has go-mysql decode an event. It may panic on a malformed one, and its
// errors may hold all rows of it.
func (s *Scanner) decode(e binlog.Event) (ev replication.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			ev, err = nil, undecodable(e)
		}
	}()
	// The decoded event points into the bytes.
	decoded, err := s.parser.Parse(append([]byte(nil), e...))
	if err != nil {
		return nil, undecodable(e)
	}
	return decoded.Event, nil
}

func undecodable(e binlog.Event) error {
	return fmt.Errorf("%w: a %s of %d bytes can't be decoded", binlog.ErrMalformed, e.Type(), len(e))
}

// TableMap remembers a Table_map_event without checksum. The error wraps
// binlog.ErrMalformed, as do those of the other methods.
func (s *Scanner) TableMap(e binlog.Event) (*Table, error) {
	schema, name, err := binlog.TableName(e)
	if err != nil {
		return nil, err
	}
	decoded, err := s.decode(e)
	if err != nil {
		return nil, err
	}
	m, ok := decoded.(*replication.TableMapEvent)
	if !ok || m.ColumnCount > maxColumns || len(m.ColumnType) != int(m.ColumnCount) || len(m.ColumnMeta) != int(m.ColumnCount) {
		return nil, fmt.Errorf("%w: the Table_map_event of %s.%s", binlog.ErrMalformed, schema, name)
	}
	t := &Table{TableMapEvent: m, Raw: append(binlog.Event(nil), e...), Name: TableName{schema, name}}
	s.tables[m.TableID] = t
	return t, nil
}

// TableOf is the table of a Rows_event.
func (s *Scanner) TableOf(e binlog.Event) (*Table, error) {
	if len(e) < binlog.HeaderSize+PostHeader {
		return nil, fmt.Errorf("%w: a %s of %d bytes", binlog.ErrMalformed, e.Type(), len(e))
	}
	var id [8]byte
	copy(id[:6], e[binlog.HeaderSize:])
	t := s.tables[binary.LittleEndian.Uint64(id[:])]
	if t == nil {
		return nil, fmt.Errorf("%w: a %s without a Table_map", binlog.ErrMalformed, e.Type())
	}
	return t, nil
}

// Rows takes a Rows_event without checksum apart.
func (s *Scanner) Rows(e binlog.Event) (*Table, Event, error) {
	t, err := s.TableOf(e)
	if err != nil {
		return nil, Event{}, err
	}
	r, err := parse(e, t.TableMapEvent)
	return t, r, err
}

// A Change is a row of a Rows_event with its values decoded, of go-mysql's types;
// [Absent] for what an image leaves out. Before is nil for an insert, After for a
// delete. Of a JSON value of which only a diff was logged, the diff is there.
type Change struct{ Before, After []any }

// Absent stands for a value that an image leaves out.
type Absent struct{}

// Changes decodes the rows of a Rows_event without checksum, one at a time:
// together, a few bytes that leave out most of their columns could take any
// amount of memory.
func (s *Scanner) Changes(e binlog.Event) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		t, err := s.TableOf(e)
		var r Event
		if err == nil {
			r, err = parseHeader(e, t.TableMapEvent)
		}
		var decoder *replication.RowsEvent
		if err == nil {
			decoder, err = s.decoder(e)
		}
		if err != nil {
			yield(Change{}, err)
			return
		}
		partial := e.Type() == replication.PARTIAL_UPDATE_ROWS_EVENT
		for rest := r.images; len(rest) > 0; {
			n, ok := r.rowEnd(rest, t.TableMapEvent, partial, nil)
			if !ok {
				yield(Change{}, malformed(e, t.TableMapEvent, "a row is cut off"))
				return
			}
			c, err := r.change(decoder, e, rest[:n])
			if !yield(c, err) || err != nil {
				return
			}
			rest = rest[n:]
		}
	}
}

// decoder is go-mysql's idea of a Rows_event, with nothing but its header read.
func (s *Scanner) decoder(e binlog.Event) (*replication.RowsEvent, error) {
	ev, err := s.decode(e)
	if err != nil {
		return nil, err
	}
	decoder, ok := ev.(*replication.RowsEvent)
	if !ok {
		return nil, undecodable(e)
	}
	return decoder, nil
}

// change decodes the images of one row.
func (r *Event) change(decoder *replication.RowsEvent, e binlog.Event, row []byte) (c Change, err error) {
	defer func() {
		if recover() != nil {
			c, err = Change{}, undecodable(e)
		}
	}()
	if err := decoder.DecodeData(0, row); err != nil || len(decoder.Rows) != len(r.bitmaps()) {
		return Change{}, undecodable(e)
	}
	for i, skipped := range decoder.SkippedColumns {
		for _, column := range skipped {
			decoder.Rows[i][column] = Absent{}
		}
	}
	switch r.Kind {
	case Inserted:
		return Change{After: decoder.Rows[0]}, nil
	case Deleted:
		return Change{Before: decoder.Rows[0]}, nil
	}
	return Change{Before: decoder.Rows[0], After: decoder.Rows[1]}, nil
}
