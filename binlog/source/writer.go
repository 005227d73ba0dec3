package source

import (
	"fmt"
	"time"

	"github.com/batondb/baton/binlog"
)

// syncBytes is how much of an unfinished transaction is appended before it is
// fsynced in part, so that the fsync at its end stays short.
const syncBytes = 32 << 20

// write puts what the reader received into the relay until the reader has
// finished and nothing is left: everything that is there at a time is appended,
// fsynced once and acknowledged once. It returns an Error when the relay fails,
// and another error when an acknowledgement can't be sent.
func (st *stream) write() error {
	var w batch
	var ackErr error
	var buf []item
	for {
		items, ok := st.queue.take(buf)
		if !ok {
			return ackErr
		}
		synced, err := w.put(st.source.deps.Relay, items)
		if err != nil {
			st.queue.abort()
			st.packets.stop(err)
			return relayFailed(err)
		}
		if synced {
			st.settle()
		}
		if !w.ack.IsZero() && ackErr == nil {
			// What follows is still worth to be made durable when the
			// connection is gone.
			if ackErr = st.acknowledge(w.ack, w.at); ackErr != nil {
				st.packets.stop(ackErr)
			}
		}
		buf = items
	}
}

// A batch is what one fsync covers.
type batch struct {
	whole    bool  // a transaction that isn't durable yet has ended
	unsynced int64 // bytes appended since the last fsync
	ack      binlog.Position
	at       time.Time
}

// put appends the items and makes them durable where a transaction is whole
// with them. Afterwards all before ack is durable: it is set where the items
// had a position to acknowledge, to the last one. synced tells whether whole
// transactions have become durable.
func (w *batch) put(relay Relay, items []item) (synced bool, err error) {
	w.ack = binlog.Position{}
	for _, it := range items {
		if it.event != nil {
			if err := relay.Append(it.event); err != nil {
				return false, fmt.Errorf("append a %s to the relay: %w", it.event.Type(), err)
			}
			w.unsynced += int64(len(it.event))
			w.whole = w.whole || it.last
		}
		if !it.ack.IsZero() {
			w.ack, w.at = it.ack, it.at
		}
	}
	if !w.whole && w.unsynced < syncBytes {
		return false, nil
	}
	if err := relay.Sync(); err != nil {
		return false, fmt.Errorf("sync the relay: %w", err)
	}
	synced = w.whole
	w.whole, w.unsynced = false, 0
	return synced, nil
}
