package schedule

import "time"

// A Choice is the configured way to apply.
type Choice int

// The choices.
const (
	Auto   Choice = iota // batches while the follower is behind
	Always               // batches at the head too
	Never                // each transaction by itself
)

// A Mode chooses between batches and transactions one by one. Its methods are
// told the time.
//
// Choice Auto begins with batches when the follower is further behind than After,
// and ends with them when it has been close to the head for a while. A follower
// that falls behind again soon after that stays longer each time, so that a load
// that only batches can follow isn't followed in turns.
type Mode struct {
	Choice Choice
	After  time.Duration

	batches bool
	close   time.Time     // since when the follower has been close to the head; zero when it isn't
	left    time.Time     // when batches were last ended
	stay    time.Duration // how long it has to be close
}

// How long a follower is close to the head before batches end, and within what
// time after that falling behind counts as soon: in both cases at least a second,
// for an After that is smaller.
const (
	closeShare  = 10 // of After: what is close to the head
	longestStay = 10 * time.Minute
	soonAfters  = 12 // times After
)

// Batches decides for a follower that lags so far behind. forbidden says that
// batches can't be used for it now, whatever the choice.
func (m *Mode) Batches(now time.Time, lag time.Duration, forbidden bool) bool {
	switch {
	case forbidden && m.Choice == Auto, m.Choice == Never:
		m.batches = false
	case m.Choice == Always:
		m.batches = true
	case !m.batches && lag > m.After:
		m.enter(now)
	case m.batches:
		m.stayOrLeave(now, lag)
	}
	return m.batches
}

func (m *Mode) enter(now time.Time) {
	base := max(m.After, time.Second)
	if !m.left.IsZero() && now.Sub(m.left) < soonAfters*base {
		m.stay = min(2*m.stay, longestStay)
	} else {
		m.stay = base
	}
	m.batches, m.close = true, time.Time{}
}

func (m *Mode) stayOrLeave(now time.Time, lag time.Duration) {
	switch {
	case lag > max(m.After/closeShare, time.Second/closeShare):
		m.close = time.Time{}
	case m.close.IsZero():
		m.close = now
	case now.Sub(m.close) >= m.stay:
		m.batches, m.left = false, now
	}
}
