package schedule

import "sort"

// A Tracking chooses what tells which transactions depend on which: the leader's
// logical clock, or the keys of their rows, which cost more to look at. The zero
// value goes by the clock.
//
// It goes over to the rows when sessions have nothing to do though transactions
// wait and the clock lets few of them run side by side, and back when the clock
// lets enough of them, or when the rows don't know better.
type Tracking struct {
	rows          bool
	leader, used  breadth
	seen, starved int
	learning      bool
	useless       int // windows in a row in which the rows knew no better
	rest, resting int // how many windows the rows are left alone, and still are
}

// Tracking's measures: a window is so many transactions; the rows know better
// when they let half as many again run side by side; they are left alone when they
// don't for so many windows in a row, first for as many, each time twice as long.
const (
	trackingWindow = 256
	betterPercent  = 150
	uselessWindows = 4
	longestRest    = 256
)

// ByRows tells whether the next transaction's rows are to be looked at.
func (t *Tracking) ByRows() bool { return t.rows }

// A Moment is how things stand when a transaction is pushed.
type Moment struct {
	Sessions int  // how many there are, at least 1
	Starved  bool // one of them had nothing to do though a transaction waited
	Learning bool // the rows' tables aren't known yet: it is too early to say that they know no better
}

// Next takes a transaction into account as the leader's clock has it and as it was
// pushed.
func (t *Tracking) Next(leader, used Transaction, m Moment) {
	t.leader.push(leader)
	t.used.push(used)
	t.seen++
	if m.Starved {
		t.starved++
	}
	t.learning = t.learning || m.Learning
	if t.seen >= trackingWindow {
		t.choose(m.Sessions)
		t.leader, t.used, t.seen, t.starved, t.learning = breadth{}, breadth{}, 0, 0, false
	}
}

// Distrust goes back to the clock for long: what the rows said was wrong.
func (t *Tracking) Distrust() { t.leave(longestRest) }

func (t *Tracking) leave(rest int) {
	t.rows, t.rest, t.resting = false, rest, rest
}

func (t *Tracking) choose(sessions int) {
	clock := t.leader.percent()
	switch {
	case !t.rows:
		if t.resting > 0 {
			t.resting--
			return
		}
		t.rows = 2*t.starved >= t.seen && 2*clock < 100*sessions
		t.useless = 0
	case 4*clock >= 300*sessions:
		t.leave(0)
	case 100*t.used.percent() >= betterPercent*clock:
		t.useless, t.rest = 0, 0
	case t.learning:
	default:
		if t.useless++; t.useless >= uselessWindows {
			t.leave(min(max(2*t.rest, uselessWindows), longestRest))
		}
	}
}

// A breadth measures how many of the transactions pushed could run side by side:
// their number by that of those of them that have to follow one another.
type breadth struct {
	count, depth int
	floor        int   // what all that follow come after
	last         int64 // sequence_number of the last
	// Of those since the last barrier: the sequence_numbers, and the most that have
	// to follow one another among those up to each.
	sequences []int64
	depths    []int
}

func (b *breadth) push(t Transaction) {
	b.count++
	if t.Barrier || t.SequenceNumber <= b.last {
		b.depth++
		b.floor, b.last = b.depth, t.SequenceNumber
		b.sequences, b.depths = b.sequences[:0], b.depths[:0]
		return
	}
	depth := b.floor
	if i := sort.Search(len(b.sequences), func(i int) bool { return b.sequences[i] > t.LastCommitted }); i > 0 {
		depth = b.depths[i-1]
	}
	b.depth = max(b.depth, depth+1)
	b.last = t.SequenceNumber
	b.sequences, b.depths = append(b.sequences, t.SequenceNumber), append(b.depths, b.depth)
}

// percent is the mean in hundredths.
func (b *breadth) percent() int { return 100 * b.count / max(1, b.depth) }
