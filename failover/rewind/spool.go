package rewind

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/replication"
)

// binlogName is the file in the folder that holds the events, as a binlog file.
const binlogName = "errant.binlog"

// magic begins a binlog file.
var magic = []byte{0xfe, 'b', 'i', 'n'}

// makeFolder makes the folder of this rewind, which only its owner can look
// into: it will hold rows.
func (e *Errant) makeFolder(dir string) error {
	parent := filepath.Join(dir, "errant")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	name := e.deps.Target.Name + "-" + e.read.UTC().Format("20060102T150405.000000Z")
	e.folder = filepath.Join(parent, name)
	if err := os.Mkdir(e.folder, 0o700); err != nil {
		return err
	}
	var err error
	e.spool, err = os.OpenFile(filepath.Join(e.folder, binlogName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return err
}

// A spooler writes events into a binlog file and remembers the transactions.
type spooler struct {
	file   *os.File
	out    *bufio.Writer
	at     int64 // bytes written
	format binlog.Format
	all    []*binlog.Transaction
}

func newSpooler(f *os.File) *spooler {
	return &spooler{file: f, out: bufio.NewWriterSize(f, 256<<10)}
}

func (s *spooler) write(b []byte) error {
	s.at += int64(len(b))
	if _, err := s.out.Write(b); err != nil {
		return fmt.Errorf("keep the errant transactions: %w", err)
	}
	return nil
}

// begin starts a transaction; its first event is still to be added.
func (s *spooler) begin(info binlog.GTIDInfo, f binlog.Format) error {
	if s.at == 0 {
		if err := s.write(magic); err != nil {
			return err
		}
	}
	if !s.format.SameAs(f) {
		if err := s.write(f.Event); err != nil {
			return err
		}
		s.format = f
	}
	tx := &binlog.Transaction{GTIDInfo: info, Format: f}
	tx.Body = s.body(tx, s.at)
	s.all = append(s.all, tx)
	return nil
}

func (s *spooler) add(e binlog.Event) error {
	s.all[len(s.all)-1].Size += int64(len(e))
	return s.write(e)
}

// body yields the events of tx, which begins at the given offset. Each is valid
// until the next.
func (s *spooler) body(tx *binlog.Transaction, at int64) iter.Seq2[binlog.Event, error] {
	return func(yield func(binlog.Event, error) bool) {
		in := bufio.NewReaderSize(io.NewSectionReader(s.file, at, tx.Size), 64<<10)
		var buf []byte
		for left := tx.Size; left > 0; {
			head, err := in.Peek(binlog.HeaderSize)
			if err != nil {
				yield(nil, fmt.Errorf("read the errant transactions: %w", err))
				return
			}
			size := int64(binlog.Event(head).Size())
			if size < binlog.HeaderSize || size > left {
				yield(nil, fmt.Errorf("%w: an event of %d bytes in %s", binlog.ErrMalformed, size, s.file.Name()))
				return
			}
			if int64(cap(buf)) < size {
				buf = make([]byte, size)
			}
			buf = buf[:size]
			if _, err := io.ReadFull(in, buf); err != nil {
				yield(nil, fmt.Errorf("read the errant transactions: %w", err))
				return
			}
			left -= size
			if !yield(buf, nil) {
				return
			}
		}
	}
}

// finish makes the file durable and returns the transactions in it.
func (s *spooler) finish() ([]*binlog.Transaction, error) {
	if err := s.out.Flush(); err != nil {
		return nil, fmt.Errorf("keep the errant transactions: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return nil, fmt.Errorf("keep the errant transactions: %w", err)
	}
	return s.all, nil
}

// plain yields the events of a transaction without checksums, those of a
// compressed one unwrapped, with the format to read them in. Each is valid until
// the next.
func plain(tx *binlog.Transaction) iter.Seq2[binlog.Event, error] {
	return func(yield func(binlog.Event, error) bool) {
		var buf []byte
		for e, err := range tx.Body {
			if err != nil {
				yield(nil, err)
				return
			}
			if e.Type() == replication.TRANSACTION_PAYLOAD_EVENT {
				for inner, err := range binlog.Unwrap(e, tx.Format) {
					if !yield(inner, err) || err != nil {
						return
					}
				}
				continue
			}
			buf = e.AppendWithoutChecksum(buf[:0], tx.Format)
			if !yield(buf, nil) {
				return
			}
		}
	}
}
