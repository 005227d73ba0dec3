package relay

import (
	"sort"

	"github.com/batondb/baton/binlog"
)

// entryCost is what a transaction costs in memory besides its events, roughly.
const entryCost = 512

// An entry is a transaction and where it stands in the relay.
type entry struct {
	tx         *binlog.Transaction
	segment    uint64
	start, end int64           // offsets in the segment
	before     binlog.Position // the leader's position before it
	held       int64           // bytes of memory
}

func (e entry) begins() place { return place{e.segment, e.start} }
func (e entry) ends() place   { return place{e.segment, e.end} }

// A tail holds the newest durable transactions, oldest first. Relay.mu guards it.
type tail struct {
	limit   int64 // bytes that it may hold
	held    int64
	entries []entry
	// floor is the place behind which it holds every durable transaction.
	floor place
}

func (t *tail) push(e entry) {
	t.entries = append(t.entries, e)
	t.held += e.held
	for t.held > t.limit && len(t.entries) > 0 {
		old := t.entries[0]
		t.entries[0] = entry{}
		// append moves what is left to a new array before the old one is used up.
		t.entries = t.entries[1:]
		t.held -= old.held
		t.floor = old.ends()
	}
}

// from returns the entries at and behind a place that is not before floor.
func (t *tail) from(p place) []entry {
	i := sort.Search(len(t.entries), func(i int) bool { return !t.entries[i].begins().before(p) })
	return t.entries[i:]
}
