package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/logkey"
	"go.uber.org/zap"
)

// recover reads the folder at Open.
func (r *Relay) recover(ctx context.Context) error {
	if err := r.fs.MkdirAll(r.cfg.Dir); err != nil {
		return err
	}
	numbers, err := r.list()
	if err != nil {
		return err
	}
	if err := r.fs.SyncDir(r.cfg.Dir); err != nil {
		return err
	}
	if err := r.readBase(); err != nil {
		return err
	}
	r.writer.next = 1
	for i, number := range numbers {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.writer.next = number + 1
		if err := r.recoverSegment(number, i == len(numbers)-1); err != nil {
			return err
		}
	}
	if len(r.segments) == 0 {
		return nil
	}
	for i, seg := range r.segments[:len(r.segments)-1] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.recoverSealed(seg, r.segments[i+1].prev); err != nil {
			return err
		}
	}
	r.initial = true
	r.base = r.segments[0].prev
	return r.recoverActive()
}

// list returns the numbers of the segments in order, and removes what a crash
// left behind.
func (r *Relay) list() ([]uint64, error) {
	names, err := r.fs.ReadDir(r.cfg.Dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		if n, ok := segmentNumber(name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, name := range names {
		of, isIndex := strings.CutSuffix(name, indexSuffix)
		n, ok := segmentNumber(of)
		orphan := isIndex && ok && !slices.Contains(numbers, n)
		if orphan || strings.HasPrefix(name, segmentPrefix) && strings.HasSuffix(name, temporarySuffix) {
			if err := r.fs.Remove(filepath.Join(r.cfg.Dir, name)); err != nil {
				return nil, err
			}
		}
	}
	return numbers, nil
}

// readBase reads what Init wrote, if it did.
func (r *Relay) readBase() error {
	path := filepath.Join(r.cfg.Dir, baseName)
	content, err := r.readFile(path, maxBase)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	base, err := gtid.ParseSet(string(content))
	if err != nil {
		return &DamageError{Segment: path, Err: err}
	}
	r.initial = true
	r.base, r.durable, r.received = base, base, base
	return nil
}

// maxBase is the largest relay.base that is read, in bytes.
const maxBase = 64 << 20

// readFile returns the content of a file of at most limit bytes.
func (r *Relay) readFile(path string, limit int64) (content []byte, err error) {
	f, err := r.fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, _, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("read %s: %d bytes are more than the %d that it may have", path, size, limit)
	}
	content = make([]byte, size)
	if n, err := f.ReadAt(content, 0); err != nil && (err != io.EOF || int64(n) < size) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return content, nil
}

// recoverSegment reads a segment's header. The last one may have a torn header:
// then it never held anything, and is removed.
func (r *Relay) recoverSegment(number uint64, last bool) error {
	path := r.segmentPath(number)
	f, err := r.fs.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	size, modified, err := f.Stat()
	if err != nil {
		return err
	}
	s := &scanner{file: f, limit: size}
	prev, err := s.header()
	if errors.Is(err, errBad) && last {
		var synced bool
		if synced, err = markBehind(f, 0, size); err != nil {
			return damaged(path, err)
		}
		if synced {
			return &DamageError{Segment: path, Err: fmt.Errorf("%w: the segment's beginning", binlog.ErrMalformed)}
		}
		r.log.Warn("removed a relay segment whose making was cut short", zap.String(logkey.Segment, path), zap.Int64(logkey.Bytes, size))
		return r.remove(path)
	}
	if err != nil {
		return damaged(path, err)
	}
	r.segments = append(r.segments, &segment{
		number: number, path: path, format: s.format, prev: prev, headerSize: s.off, at: s.at, limit: size, sealed: !last, newest: modified,
	})
	return nil
}

// recoverSealed checks a segment against the set that must be there at its end.
func (r *Relay) recoverSealed(seg *segment, end gtid.Set) error {
	f, err := r.fs.OpenWrite(seg.path)
	if err != nil {
		return err
	}
	defer f.Close()
	x, err := r.loadIndex(seg, f, seg.limit)
	if err != nil || !seg.prev.Union(x.all()).Equal(end) {
		if x, err = r.rebuildIndex(seg, f, end); err != nil {
			return err
		}
	}
	if x.size < seg.limit {
		r.log.Warn("cut off the abandoned tail of a relay segment", zap.String(logkey.Segment, seg.path), zap.Int64(logkey.Bytes, seg.limit-x.size))
		if err := errors.Join(f.Truncate(x.size), f.Sync()); err != nil {
			return err
		}
		seg.limit = x.size
	}
	seg.transactions = x.transactions()
	return nil
}

// recoverActive reads the last segment whole, cuts its torn tail, and opens it
// to be continued.
func (r *Relay) recoverActive() error {
	w := &r.writer
	seg := r.segments[len(r.segments)-1]
	f, err := r.fs.OpenWrite(seg.path)
	if err != nil {
		return err
	}
	w.file = f
	found, err := scanSegment(f, seg, nil)
	if err != nil {
		return damaged(seg.path, err)
	}
	if found.bad != nil {
		synced, err := markBehind(f, found.bad.offset, seg.limit)
		if err != nil {
			return damaged(seg.path, err)
		}
		if synced {
			return damaged(seg.path, found.bad)
		}
	}
	if found.good < seg.limit {
		r.log.Warn("cut off the torn tail of the relay, which was never acknowledged; the leader sends it again",
			zap.String(logkey.Segment, seg.path), zap.Int64(logkey.Bytes, seg.limit-found.good), zap.Error(found.bad))
		if err := f.Truncate(found.good); err != nil {
			return err
		}
	}
	if err := makeDurable(f, found.synced, found.good); err != nil {
		return err
	}
	if err := r.fs.Remove(indexPath(seg.path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	seg.sealed = false
	w.active, w.named = seg, found.at.File
	w.written, w.synced = found.good, found.good
	seg.limit = found.good
	seg.blocks = found.blocks
	seg.transactions = found.transactions
	r.durable = seg.prev.Union(found.all())
	r.received = r.durable
	r.end = found.at
	r.tail.floor = place{seg.number, seg.limit}
	return nil
}

// makeDurable makes durable what a killed process had written to a segment and is
// not known to have synced. It is written again first: pages whose fsync failed
// are still read from memory, but no later fsync would write them.
func makeDurable(f File, from, to int64) error {
	b := make([]byte, readChunk)
	for ; from < to; from += int64(len(b)) {
		b = b[:min(int64(len(b)), to-from)]
		if n, err := f.ReadAt(b, from); n < len(b) {
			return err
		}
		if _, err := f.WriteAt(b, from); err != nil {
			return err
		}
	}
	return f.Sync()
}
