// Package schedule decides which transaction may run beside which, by the
// leader's logical clock.
//
// The clock (last_committed and sequence_number of the Gtid_event) says of each
// transaction which of those before it were committed when it began to commit,
// or, with write-set tracking, which of them it conflicts with: it may run
// beside every one whose sequence_number is above its last_committed. The
// numbers begin anew in each of the leader's binlog files; where they don't
// rise, and where a transaction is marked as a barrier, it waits for all before
// it, and all after it wait for it.
//
// A [Schedule] is pure: it knows no clock, socket or goroutine, and tells the
// same for the same calls.
package schedule

import "iter"

// A Transaction is what the schedule needs to know of one.
type Transaction struct {
	// LastCommitted and SequenceNumber are the leader's logical clock.
	LastCommitted, SequenceNumber int64
	// Barrier marks a transaction that runs alone.
	Barrier bool
}

// A Ticket names a pushed transaction; tickets rise in the order of Push.
type Ticket uint64

// Schedule holds the transactions between Push and Done. The zero value is
// ready to use. It is not safe for concurrent use.
type Schedule struct {
	first   Ticket  // ticket of waiting[0]
	entries []entry // in the leader's order; the first is never done
	next    int     // entries before it have started; the search begins here
	lastSeq int64   // sequence_number of the last pushed transaction
}

type entry struct {
	Transaction
	started, done bool
}

// Len is the number of transactions from the oldest that isn't done to the
// newest, those done in between included: what bounds a caller's memory.
func (s *Schedule) Len() int { return len(s.entries) }

// Push adds the next transaction in the leader's order.
func (s *Schedule) Push(t Transaction) Ticket {
	if t.SequenceNumber <= s.lastSeq || t.SequenceNumber <= t.LastCommitted || t.LastCommitted < 0 {
		// Another binlog file's clock, or none that makes sense.
		t.Barrier = true
	}
	s.lastSeq = t.SequenceNumber
	s.entries = append(s.entries, entry{Transaction: t})
	return s.first + Ticket(len(s.entries)-1)
}

// Start returns the oldest transaction that may start now and marks it as
// started; false if there is none before something is done or pushed.
func (s *Schedule) Start() (Ticket, bool) {
	if len(s.entries) == 0 {
		return 0, false
	}
	for s.next < len(s.entries) && s.entries[s.next].started {
		s.next++
	}
	// All with a smaller number than the oldest unfinished one are done.
	oldest := &s.entries[0]
	if oldest.Barrier && oldest.started {
		return 0, false
	}
	for i := s.next; i < len(s.entries); i++ {
		e := &s.entries[i]
		if e.started {
			continue
		}
		switch {
		case i == 0:
		case e.Barrier || oldest.Barrier:
			return 0, false
		case e.LastCommitted >= oldest.SequenceNumber:
			continue
		}
		e.started = true
		return s.first + Ticket(i), true
	}
	return 0, false
}

// At is a transaction that was pushed and isn't done. It is a Barrier where Push
// found that it is one.
func (s *Schedule) At(t Ticket) Transaction { return s.entries[t-s.first].Transaction }

// Started tells whether a transaction that isn't done is started.
func (s *Schedule) Started(t Ticket) bool { return s.entries[t-s.first].started }

// Relax says that a transaction depends on less than was known when it was pushed.
func (s *Schedule) Relax(t Ticket, lastCommitted int64) {
	e := &s.entries[t-s.first]
	e.LastCommitted = min(e.LastCommitted, lastCommitted)
}

// Unfinished yields those that aren't done, the oldest first.
func (s *Schedule) Unfinished() iter.Seq[Ticket] {
	return func(yield func(Ticket) bool) {
		for i := range s.entries {
			if !s.entries[i].done && !yield(s.first+Ticket(i)) {
				return
			}
		}
	}
}

// Done says that a started transaction is committed on the follower.
func (s *Schedule) Done(t Ticket) {
	s.entries[t-s.first].done = true
	n := 0
	for n < len(s.entries) && s.entries[n].done {
		n++
	}
	s.entries = s.entries[n:]
	s.first += Ticket(n)
	s.next = max(0, s.next-n)
}

// Oldest is the ticket of the oldest transaction that isn't done; false if all
// are.
func (s *Schedule) Oldest() (Ticket, bool) { return s.first, len(s.entries) > 0 }
