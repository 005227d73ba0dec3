package source

import (
	"sync"
	"time"

	"github.com/batondb/baton/binlog"
)

// An item is what the reader hands to the writer: an event for the relay, or a
// position to acknowledge, or both.
type item struct {
	event binlog.Event    // nil for none
	last  bool            // a transaction is whole with event
	ack   binlog.Position // to acknowledge once all before it is durable; zero for none
	at    time.Time       // when ack came
}

// A queue carries items from the reader to the writer. It is bounded in bytes
// of events; an event that is larger than the bound passes when the queue is
// empty.
type queue struct {
	mu       sync.Mutex
	changed  sync.Cond
	items    []item
	bytes    int64
	max      int64
	finished bool // nothing more comes in
	aborted  bool // nothing more is taken out
}

func newQueue(max int64) *queue {
	q := &queue{max: max}
	q.changed.L = &q.mu
	return q
}

// push waits for room and appends. It returns false once abort was called.
func (q *queue) push(it item) bool {
	size := int64(len(it.event))
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.aborted && q.bytes > 0 && q.bytes+size > q.max {
		q.changed.Wait()
	}
	if q.aborted {
		return false
	}
	q.items = append(q.items, it)
	q.bytes += size
	q.changed.Broadcast()
	return true
}

// take waits until there is something and takes all that is there; buf is
// memory of an earlier take that may be used again. It returns false when
// nothing more will come.
func (q *queue) take(buf []item) ([]item, bool) {
	clear(buf)
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.finished {
		q.changed.Wait()
	}
	if len(q.items) == 0 {
		return nil, false
	}
	got := q.items
	q.items, q.bytes = buf[:0], 0
	q.changed.Broadcast()
	return got, true
}

// finish ends the reader's side: take returns what is left, then false.
func (q *queue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.finished = true
	q.changed.Broadcast()
}

// abort ends the writer's side.
func (q *queue) abort() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.aborted = true
	q.changed.Broadcast()
}
