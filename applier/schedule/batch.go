package schedule

import "iter"

// Waiting yields those that aren't started, the oldest first, whatever they
// conflict with. It is, with StartNext, for those who commit in the leader's
// order.
func (s *Schedule) Waiting() iter.Seq[Ticket] {
	return func(yield func(Ticket) bool) {
		for i := s.next; i < len(s.entries); i++ {
			if !s.entries[i].started && !yield(s.first+Ticket(i)) {
				return
			}
		}
	}
}

// AnyWaiting tells whether there is one that isn't started.
func (s *Schedule) AnyWaiting() bool {
	for range s.Waiting() {
		return true
	}
	return false
}

// StartNext marks the first that Waiting yields as started.
func (s *Schedule) StartNext() {
	for s.next < len(s.entries) && s.entries[s.next].started {
		s.next++
	}
	if s.next < len(s.entries) {
		s.entries[s.next].started = true
	}
}

// Return undoes the start of a transaction that isn't done.
func (s *Schedule) Return(t Ticket) {
	s.entries[t-s.first].started = false
	s.next = min(s.next, int(t-s.first))
}

// Alone undoes the start of a transaction that isn't done, and has it start again
// when all before it are done, before any after it.
func (s *Schedule) Alone(t Ticket) {
	s.Return(t)
	s.entries[t-s.first].Barrier = true
}

// A Candidate is what decides whether a transaction goes into a batch.
type Candidate struct {
	Bytes int64
	// Rows tells whether it is rows of transactional tables and nothing else.
	Rows bool
	// Format numbers the event formats: those of one batch are of the same.
	Format int
}

// Limits bound a batch.
type Limits struct {
	Transactions int   // at least 1
	Bytes        int64 // of binlog
}

// A Pack is the batch that is being put together. The zero value is empty.
type Pack struct {
	count  int
	bytes  int64
	format int
}

// A Verdict says what becomes of a transaction.
type Verdict int

// The verdicts.
const (
	// Joins: it is part of the batch now.
	Joins Verdict = iota
	// Ends: the batch is complete without it.
	Ends
	// Alone: it is to be applied by itself, and the batch is empty.
	Alone
)

// Add takes the next transaction in the leader's order, as far as that goes.
func (p *Pack) Add(c Candidate, l Limits) Verdict {
	alone := !c.Rows || c.Bytes > l.Bytes || l.Transactions <= 1
	switch {
	case alone && p.count == 0:
		return Alone
	case alone, p.count > 0 && (c.Format != p.format || p.bytes+c.Bytes > l.Bytes), p.count >= l.Transactions:
		return Ends
	}
	p.count++
	p.bytes += c.Bytes
	p.format = c.Format
	return Joins
}

// Full tells whether nothing more joins.
func (p *Pack) Full(l Limits) bool { return p.count >= l.Transactions || p.bytes >= l.Bytes }

// Len is the number of transactions in the batch.
func (p *Pack) Len() int { return p.count }

// A Width is how many transactions may go into a batch: the configured number,
// and after a refusal less, until the transaction that is to blame stands alone
// or has passed.
type Width struct {
	// Max is the configured number, at least 1.
	Max     int
	now     int // 0 for Max
	suspect int // one of so many next transactions was refused
}

// Limit is how many may go into the next batch. With 1 the transaction is applied
// by itself.
func (w *Width) Limit() int {
	if w.now == 0 {
		return w.Max
	}
	return min(w.now, w.Max)
}

// Narrowed tells whether a refused transaction is being looked for.
func (w *Width) Narrowed() bool { return w.suspect > 0 }

// Refused says that the follower has refused one of n transactions, at least 2,
// that were to be committed together.
func (w *Width) Refused(n int) {
	w.suspect, w.now = n, max(1, n/2)
}

// Suspect says that the next transaction was refused before.
func (w *Width) Suspect() { w.suspect, w.now = 1, 1 }

// Done says that the next n transactions are committed.
func (w *Width) Done(n int) {
	if w.suspect == 0 {
		w.now = 0
		return
	}
	w.suspect = max(0, w.suspect-n)
	w.now = max(1, w.suspect/2)
	if w.suspect == 0 {
		w.now = 0
	}
}
