package writeset

// DefaultSize is a History's Size that holds what a follower is given at a time,
// of transactions of a few dozen rows; it takes about 2 MB.
const DefaultSize = 25000

// A History holds what the last transactions used. It is not safe for concurrent
// use.
type History struct {
	// Size is about how many uses are remembered, at least 1; up to twice as many
	// are held, and those of one transaction.
	Size int

	last    int64 // sequence_number of the last transaction
	since   int64 // every transaction depends on it: what was used up to it isn't known
	recent  map[uint64]times
	earlier map[uint64]times
	dropped int64 // the last transaction with a use in earlier
}

// times are the sequence_numbers of the last transactions that changed and that
// relied on something; 0 for none.
type times struct{ changed, relied int64 }

// Forget says that all transactions so far are committed before any later one
// starts, and that the next may have another clock.
func (h *History) Forget() {
	h.last, h.since, h.dropped = 0, 0, 0
	h.recent, h.earlier = nil, nil
}

// Next takes the next transaction in the leader's order and returns the
// sequence_number of the last earlier one that it depends on, 0 for none since
// Forget; ok is false where that isn't known. The sequence_numbers of one clock
// rise; where they don't, nothing is known, and nothing that came before is
// remembered.
func (h *History) Next(sequence int64, s *Set) (lastCommitted int64, ok bool) {
	if sequence <= h.last || s.opaque {
		h.Forget()
		h.last, h.since = sequence, sequence
		return 0, false
	}
	lastCommitted = h.since
	for use, changed := range s.uses {
		t := h.at(use)
		lastCommitted = max(lastCommitted, t.changed)
		if changed {
			lastCommitted = max(lastCommitted, t.relied)
		}
	}
	h.remember(sequence, s)
	h.last = sequence
	return lastCommitted, true
}

func (h *History) at(use uint64) times {
	if t, ok := h.recent[use]; ok {
		return t
	}
	return h.earlier[use]
}

// remember notes what a transaction used. The older half is dropped when the
// newer is full, so that not everything is forgotten at once.
func (h *History) remember(sequence int64, s *Set) {
	if len(h.recent) >= h.Size {
		h.since = max(h.since, h.dropped)
		h.earlier, h.recent, h.dropped = h.recent, nil, h.last
	}
	if h.recent == nil {
		h.recent = make(map[uint64]times, min(h.Size, MaxUses))
	}
	for use, changed := range s.uses {
		t := h.at(use)
		if changed {
			t.changed = sequence
		} else {
			t.relied = sequence
		}
		h.recent[use] = t
	}
}
