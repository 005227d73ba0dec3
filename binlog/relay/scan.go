package relay

import (
	"errors"
	"fmt"
	"io"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/replication"
)

const (
	// readChunk is how many bytes a scanner reads at once.
	readChunk = 128 << 10
	// keepLarge is the largest buffer for a single event that a scanner keeps.
	keepLarge = 1 << 20
)

// errBad is matched by errors about the bytes of a segment, as opposed to errors
// of reading them.
var errBad = errors.New("not what a segment holds")

// A badError says at which offset a segment's bytes are wrong.
type badError struct {
	offset int64
	err    error
}

func (e *badError) Error() string        { return fmt.Sprintf("offset %d: %v", e.offset, e.err) }
func (e *badError) Unwrap() error        { return e.err }
func (e *badError) Is(target error) bool { return target == errBad }

// A scanner reads the events of a segment one after the other, verifies each, and
// follows transactions and positions.
type scanner struct {
	file  io.ReaderAt
	off   int64 // where the next event begins
	limit int64 // where to stop

	format  binlog.Format
	grouper binlog.Grouper
	at      binlog.Position // the leader's position after the last event

	window []byte // what is in memory of the file
	start  int64  // where window begins in it
	large  []byte // an event that doesn't fit into window; reused
}

// bytes returns n bytes from off, which must not reach over limit; they are
// valid until the next call.
func (s *scanner) bytes(off int64, n int) ([]byte, error) {
	if i := off - s.start; i >= 0 && i+int64(n) <= int64(len(s.window)) {
		return s.window[i : i+int64(n)], nil
	}
	if n > readChunk {
		if cap(s.large) < n {
			s.large = make([]byte, n)
		}
		b := s.large[:n]
		return b, s.read(b, off)
	}
	if cap(s.large) > keepLarge {
		s.large = nil
	}
	want := int(min(readChunk, s.limit-off))
	if cap(s.window) < readChunk {
		s.window = make([]byte, readChunk)
	}
	s.window = s.window[:want]
	s.start = off
	if err := s.read(s.window, off); err != nil {
		s.window = s.window[:0]
		return nil, err
	}
	return s.window[:n], nil
}

func (s *scanner) read(b []byte, off int64) error {
	n, err := s.file.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return &badError{off, fmt.Errorf("%w: the file ends at %d", binlog.ErrMalformed, off+int64(n))}
	}
	return fmt.Errorf("read at offset %d: %w", off, err)
}

// header reads what stands before a segment's first transaction.
func (s *scanner) header() (prev gtid.Set, err error) {
	if err := s.readMagic(); err != nil {
		return gtid.Set{}, err
	}
	e, err := s.event()
	if err != nil {
		return gtid.Set{}, unexpectedEnd(err, s.off)
	}
	if s.format, err = binlog.ParseFormat(append(binlog.Event(nil), e...)); err != nil {
		return gtid.Set{}, &badError{s.off, err}
	}
	s.off += int64(len(e))
	if e, err = s.event(); err != nil {
		return gtid.Set{}, unexpectedEnd(err, s.off)
	}
	body, err := e.Body(s.format)
	if err == nil && e.Type() != replication.PREVIOUS_GTIDS_EVENT {
		err = fmt.Errorf("%w: expected a Previous_gtids_log_event, found a %s", binlog.ErrMalformed, e.Type())
	}
	if err == nil {
		err = prev.UnmarshalBinary(body)
	}
	if err != nil {
		return gtid.Set{}, &badError{s.off, err}
	}
	s.off += int64(len(e))
	return prev, s.headerEnd()
}

func (s *scanner) readMagic() error {
	if s.limit < int64(len(magic)) {
		return &badError{0, fmt.Errorf("%w: the file ends at %d", binlog.ErrMalformed, s.limit)}
	}
	b, err := s.bytes(0, len(magic))
	if err != nil {
		return err
	}
	if string(b) != magic {
		return &badError{0, fmt.Errorf("%w: no binlog file begins with % x", binlog.ErrMalformed, b)}
	}
	s.off = int64(len(magic))
	return nil
}

// headerEnd reads the Rotate_event, if there is one, and the sync mark that end
// the header.
func (s *scanner) headerEnd() error {
	for {
		off := s.off
		e, part, err := s.next()
		if err != nil {
			return unexpectedEnd(err, off)
		}
		if m, ok := parseMark(e, off); ok && m.synced == 0 {
			return checkGroup(s.file, m)
		}
		if part != binlog.Outside {
			return &badError{off, fmt.Errorf("%w: a %s in a segment's header", binlog.ErrMalformed, e.Type())}
		}
	}
}

// unexpectedEnd makes the end of the file an error about it.
func unexpectedEnd(err error, off int64) error {
	if err == io.EOF {
		return &badError{off, fmt.Errorf("%w: the file ends", binlog.ErrMalformed)}
	}
	return err
}

// event returns the event at off without going on, io.EOF at limit. It is valid
// until the next call.
func (s *scanner) event() (binlog.Event, error) {
	left := s.limit - s.off
	if left == 0 {
		return nil, io.EOF
	}
	if left < binlog.HeaderSize {
		return nil, &badError{s.off, fmt.Errorf("%w: %d bytes are less than an event's header", binlog.ErrMalformed, left)}
	}
	b, err := s.bytes(s.off, binlog.HeaderSize)
	if err != nil {
		return nil, err
	}
	size := int64(binlog.Event(b).Size())
	if size < binlog.HeaderSize || size > left {
		return nil, &badError{s.off, fmt.Errorf("%w: an event of %d bytes where %d are left", binlog.ErrMalformed, size, left)}
	}
	if b, err = s.bytes(s.off, int(size)); err != nil {
		return nil, err
	}
	e := binlog.Event(b)
	if err := e.VerifyChecksum(s.format); err != nil {
		return nil, &badError{s.off, err}
	}
	return e, nil
}

// next returns the event at off, the part it plays, and goes on behind it.
func (s *scanner) next() (binlog.Event, binlog.Part, error) {
	e, err := s.event()
	if err != nil {
		if err == io.EOF && s.grouper.Open() {
			err = &badError{s.off, fmt.Errorf("%w: the file ends inside a transaction", binlog.ErrMalformed)}
		}
		return nil, binlog.Outside, err
	}
	part, err := s.grouper.Next(e, s.format)
	if err != nil {
		return nil, part, &badError{s.off, err}
	}
	if part != binlog.Outside {
		s.at = advance(s.at, e)
	} else if err := s.outside(e); err != nil {
		return nil, part, &badError{s.off, err}
	}
	s.off += int64(len(e))
	return e, part, nil
}

// outside judges an event between two transactions: there are only those that
// the relay itself wrote.
func (s *scanner) outside(e binlog.Event) (err error) {
	if e.Type() == replication.ROTATE_EVENT {
		s.at, err = parseRotate(e)
		return err
	}
	if _, ok := parseMark(e, s.off); !ok {
		return fmt.Errorf("%w: a %s where none belongs", binlog.ErrMalformed, e.Type())
	}
	return nil
}

// seek makes the scanner go on at a place between two transactions, where the
// leader's position is at.
func (s *scanner) seek(off int64, at binlog.Position) {
	s.off, s.at, s.grouper = off, at, binlog.Grouper{}
}
