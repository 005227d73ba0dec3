package schedule

import "sort"

// A Stage is transactions of a batch that may be executed before the batch's turn
// to be committed.
type Stage struct {
	// Until is how many transactions of the batch, from its first, it and the
	// stages before it make up.
	Until int
	// Needs is how many of the batches under way, from the oldest, must be committed
	// before.
	Needs int
}

// stageShare is the least share of a batch that is worth a stage of its own, which
// costs the follower an answer and a statement more: one in so many.
const stageShare = 8

// Stages says what of a batch may be executed while batches before it, under way,
// aren't committed: they are given by their first tickets, which rise, and the
// batch by its own, which follow each other. What is in no stage needs all of them
// committed.
//
// A transaction may depend on each whose sequence_number isn't above its
// last_committed, and those of a batch are executed in their order, so that one
// waits for whatever one before it waits for.
func (s *Schedule) Stages(under, batch []Ticket) []Stage {
	if len(under) == 0 || s.barrierIn(under[0], batch[0]) {
		return nil
	}
	var stages []Stage
	needs := 0
	for i, t := range batch {
		e := s.entries[t-s.first]
		if e.Barrier {
			needs = len(under)
		}
		needs = max(needs, sort.Search(len(under), func(j int) bool {
			return s.entries[under[j]-s.first].SequenceNumber > e.LastCommitted
		}))
		if needs == len(under) {
			break
		}
		if n := len(stages); n > 0 && (stages[n-1].Needs == needs || tooSmall(stages, len(batch))) {
			stages[n-1].Needs = needs
		} else {
			stages = append(stages, Stage{Needs: needs})
		}
		stages[len(stages)-1].Until = i + 1
	}
	if len(stages) > 0 && tooSmall(stages, len(batch)) {
		stages = stages[:len(stages)-1]
	}
	return stages
}

// tooSmall tells whether the last of the stages of a batch of n isn't worth it.
func tooSmall(stages []Stage, n int) bool {
	last, before := len(stages)-1, 0
	if last > 0 {
		before = stages[last-1].Until
	}
	return (stages[last].Until-before)*stageShare < n
}

// barrierIn tells whether a transaction from one ticket until before another is a
// barrier: the sequence_numbers on its two sides can't be compared.
func (s *Schedule) barrierIn(from, to Ticket) bool {
	for _, e := range s.entries[from-s.first : to-s.first] {
		if e.Barrier {
			return true
		}
	}
	return false
}

// An Overlap decides whether batches begin before those before them are committed.
// Where a batch had to give way to one before it, which waited for its locks, the
// next ones don't, and the more of them the more often it happens: the follower has
// reasons to wait that the leader's clock doesn't know. The zero value is ready to
// use.
type Overlap struct {
	pause int // how many batches the last time held off
	left  int // how many it still does
}

// The least and the most batches that one which gave way holds off.
const leastPause, longestPause = 8, 1024

// Allowed tells whether the next batch may.
func (o *Overlap) Allowed() bool { return o.left == 0 }

// Began says that a batch has begun, early or not.
func (o *Overlap) Began() { o.left = max(0, o.left-1) }

// GaveWay says that a batch which had begun early had to begin anew.
func (o *Overlap) GaveWay() {
	o.pause = min(max(2*o.pause, leastPause), longestPause)
	o.left = o.pause
}

// Kept says that a batch which had begun early is committed.
func (o *Overlap) Kept() { o.pause = max(0, o.pause-1) }
