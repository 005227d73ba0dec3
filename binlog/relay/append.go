package relay

import (
	"fmt"
	"hash/crc32"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/replication"
)

// flushSize is how many bytes are gathered before they are given to the file.
const flushSize = 1 << 20

// A writer is the state of what is appended; Relay.writing guards it.
type writer struct {
	// failed is why nothing can be written until Discard: a WriteError.
	failed error
	// broken is why nothing can be appended until Discard: the stream made no sense.
	broken error
	// litter is a file that was created and could not be used, to be removed by Discard.
	litter string

	format  binlog.Format // of the stream; its Event is nil until one came
	grouper binlog.Grouper
	at      binlog.Position // the leader's position after the last event of the stream
	open    transaction     // the one that is being received
	next    uint64          // number of the next segment; never used twice while open

	active  *segment // nil: the next transaction begins one
	file    File     // of active
	named   string   // the leader's file that the last Rotate_event in active names
	written int64    // bytes given to file
	synced  int64    // bytes of active that are durable
	crc     uint32   // CRC32C of the bytes from synced to the end of batch
	batch   []byte   // what is to follow written

	pending      []entry // whole, not yet durable; all in active
	pendingBytes int64
	reached      binlog.Position // what the end will be after the next Sync
}

// A transaction is what has been received of one that isn't whole.
type transaction struct {
	info    binlog.GTIDInfo
	events  []binlog.Event
	size    int64
	before  binlog.Position // the leader's position before it
	dropped bool            // the relay has it already
	spilled bool            // its events go to the segment at once, and are not in events
	start   int64           // where it begins in the segment, if spilled
}

// logical is the size that the active segment will have.
func (w *writer) logical() int64 { return w.written + int64(len(w.batch)) }

func (w *writer) closeFile() {
	if w.file != nil {
		// What is not synced is given up, and what is synced can't fail here any more.
		_ = w.file.Close()
		w.file = nil
	}
}

// Append takes the next event of the stream, which becomes the relay's: the
// caller doesn't change it any more. A stream begins, after Open and after
// Discard, between two transactions, with a Format_description_event before
// everything else but Rotate_events. Transactions that the relay has are dropped,
// whole: a leader sends again what was on its way when a connection broke.
//
// Append gathers in memory and gives the file a megabyte at a time. It fsyncs by
// itself, as Sync does, when a segment is full, the format changes, a large
// transaction begins or a quarter of Config.Memory waits.
//
// The error is a [WriteError], ErrClosed, or matches ErrNoFormat, ErrUnknownEvent,
// binlog.ErrMalformed or binlog.ErrNoGTID; then nothing can be appended until Discard.
func (r *Relay) Append(ev binlog.Event) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := r.writable(); err != nil {
		return err
	}
	if r.writer.broken != nil {
		return r.writer.broken
	}
	if err := r.append(ev); err != nil {
		r.writer.broken = err
		return err
	}
	return nil
}

func (r *Relay) append(ev binlog.Event) error {
	w := &r.writer
	if _, err := binlog.CheckEvent(ev); err != nil {
		return err
	}
	part, err := w.grouper.Next(ev, w.format)
	if err != nil {
		return err
	}
	if part == binlog.Outside {
		return r.appendOutside(ev)
	}
	if part == binlog.First {
		if err := r.beginTransaction(ev); err != nil {
			return err
		}
	}
	w.at = advance(w.at, ev)
	if err := r.addEvent(ev); err != nil || part != binlog.Last {
		return err
	}
	return r.endTransaction()
}

// appendOutside takes an event between two transactions. None of them is kept as
// it is: what they say is written where the next transaction needs it.
func (r *Relay) appendOutside(ev binlog.Event) error {
	w := &r.writer
	switch t := ev.Type(); t {
	case replication.FORMAT_DESCRIPTION_EVENT:
		f, err := binlog.ParseFormat(ev)
		if err != nil {
			return err
		}
		w.format = f
		if w.active != nil && !w.active.format.SameAs(f) {
			return r.seal()
		}
	case replication.ROTATE_EVENT:
		at, err := parseRotate(ev)
		if err != nil {
			return err
		}
		w.at = r.resume(at)
	case replication.PREVIOUS_GTIDS_EVENT, replication.STOP_EVENT,
		replication.HEARTBEAT_EVENT, replication.HEARTBEAT_LOG_EVENT_V2:
	default:
		if ev.Flags()&binlog.FlagIgnorable == 0 {
			return fmt.Errorf("%w: a %s that ends at %d in the leader's binlog", ErrUnknownEvent, t, ev.LogPos())
		}
	}
	return nil
}

// resume corrects where a stream begins. A leader always begins with offset 4,
// whatever it leaves out of the file, so that positions above 4 GiB, which the
// events' headers don't tell from small ones, would be taken for small ones.
func (r *Relay) resume(at binlog.Position) binlog.Position {
	if end := r.DurableEnd(); end.File == at.File && end.Offset >= 1<<32 && at.Offset < end.Offset {
		return end
	}
	return at
}

func (r *Relay) beginTransaction(ev binlog.Event) error {
	w := &r.writer
	if w.format.Event == nil {
		return fmt.Errorf("%w: a %s", ErrNoFormat, ev.Type())
	}
	info, err := binlog.ParseGTID(ev, w.format)
	if err != nil {
		return err
	}
	w.open = transaction{info: info, before: w.at}
	if r.has(info.GTID) {
		w.open.dropped = true
		return nil
	}
	if w.active != nil && w.logical() >= r.cfg.SegmentSize {
		if err := r.seal(); err != nil {
			return err
		}
	}
	if w.active == nil {
		return r.begin()
	}
	return nil
}

// has tells whether a transaction was received, durable or not. Only the writer,
// who is the caller, changes the set, so it needs no lock.
func (r *Relay) has(g gtid.GTID) bool { return r.received.Contains(g) }

func (r *Relay) addEvent(ev binlog.Event) error {
	w := &r.writer
	w.open.size += int64(len(ev))
	if w.open.dropped {
		return nil
	}
	if !w.open.spilled {
		w.open.events = append(w.open.events, ev)
		if w.open.size <= r.cfg.Memory/spillShare {
			return nil
		}
		return r.spill()
	}
	return r.write(ev)
}

// spill gives up holding the open transaction in memory. What came before it is
// made durable first, so that a sync mark never stands inside a transaction.
func (r *Relay) spill() error {
	w := &r.writer
	if err := r.sync(); err != nil {
		return err
	}
	if err := r.place(w.open.before); err != nil {
		return err
	}
	w.open.spilled = true
	w.open.start = w.logical()
	events := w.open.events
	w.open.events = nil
	for _, ev := range events {
		if err := r.write(ev); err != nil {
			return err
		}
	}
	return nil
}

// place says in the segment where in the leader's binlog the next transaction
// stands, if its file is another than that of the one before.
func (r *Relay) place(at binlog.Position) error {
	w := &r.writer
	if at.File == w.named || at.File == "" {
		return nil
	}
	if err := r.write(encodeRotate(w.active.format, at)); err != nil {
		return err
	}
	w.named = at.File
	return nil
}

func (r *Relay) endTransaction() error {
	w := &r.writer
	open := w.open
	w.open = transaction{}
	w.reached = w.at
	if open.dropped {
		r.countDropped()
		return nil
	}
	if !open.spilled {
		if err := r.place(open.before); err != nil {
			return err
		}
		open.start = w.logical()
		for _, ev := range open.events {
			if err := r.write(ev); err != nil {
				return err
			}
		}
	}
	t := &binlog.Transaction{GTIDInfo: open.info, Format: w.active.format, Size: open.size, End: w.at}
	e := entry{tx: t, segment: w.active.number, start: open.start, end: w.logical(), before: open.before, held: entryCost}
	if open.spilled {
		t.Body = r.diskBody(w.active, t.GTID, open.start, e.end)
	} else {
		t.Body = binlog.Events(open.events)
		e.held += open.size
	}
	w.pending = append(w.pending, e)
	w.pendingBytes += e.held
	r.mu.Lock()
	r.received.Add(open.info.GTID)
	r.mu.Unlock()
	if w.pendingBytes >= r.cfg.Memory/groupShare {
		return r.sync()
	}
	return nil
}

// write puts bytes at the end of the active segment.
func (r *Relay) write(b []byte) error {
	w := &r.writer
	w.crc = crc32.Update(w.crc, castagnoli, b)
	if len(w.batch)+len(b) > flushSize {
		if err := r.flush(); err != nil {
			return err
		}
		if len(b) >= flushSize {
			return r.writeOut(b)
		}
	}
	w.batch = append(w.batch, b...)
	return nil
}

// flush gives the file what was gathered.
func (r *Relay) flush() error {
	w := &r.writer
	if len(w.batch) == 0 {
		return nil
	}
	err := r.writeOut(w.batch)
	w.batch = w.batch[:0]
	return err
}

func (r *Relay) writeOut(b []byte) error {
	w := &r.writer
	n, err := w.file.WriteAt(b, w.written)
	w.written += int64(n)
	if err != nil {
		return r.failActive("write", err)
	}
	return nil
}
