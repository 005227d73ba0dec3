package failover

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/batondb/baton/internal/mysql"
)

// A heartbeat writes to one instance while it leads and is writable, on a
// connection of its own. What it writes is not logged, so that it never waits
// for an acknowledgement and leaves no transaction behind (see
// [mysql.WriteHeartbeat]); whether the binlog can be written shows in the commits
// of clients, which it looks at after each write.
//
// Its fields belong to its own goroutine.
type heartbeat struct {
	w    *watch
	conn *sql.Conn
	id   atomic.Uint64 // of the connection
	// hanging are the commits of clients, by connection, and when they were seen
	// first.
	hanging map[uint64]time.Time
}

// beat writes at each interval until ctx ends.
func (w *watch) beat(ctx context.Context) {
	h := &heartbeat{w: w, hanging: map[uint64]time.Time{}}
	defer h.disconnect()
	select {
	case <-ctx.Done():
		return
	case <-w.opened:
	}
	for {
		if writing, ok := w.mayBeat(ctx); ok {
			h.write(writing)
		} else {
			h.disconnect()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.o.cfg.Interval):
		}
	}
}

// mayBeat tells whether the instance leads and says that it is writable. The
// context ends when that is no longer so.
func (w *watch) mayBeat(ctx context.Context) (context.Context, bool) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	if w.endBeat != nil {
		w.endBeat() // its write has come to an end
		w.endBeat = nil
	}
	if w.target.Name != w.o.leader || w.fault != nil || w.facts == nil || !canLead(w.facts) || w.pulse.ReadOnly || w.pulse.SuperReadOnly || w.openErr != nil {
		w.writeFault, w.writeSince = nil, time.Time{}
		return nil, false
	}
	ctx, cancel := context.WithCancel(ctx)
	w.endBeat = cancel
	return ctx, true
}

// canLead tells whether a server is one that baton replicates from: nothing is
// written to any other, whatever the config calls it.
func canLead(f *mysql.Facts) bool {
	return f.Version.Flavour == mysql.MySQL && f.Version.AtLeast(8, 0, 0) && f.GTIDMode == "ON" && f.LogBin
}

// stopBeat gives up the heartbeat that is being written, if any, and forgets
// what was said of the last. o.mu is held.
func (w *watch) stopBeat() {
	if w.endBeat != nil {
		w.endBeat()
		w.endBeat = nil
	}
	w.writeFault, w.writeSince = nil, time.Time{}
}

// noteWrite notes that the instance can't be written to since a moment, or with
// nil that it can. It does nothing once the heartbeat was given up.
func (w *watch) noteWrite(ctx context.Context, f *mysql.Fault, since time.Time) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	switch {
	case ctx.Err() != nil || f == nil && w.writeFault == nil:
		return
	case f == nil:
		w.writeSince = time.Time{}
	case w.writeFault == nil:
		w.writeSince = since
	}
	w.writeFault = f
	w.o.notify()
}

func (h *heartbeat) disconnect() {
	if h.conn != nil {
		discard(h.conn)
		h.conn = nil
	}
	clear(h.hanging)
}

// discard ends a connection for good: back in the pool, what is written over it
// next would stay out of the binlog.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}

// write writes once, looking at why it hangs if it does.
func (h *heartbeat) write(ctx context.Context) {
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- h.attempt(ctx) }()
	for wait := h.w.o.cfg.Timeout; ; wait = h.w.o.cfg.Interval {
		select {
		case err := <-done:
			h.judge(ctx, began, err)
			return
		case <-time.After(wait):
			if f, told := h.hang(ctx); told {
				h.w.noteWrite(ctx, f, began)
			}
		}
	}
}

func (h *heartbeat) attempt(ctx context.Context) error {
	if h.conn == nil {
		conn, err := h.w.db.Conn(ctx)
		if err != nil {
			return err
		}
		id, err := mysql.Unlogged(ctx, conn)
		if err != nil {
			discard(conn)
			return err
		}
		h.conn = conn
		h.id.Store(id)
	}
	return mysql.WriteHeartbeat(ctx, h.conn, time.Now())
}

// judge says what came of a write.
func (h *heartbeat) judge(ctx context.Context, began time.Time, err error) {
	if err == nil {
		f, since := h.stuckCommits(ctx)
		h.w.noteWrite(ctx, f, since)
		return
	}
	f := mysql.Classify(err)
	switch f.Kind {
	case mysql.DiskFull, mysql.DiskReadOnly, mysql.DiskFailing:
		h.w.noteWrite(ctx, f, began)
		return
	case mysql.Other:
		// Without a schema, or on a server that was made read-only meanwhile, there is
		// nothing to be said of its disk.
		const unknownDatabase, unknownTable, readOnly = 1049, 1146, 1290
		if f.Code != 0 && f.Code != unknownDatabase && f.Code != unknownTable && f.Code != readOnly {
			h.w.noteWrite(ctx, f, began)
			return
		}
	}
	// That it doesn't answer is for the questions to find out.
	h.disconnect()
}

// hang looks why a write doesn't end; told is false where that can't be seen,
// since then the questions aren't answered either.
func (h *heartbeat) hang(ctx context.Context) (f *mysql.Fault, told bool) {
	all, err := h.connections(ctx)
	if err != nil {
		return nil, false
	}
	state := "unknown"
	for _, c := range all {
		if c.AwaitsAcknowledgement() {
			return nil, true
		}
		if c.ID == h.id.Load() {
			state = c.State
		}
	}
	return hangs(fmt.Sprintf("a write hangs in the state %q", state)), true
}

func hangs(message string) *mysql.Fault {
	return &mysql.Fault{Kind: mysql.WriteHangs, Message: message,
		Mend: "look at the server's disk, its error log and SHOW PROCESSLIST: a full disk, a hung file system, or a lock (FLUSH TABLES WITH READ LOCK)"}
}

// stuckCommits looks for commits of clients that don't end, for the whole
// timeout, for another reason than an acknowledgement: those of a leader whose
// binlog can't be written. f is nil where there are none.
func (h *heartbeat) stuckCommits(ctx context.Context) (f *mysql.Fault, since time.Time) {
	all, err := h.connections(ctx)
	if err != nil {
		return nil, time.Time{}
	}
	now, seen := time.Now(), map[uint64]time.Time{}
	stuck := 0
	state := ""
	for _, c := range all {
		if c.AwaitsAcknowledgement() {
			clear(h.hanging)
			return nil, time.Time{}
		}
		if !c.Commits() {
			continue
		}
		first, known := h.hanging[c.ID]
		if !known {
			first = now
		}
		seen[c.ID] = first
		// A busy client is met in a commit each time; it is the same one only if its
		// statement is as old, which is told in whole seconds.
		age := time.Duration(c.Seconds-1) * time.Second
		if min(age, now.Sub(first)) < h.w.o.cfg.Timeout {
			continue
		}
		stuck++
		state = c.State
		if since.IsZero() || first.Before(since) {
			since = first
		}
	}
	h.hanging = seen
	if stuck == 0 {
		return nil, time.Time{}
	}
	return hangs(fmt.Sprintf("%d commits of clients hang in the state %q", stuck, state)), since
}

func (h *heartbeat) connections(ctx context.Context) ([]mysql.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, h.w.o.cfg.Timeout)
	defer cancel()
	return mysql.Connections(ctx, h.w.db)
}
