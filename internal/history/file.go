package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/batondb/baton/internal/logkey"
)

const (
	fileName    = "events.jsonl"
	oldFileName = "events.jsonl.1"

	// maxLine is the size in bytes of the longest line that is read: well above
	// what an Event with all its texts at maxText can take in JSON.
	maxLine = 256 << 10
)

// file is events.jsonl, open for appending whole lines.
type file struct {
	dir     string
	maxSize int64
	f       *os.File
	size    int64 // bytes of whole lines; what stands behind them is garbage of a failed write
	dirty   bool  // there may be such garbage
}

// openFile opens the file in dir for appending, cuts an unfinished last line,
// and returns the newest events of it and of the rotated one, at most limit.
func openFile(dir string, maxSize int64, limit int, logger *zap.Logger) (*file, []Event, error) {
	kept := &newest{limit: limit}
	if err := readOld(filepath.Join(dir, oldFileName), kept); err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, fileName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, nil, err
	}
	end, err := readLines(f, kept)
	if err == nil {
		err = cutTail(f, end, logger)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	if kept.bad > 0 {
		logger.Warn("lines of the history are damaged and left out; the files keep them",
			zap.String(logkey.Path, path), zap.Int(logkey.Count, kept.bad))
	}
	return &file{dir: dir, maxSize: maxSize, f: f, size: end}, kept.events, nil
}

func readOld(path string, kept *newest) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := readLines(f, kept); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// cutTail cuts f after its last whole line, which ends at end.
func cutTail(f *os.File, end int64, logger *zap.Logger) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == end {
		return err
	}
	logger.Info("cut the unfinished last line of the history", zap.String(logkey.Path, f.Name()), zap.Int64(logkey.Bytes, size-end))
	if err := f.Truncate(end); err != nil {
		return err
	}
	return f.Sync()
}

// append writes the events as one line each and syncs. It returns how many of
// them are safe: all of them, or an error.
func (f *file) append(events []Event) (int, error) {
	safe := 0
	for {
		block, n, err := f.block(events[safe:])
		if err == nil && n > 0 {
			err = f.writeBlock(block)
		}
		if err != nil {
			return safe, err
		}
		if safe += n; safe == len(events) {
			return safe, nil
		}
		if err := f.rotate(); err != nil {
			return safe, err
		}
	}
}

// block returns the lines of as many of the events as still fit into the file,
// but at least one when it is empty.
func (f *file) block(events []Event) (block []byte, n int, err error) {
	for n < len(events) {
		line, err := json.Marshal(events[n])
		if err != nil {
			return nil, 0, fmt.Errorf("encode event %d: %w", events[n].Seq, err)
		}
		size := f.size + int64(len(block))
		if size > 0 && size+int64(len(line)+1) > f.maxSize {
			break
		}
		block = append(append(block, line...), '\n')
		n++
	}
	return block, n, nil
}

func (f *file) writeBlock(block []byte) error {
	if err := f.reopen(); err != nil {
		return err
	}
	if f.dirty {
		if err := f.f.Truncate(f.size); err != nil {
			return err
		}
	}
	f.dirty = true
	if _, err := f.f.WriteAt(block, f.size); err != nil {
		return err
	}
	if err := f.f.Sync(); err != nil {
		return err
	}
	f.dirty = false
	f.size += int64(len(block))
	return nil
}

// rotate makes the file the old one and begins a new one. A failure in its
// middle is made good by the next reopen.
func (f *file) rotate() error {
	path := filepath.Join(f.dir, fileName)
	if err := os.Rename(path, filepath.Join(f.dir, oldFileName)); err != nil {
		return err
	}
	_ = f.f.Close() // everything that counts is synced
	f.f, f.size, f.dirty = nil, 0, false
	return f.reopen()
}

func (f *file) reopen() error {
	if f.f != nil {
		return nil
	}
	opened, err := os.OpenFile(filepath.Join(f.dir, fileName), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	if err := syncDir(f.dir); err != nil {
		return errors.Join(err, opened.Close())
	}
	f.f = opened
	return nil
}

func (f *file) close() {
	if f.f != nil {
		_ = f.f.Close() // everything that counts is synced
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// newest keeps the last events that it is given.
type newest struct {
	limit  int
	events []Event
	bad    int // lines that are no events
}

func (k *newest) add(e Event) {
	if len(k.events) >= k.limit {
		k.events = append(k.events[:0], k.events[len(k.events)-k.limit+1:]...)
	}
	k.events = append(k.events, e)
}

// readLines gives the events of r to kept and returns where the last whole line
// ends. A whole line that is no event, is out of order or is longer than
// maxLine is counted and passed over.
func readLines(r io.Reader, kept *newest) (end int64, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	var size int64 // of the line so far, though only maxLine of it is held
	for {
		part, err := in.ReadSlice('\n')
		size += int64(len(part))
		if size <= maxLine {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return end, nil
		case err != nil:
			return end, err
		}
		end += size
		if e, ok := parseLine(line, size); ok && kept.follows(e) {
			kept.add(e)
		} else {
			kept.bad++
		}
		line, size = line[:0], 0
	}
}

func parseLine(line []byte, size int64) (Event, bool) {
	var e Event
	if size > maxLine || json.Unmarshal(line, &e) != nil {
		return Event{}, false
	}
	return e, e.Seq > 0
}

func (k *newest) follows(e Event) bool {
	return len(k.events) == 0 || e.Seq > k.events[len(k.events)-1].Seq
}
