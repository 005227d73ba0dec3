package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
)

// A Reader gives the transactions of a relay in order. At the head it takes them
// from memory; when it falls behind what is held there it reads segments, one
// transaction at a time, until it has caught up. Next is for one goroutine;
// Close may be called by another.
type Reader struct {
	relay *Relay
	done  chan struct{} // closed by Close
	once  sync.Once

	mu   sync.Mutex      // held by Next, and by Close once done is closed
	has  gtid.Set        // what the caller has, or was given
	at   place           // where to go on
	lead binlog.Position // the leader's position there
	err  error           // what Next returns from now on

	segment *segment // being read from disk
	file    File
	scan    *scanner
}

// NewReader returns a reader of the transactions that are not in from, in the
// order of the relay. What from has and the relay doesn't know makes no
// difference. The error is ErrClosed, or a [PurgedError] when from lacks some of
// Base. The caller closes the reader.
func (r *Relay) NewReader(from gtid.Set) (*Reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != isOpen {
		return nil, ErrClosed
	}
	if !from.ContainsSet(r.base) {
		return nil, &PurgedError{Missing: r.base.Subtract(from)}
	}
	rd := &Reader{relay: r, done: make(chan struct{}), has: from}
	for i := len(r.segments) - 1; i >= 0; i-- {
		// Everything before a segment whose Previous_gtids the caller has, it has too.
		if i == 0 || from.ContainsSet(r.segments[i].prev) {
			rd.start(r.segments[i])
			break
		}
	}
	return rd, nil
}

// start goes to the first of a segment's transactions that the caller may lack;
// Relay.mu is held. A sealed segment's index is read when the segment is opened.
func (rd *Reader) start(seg *segment) {
	rd.at, rd.lead = place{seg.number, seg.headerSize}, seg.at
	if !seg.sealed {
		rd.skip(seg.blocks, seg.limit)
	}
}

// skip goes on to the first block that has something for the caller.
func (rd *Reader) skip(blocks []block, limit int64) {
	for _, b := range blocks {
		if !rd.has.ContainsSet(b.set) {
			rd.at.offset, rd.lead = b.start, b.at
			return
		}
	}
	rd.at.offset = limit
}

// Next returns the next transaction and waits until there is one. It returns the
// context's error, or ErrClosed once the reader or the relay is closed. After a
// [DamageError], or a [PurgedError] (the reader was so far behind that max_size
// took what it needed), it returns the same error again.
//
// What it returns may be kept. Its Body reads the segment if the transaction was
// too large to be held, and gives a PurgedError if that segment is gone, which
// Purge lets happen only to a follower that it names as lost.
func (rd *Reader) Next(ctx context.Context) (*binlog.Transaction, error) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	for {
		if err := rd.stopped(ctx); err != nil {
			return nil, err
		}
		t, wait, err := rd.step()
		switch {
		case err != nil:
			rd.release()
			rd.keep(err)
			return nil, err
		case t != nil:
			return t, nil
		case wait == nil:
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
		case <-rd.done:
		case <-rd.relay.closed:
		}
	}
}

// keep remembers an error that trying again can't cure.
func (rd *Reader) keep(err error) {
	_, damage := errors.AsType[*DamageError](err)
	if damage || errors.Is(err, ErrPurged) {
		rd.err = err
	}
}

// stopped returns why there is nothing more to read.
func (rd *Reader) stopped(ctx context.Context) error {
	select {
	case <-rd.done:
		return ErrClosed
	case <-rd.relay.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	default:
		return rd.err
	}
}

// Close ends the reader and what waits in Next. It may be called again.
func (rd *Reader) Close() error {
	rd.once.Do(func() { close(rd.done) })
	rd.mu.Lock()
	defer rd.mu.Unlock()
	rd.release()
	return nil
}

// release closes what was opened for reading from disk.
func (rd *Reader) release() {
	if rd.file != nil {
		// Nothing was written to it, so that closing it can't lose anything.
		_ = rd.file.Close()
	}
	rd.segment, rd.file, rd.scan = nil, nil, nil
}

// step returns a transaction, or a channel to wait for, or neither when it has
// only come nearer to one.
func (rd *Reader) step() (*binlog.Transaction, <-chan struct{}, error) {
	r := rd.relay
	r.mu.Lock()
	if !rd.at.before(r.tail.floor) {
		t, wait := rd.fromTail(), r.published
		r.mu.Unlock()
		rd.release()
		if t != nil {
			return t, nil, nil
		}
		return nil, wait, nil
	}
	seg, limit, err := rd.current()
	r.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	if seg != rd.segment {
		return nil, nil, rd.enter(seg, limit)
	}
	rd.scan.limit = limit
	t, err := rd.fromDisk()
	return t, nil, err
}

// fromTail returns the next transaction that is held in memory; Relay.mu is held.
func (rd *Reader) fromTail() *binlog.Transaction {
	for _, e := range rd.relay.tail.from(rd.at) {
		rd.at, rd.lead = e.ends(), e.tx.End
		if !rd.has.Contains(e.tx.GTID) {
			rd.has.Add(e.tx.GTID)
			return e.tx
		}
	}
	return nil
}

// current returns the segment to read from disk and how much of it is durable;
// Relay.mu is held.
func (rd *Reader) current() (*segment, int64, error) {
	seg := rd.segment
	for _, s := range rd.relay.segments {
		if seg != nil {
			break
		}
		if s.number == rd.at.segment {
			seg = s
		}
	}
	if seg != nil && (rd.at.offset < seg.limit || !seg.sealed) {
		return seg, seg.limit, nil
	}
	for _, s := range rd.relay.segments {
		if s.number <= rd.at.segment {
			continue
		}
		if !rd.has.ContainsSet(s.prev) {
			return nil, 0, &PurgedError{Missing: s.prev.Subtract(rd.has)}
		}
		rd.start(s)
		return s, s.limit, nil
	}
	return nil, 0, fmt.Errorf("read relay: no segment behind number %d", rd.at.segment)
}

// enter opens a segment. Of a sealed one it passes over what the caller has.
func (rd *Reader) enter(seg *segment, limit int64) error {
	rd.release()
	file, err := rd.relay.fs.Open(seg.path)
	if errors.Is(err, os.ErrNotExist) {
		return rd.relay.purged(seg, rd.has)
	}
	if err != nil {
		return fmt.Errorf("read relay: %w", err)
	}
	rd.segment, rd.file = seg, file
	rd.scan = &scanner{file: file, limit: limit, format: seg.format}
	if rd.at.offset == seg.headerSize && rd.relay.isSealed(seg) {
		// Without a usable index the segment is read from its beginning; the next
		// Open makes the index again.
		if x, err := rd.relay.loadIndex(seg, file, limit); err == nil {
			rd.skip(x.blocks, limit)
		}
	}
	rd.scan.seek(rd.at.offset, rd.lead)
	return nil
}

// fromDisk returns the next transaction of the segment, nil at its end.
func (rd *Reader) fromDisk() (*binlog.Transaction, error) {
	for {
		t, err := rd.relay.readTransaction(rd.scan, rd.segment)
		if err != nil && err != io.EOF {
			return nil, damaged(rd.segment.path, err)
		}
		rd.at.offset, rd.lead = rd.scan.off, rd.scan.at
		if err == io.EOF {
			return nil, nil
		}
		if !rd.has.Contains(t.GTID) {
			rd.has.Add(t.GTID)
			return t, nil
		}
		select {
		case <-rd.done:
			return nil, ErrClosed
		default:
		}
	}
}

// damaged makes an error about a segment's bytes a DamageError.
func damaged(path string, err error) error {
	var bad *badError
	if errors.As(err, &bad) {
		return &DamageError{Segment: path, Offset: bad.offset, Err: bad.err}
	}
	return fmt.Errorf("read relay segment %s: %w", path, err)
}

// purged says what somebody who has a set misses now that a segment is gone.
func (r *Relay) purged(seg *segment, has gtid.Set) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := r.durable
	for _, s := range r.segments {
		if s.number > seg.number {
			gone = s.prev
			break
		}
	}
	return &PurgedError{Missing: gone.Subtract(has)}
}

func (r *Relay) isSealed(seg *segment) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return seg.sealed
}
