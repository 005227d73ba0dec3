package relay

import (
	"time"
)

// Stats is what the relay tells of itself, for metrics and status. Counts are
// since Open.
type Stats struct {
	Segments int
	Bytes    int64     // durable bytes in all segments
	Oldest   string    // path of the oldest segment; empty if there is none
	OldestAt time.Time // when the newest transaction in it became durable

	TailTransactions int   // held in memory
	TailBytes        int64 // of them

	Transactions uint64        // made durable
	Dropped      uint64        // that the leader sent although the relay had them
	Syncs        uint64        // fsyncs of groups
	SyncTime     time.Duration // in those fsyncs
	LastSync     time.Duration // in the last of them

	// Failed is the error for which the relay can't be written at present, nil if
	// it can, and FailedSince when that began.
	Failed      error
	FailedSince time.Time
}

// counts is the part of Stats that only grows; Relay.mu guards it.
type counts struct {
	transactions, dropped, syncs uint64
	syncTime, lastSync           time.Duration
}

func (c *counts) synced(took time.Duration, transactions int) {
	c.transactions += uint64(transactions)
	c.syncs++
	c.syncTime += took
	c.lastSync = took
}

func (r *Relay) countDropped() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.dropped++
}

// Stats returns the state of now.
func (r *Relay) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{
		Segments:         len(r.segments),
		TailTransactions: len(r.tail.entries), TailBytes: r.tail.held,
		Transactions: r.counts.transactions, Dropped: r.counts.dropped,
		Syncs: r.counts.syncs, SyncTime: r.counts.syncTime, LastSync: r.counts.lastSync,
	}
	for _, seg := range r.segments {
		s.Bytes += seg.limit
	}
	if len(r.segments) > 0 {
		s.Oldest, s.OldestAt = r.segments[0].path, r.segments[0].newest
	}
	if r.failure != nil {
		s.Failed, s.FailedSince = r.failure, r.failure.Since
	}
	return s
}
