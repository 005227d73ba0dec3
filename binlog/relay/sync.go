package relay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/logkey"
	"go.uber.org/zap"
)

// Sync makes durable every whole transaction that was appended, with one fsync,
// and then gives them to the readers. A transaction that isn't whole yet waits.
// When Sync returns nil, Durable has everything that Received had, and everything
// before DurableEnd may be acknowledged.
//
// The error is ErrClosed or a [WriteError]; after that nothing can be appended or
// synced until Discard.
func (r *Relay) Sync() error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := r.writable(); err != nil {
		return err
	}
	return r.sync()
}

func (r *Relay) sync() error {
	w := &r.writer
	if len(w.pending) == 0 {
		if !w.reached.IsZero() {
			r.mu.Lock()
			r.end = w.reached
			r.mu.Unlock()
		}
		return nil
	}
	mark := syncMark{at: w.logical(), synced: w.synced, crc: w.crc}
	w.batch = append(w.batch, mark.encode(w.active.format)...)
	if err := r.flush(); err != nil {
		return err
	}
	begun := r.now()
	if err := w.file.Sync(); err != nil {
		return r.failActive("sync", err)
	}
	w.synced, w.crc = w.written, 0
	took := r.now().Sub(begun)
	r.publish(took)
	r.synced(took)
	return nil
}

// publish gives the readers what has become durable.
func (r *Relay) publish(took time.Duration) {
	w := &r.writer
	r.mu.Lock()
	defer r.mu.Unlock()
	seg := w.active
	for _, e := range w.pending {
		r.tail.push(e)
		seg.blocks = addBlock(seg.blocks, e.start, e.end, e.before, e.tx.GTID)
	}
	seg.limit = w.synced
	seg.transactions += len(w.pending)
	seg.newest = r.now()
	r.durable = r.received
	r.end = w.reached
	r.failure = nil
	r.counts.synced(took, len(w.pending))
	clear(w.pending)
	w.pending, w.pendingBytes = w.pending[:0], 0
	close(r.published)
	r.published = make(chan struct{})
}

// failActive notes that the active segment can't be relied on any more.
func (r *Relay) failActive(op string, err error) error {
	r.writer.failed = r.fail(op, r.writer.active.path, err)
	return r.writer.failed
}

// Discard forgets everything that is not durable, and makes the relay ready for
// a new stream: the stream was cut, or Append or Sync failed. After a failed write
// or fsync the segment is left behind, and the next transaction begins a new one.
// The error is ErrClosed or a [WriteError]: then the disk can't be written still,
// and Discard is to be called again, later, before anything is appended.
func (r *Relay) Discard() error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.getState() != isOpen {
		return ErrClosed
	}
	w := &r.writer
	w.format, w.grouper, w.open, w.at = binlog.Format{}, binlog.Grouper{}, transaction{}, binlog.Position{}
	w.reached = binlog.Position{}
	clear(w.pending)
	w.pending, w.pendingBytes, w.batch = w.pending[:0], 0, w.batch[:0]
	r.mu.Lock()
	r.received = r.durable
	r.mu.Unlock()
	if err := r.clean(); err != nil {
		return err
	}
	w.broken, w.failed = nil, nil
	return nil
}

// clean brings the files back to what is durable.
func (r *Relay) clean() error {
	w := &r.writer
	w.crc = 0
	if w.litter != "" {
		if err := r.remove(w.litter); err != nil {
			w.failed = r.fail("remove", w.litter, err)
			return w.failed
		}
		w.litter = ""
	}
	if w.active == nil {
		return nil
	}
	if w.written > w.synced || w.failed != nil {
		if err := w.file.Truncate(w.synced); err != nil {
			w.failed = r.fail("truncate", w.active.path, err)
			return w.failed
		}
		w.written = w.synced
	}
	// What named the leader's file may just have been cut off.
	w.named = ""
	if w.failed != nil {
		return r.abandon()
	}
	return nil
}

// abandon leaves the active segment behind after a failure.
func (r *Relay) abandon() error {
	w := &r.writer
	seg := w.active
	r.purging.Lock()
	defer r.purging.Unlock()
	r.mu.Lock()
	empty := seg.transactions == 0 && len(r.segments) > 1
	r.mu.Unlock()
	if !empty {
		r.leave()
		return nil
	}
	// Else every attempt to write to a full disk would leave a file behind.
	if err := r.remove(seg.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		w.failed = r.fail("remove", seg.path, err)
		return w.failed
	}
	w.closeFile()
	w.active = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	seg.sealed = true
	r.segments = r.segments[:len(r.segments)-1]
	return nil
}

// remove removes a file, durably.
func (r *Relay) remove(path string) error {
	if err := r.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return r.fs.SyncDir(r.cfg.Dir)
}

// NewSegment begins a new segment at once, because what follows comes from
// another leader: a new epoch. Nothing may be in the middle of a transaction.
// DurableEnd is unknown from then on, also after a restart. Errors are Sync's, and
// one more for a transaction that is not whole.
func (r *Relay) NewSegment() error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := r.writable(); err != nil {
		return err
	}
	w := &r.writer
	if w.grouper.Open() {
		return fmt.Errorf("begin a relay segment: %s is not whole yet", w.open.info.GTID)
	}
	last := r.lastSegment()
	if last != nil && !r.pristine() {
		if err := r.seal(); err != nil {
			return err
		}
		if w.format.Event == nil {
			w.format = last.format
			defer func() { w.format = binlog.Format{} }()
		}
		w.at = binlog.Position{}
		if err := r.begin(); err != nil {
			return err
		}
	}
	w.at, w.reached = binlog.Position{}, binlog.Position{}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end = binlog.Position{}
	return nil
}

// pristine tells whether the active segment is as NewSegment makes it.
func (r *Relay) pristine() bool {
	seg := r.writer.active
	return seg != nil && seg.at.IsZero() && r.writer.logical() == seg.headerSize
}

// seal makes durable what is whole and ends the active segment.
func (r *Relay) seal() error {
	if r.writer.active == nil {
		return nil
	}
	if err := r.sync(); err != nil {
		return err
	}
	r.leave()
	return nil
}

// leave ends the active segment where it is durable, and puts its index beside
// it. The index can be made again, so that a failure to write it is only logged.
func (r *Relay) leave() {
	w := &r.writer
	seg := w.active
	r.mu.Lock()
	seg.sealed = true
	x := index{size: seg.limit, blocks: seg.blocks}
	seg.blocks = nil
	r.mu.Unlock()
	if err := r.writeIndex(seg, w.file, x); err != nil {
		r.log.Warn("could not write a relay segment's index; it will be made again when it is needed",
			zap.String(logkey.Segment, seg.path), zap.Error(err))
	}
	w.closeFile()
	w.active, w.batch, w.written, w.synced, w.crc, w.named = nil, w.batch[:0], 0, 0, 0, ""
}

// begin makes a new segment, durably, up to the end of its header.
func (r *Relay) begin() error {
	w := &r.writer
	header, err := encodeHeader(w.format, r.Durable(), w.at)
	if err != nil {
		return err
	}
	seg := &segment{
		number: w.next, path: r.segmentPath(w.next), format: w.format,
		prev: r.Durable(), headerSize: int64(len(header)), at: w.at,
	}
	if op, err := r.createSegment(seg.path, header); err != nil {
		w.failed = r.fail(op, seg.path, err)
		w.litter = seg.path
		w.closeFile()
		return w.failed
	}
	w.active, w.named = seg, w.at.File
	w.written, w.synced, w.crc, w.batch = int64(len(header)), int64(len(header)), 0, w.batch[:0]
	w.next++
	r.mu.Lock()
	defer r.mu.Unlock()
	seg.limit, seg.newest = w.synced, r.now()
	r.segments = append(r.segments, seg)
	r.initial = true
	return nil
}

// createSegment makes the file of a segment and the folder's entry for it
// durable. It returns what was tried when it failed.
func (r *Relay) createSegment(path string, header []byte) (op string, err error) {
	w := &r.writer
	if w.file, err = r.fs.Create(path); err != nil {
		return "create", err
	}
	if _, err = w.file.WriteAt(header, 0); err != nil {
		return "write", err
	}
	if err = w.file.Sync(); err != nil {
		return "sync", err
	}
	return "create", r.fs.SyncDir(r.cfg.Dir)
}

// finish gives up what is not durable and ends the active segment with a mark
// that says that all of it is.
func (r *Relay) finish() error {
	w := &r.writer
	defer w.closeFile()
	if w.active == nil || w.failed != nil {
		return nil
	}
	mark := syncMark{at: w.synced, synced: w.synced}.encode(w.active.format)
	err := w.file.Truncate(w.synced)
	if err == nil {
		_, err = w.file.WriteAt(mark, w.synced)
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("close relay segment %s: %w", w.active.path, err)
	}
	return nil
}

// writeBase makes the set that Init was given durable.
func (r *Relay) writeBase(base gtid.Set) error {
	path := filepath.Join(r.cfg.Dir, baseName)
	if err := r.replace(path, []byte(base.String()+"\n")); err != nil {
		return r.fail("write", path, err)
	}
	if err := r.fs.SyncDir(r.cfg.Dir); err != nil {
		return r.fail("write", path, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failure = nil
	return nil
}

// replace writes a file whole or not at all.
func (r *Relay) replace(path string, content []byte) error {
	f, err := r.fs.Create(path + temporarySuffix)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return r.fs.Rename(path+temporarySuffix, path)
}
