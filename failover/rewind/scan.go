package rewind

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A tableMap is a Table_map_event, raw and decoded.
type tableMap struct {
	*replication.TableMapEvent
	raw  binlog.Event // without checksum
	name tableName
}

// A scanner keeps the table maps of one transaction's events.
type scanner struct {
	parser *replication.BinlogParser
	format binlog.Format // of events without checksum
	maps   map[uint64]*tableMap
}

// newScanner reads events that were written in f, without checksums.
func newScanner(f binlog.Format) (*scanner, error) {
	s := &scanner{parser: replication.NewBinlogParser(), format: f.WithoutChecksum(), maps: map[uint64]*tableMap{}}
	s.parser.SetIgnoreJSONDecodeError(false)
	if _, err := s.decode(s.format.Event); err != nil {
		return nil, err
	}
	return s, nil
}

// decode has go-mysql decode an event, which may panic on a malformed one.
func (s *scanner) decode(e binlog.Event) (ev replication.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			ev, err = nil, fmt.Errorf("%w: %s: %v", binlog.ErrMalformed, e.Type(), r)
		}
	}()
	// The decoded event points into the bytes.
	decoded, err := s.parser.Parse(append([]byte(nil), e...))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", binlog.ErrMalformed, e.Type(), err)
	}
	return decoded.Event, nil
}

// tableMap remembers a Table_map_event.
func (s *scanner) tableMap(e binlog.Event) error {
	schema, name, err := binlog.TableName(e)
	if err != nil {
		return err
	}
	decoded, err := s.decode(e)
	if err != nil {
		return err
	}
	m, ok := decoded.(*replication.TableMapEvent)
	if !ok || len(m.ColumnType) != int(m.ColumnCount) || len(m.ColumnMeta) != int(m.ColumnCount) {
		return fmt.Errorf("%w: the Table_map_event of %s.%s", binlog.ErrMalformed, schema, name)
	}
	s.maps[m.TableID] = &tableMap{TableMapEvent: m, raw: append(binlog.Event(nil), e...), name: tableName{schema, name}}
	return nil
}

// mapOf is the table map of a Rows_event.
func (s *scanner) mapOf(e binlog.Event) (*tableMap, error) {
	if len(e) < binlog.HeaderSize+postHeader {
		return nil, fmt.Errorf("%w: a %s of %d bytes", binlog.ErrMalformed, e.Type(), len(e))
	}
	var id [8]byte
	copy(id[:6], e[binlog.HeaderSize:])
	m := s.maps[binary.LittleEndian.Uint64(id[:])]
	if m == nil {
		return nil, fmt.Errorf("%w: a %s without a Table_map", binlog.ErrMalformed, e.Type())
	}
	return m, nil
}

// rows parses a Rows_event.
func (s *scanner) rows(e binlog.Event) (*tableMap, rowsEvent, error) {
	m, err := s.mapOf(e)
	if err != nil {
		return nil, rowsEvent{}, err
	}
	r, err := parseRows(e, m.TableMapEvent)
	return m, r, err
}

// values decodes the rows of a Rows_event, with go-mysql's types: for an update
// each before-image is followed by its after-image. What an image leaves out is
// absent.
func (s *scanner) values(e binlog.Event) ([][]any, error) {
	// go-mysql never ends on rows without columns.
	if _, _, err := s.rows(e); err != nil {
		return nil, err
	}
	decoded, err := s.decode(e)
	if err != nil {
		return nil, err
	}
	r, ok := decoded.(*replication.RowsEvent)
	if !ok {
		return nil, fmt.Errorf("%w: a %s that isn't one", binlog.ErrMalformed, e.Type())
	}
	for i, skipped := range r.SkippedColumns {
		for _, column := range skipped {
			r.Rows[i][column] = absent{}
		}
	}
	return r.Rows, nil
}

// absent stands for a value that an image leaves out.
type absent struct{}

// A backlog is the Table_map and Rows events of one transaction, on disk, to be
// read from its end.
type backlog struct {
	file io.ReaderAt
	rows []backlogRows
}

type backlogRows struct{ table, rows extent }

type extent struct {
	at   int64
	size int
}

// write puts the events of a transaction into file and says where each is.
func (b *backlog) write(file interface {
	io.Writer
	io.ReaderAt
}, events func(yield func(binlog.Event, error) bool)) error {
	b.file = file
	at := int64(0)
	maps := map[[6]byte]extent{}
	for e, err := range events {
		if err != nil {
			return err
		}
		isMap := e.Type() == replication.TABLE_MAP_EVENT
		if !isMap && !binlog.IsRows(e) {
			continue
		}
		if len(e) < binlog.HeaderSize+postHeader {
			return fmt.Errorf("%w: a %s of %d bytes", binlog.ErrMalformed, e.Type(), len(e))
		}
		id, here := [6]byte(e[binlog.HeaderSize:]), extent{at, len(e)}
		if isMap {
			maps[id] = here
		} else {
			b.rows = append(b.rows, backlogRows{maps[id], here})
		}
		if _, err := file.Write(e); err != nil {
			return fmt.Errorf("keep the events of a transaction: %w", err)
		}
		at += int64(len(e))
	}
	return nil
}

func (b *backlog) read(x extent) (binlog.Event, error) {
	e := make([]byte, x.size)
	if _, err := b.file.ReadAt(e, x.at); err != nil {
		return nil, fmt.Errorf("read the events of a transaction: %w", err)
	}
	return binlog.CheckEvent(e)
}
