package applier

import (
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// A State is what a follower is doing. The names are part of `baton status`.
type State string

// The states of a follower.
const (
	Connecting  State = "connecting"
	Streaming   State = "streaming"   // at the relay's head, or close to it
	CatchingUp  State = "catching-up" // further behind than Config.CatchingUp
	Paused      State = "paused"      // by an operator
	Stopped     State = "stopped"     // something must be mended; see Status.Failure
	Unreachable State = "unreachable" // no connection to it
	Quarantined State = "quarantined" // it holds transactions that the leader hasn't
	NeedsSeed   State = "needs-seed"  // neither relay nor leader holds what it lacks
)

// The modes: each leader transaction is one follower transaction, or several
// are.
const (
	ModePerTransaction = "per-transaction"
	ModeBatch          = "batch"
)

// The clocks: what tells which transactions depend on which.
const (
	ClockLeader = "leader" // its logical clock
	ClockRows   = "rows"   // the rows' keys, where that says little
)

// A Failure is why a follower doesn't go on.
type Failure struct {
	GTID    gtid.GTID // the transaction that was refused; zero when none was
	Tables  []string  // the tables of the rows that were refused
	Code    uint16    // the server's error number; 0 if it isn't the server's
	Message string    // what happened, in one line
	Mend    string    // what to do about it
	Since   time.Time // when it was first seen
}

// Status is a follower at one moment.
type Status struct {
	State State
	Since time.Time // when the state began
	Mode  string    // empty when nothing is being applied
	Clock string    // empty unless each leader transaction is one follower transaction
	// Readers are who was seen to read the follower's binlog, in which batches
	// aren't.
	Readers []string
	Failure *Failure // nil when nothing is wrong
	// Lag is how long ago, by the leader's own clock, it committed the oldest durable transaction that
	// the follower lacks; 0 when it lacks none, negative when unknown. Where the
	// follower wasn't given that transaction yet, it is the most that it can be.
	Lag time.Duration
	// Behind is how many durable transactions the follower lacks, negative when
	// unknown.
	Behind  int64
	Applied int64 // transactions applied since the daemon started
	Bytes   int64 // bytes of binlog applied since the daemon started
	Retries int64 // transactions tried again after locks or deadlocks
	// Ahead counts the transactions since the daemon started that the rows' keys let
	// start before the leader's clock would have.
	Ahead    int64
	InFlight int // transactions given to sessions and not committed yet
	Batches  Batches
	LastGTID gtid.GTID // the last transaction applied
	LastTime time.Time // when that was
}

// Batches counts since the daemon started.
type Batches struct {
	Commits      int64         // batches that were committed
	Transactions int64         // of the leader, in them
	Early        int64         // those of them that were executed before their batch's turn
	GaveWay      int64         // batches of which some were, and had to be executed again in their turn
	Took         time.Duration // from the moment that a batch was complete to its commit, the wait for its turn included
}

// progress is what an Applier keeps for its Status. Applier.mu guards it.
type progress struct {
	state    State
	since    time.Time
	failure  *Failure
	running  bool      // transactions flow
	lacking  bool      // transactions were given to the follower that it lacks
	oldest   time.Time // the leader's commit time of the oldest of them; zero when unknown
	known    bool      // a round has begun: what follows means something
	given    gtid.Set  // what the follower has or was given
	atHead   time.Time // when the follower last lacked nothing, by the leader's clock; zero when that wasn't seen
	applied  int64
	bytes    int64
	retries  int64
	ahead    int64
	batches  Batches
	mode     string
	clock    string
	inFlight int
	held     int // transactions that the follower was given and lacks

	lastGTID   gtid.GTID
	lastTime   time.Time
	lastCommit time.Time // when the leader committed lastGTID
}

// lag computes Status.Lag at a moment, by the leader's clock, when durable was
// durable.
func (p *progress) lag(now time.Time, durable gtid.Set) time.Duration {
	if p.lacking {
		if p.oldest.IsZero() {
			return -1
		}
		return max(0, now.Sub(p.oldest))
	}
	if p.known && p.given.ContainsSet(durable) {
		p.atHead = now
		return 0
	}
	// What it lacks comes after the last that it was given, and became durable
	// after it was last at the head.
	since := p.atHead
	if p.lastCommit.After(since) {
		since = p.lastCommit
	}
	if since.IsZero() {
		return -1
	}
	return max(0, now.Sub(since))
}

// Status tells how the follower is doing.
func (a *Applier) Status() Status {
	durable := a.deps.Relay.Durable()
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &a.progress
	s := Status{State: p.state, Since: p.since, Lag: p.lag(a.deps.LeaderNow(), durable), Applied: p.applied, Bytes: p.bytes, Retries: p.retries, Ahead: p.ahead,
		InFlight: p.inFlight, Batches: p.batches, Readers: a.readers, LastGTID: p.lastGTID, LastTime: p.lastTime}
	if p.failure != nil {
		failure := *p.failure
		s.Failure = &failure
	}
	s.Behind = -1
	if p.known {
		s.Behind = durable.Subtract(p.given).Count() + int64(p.held)
	}
	if p.running {
		s.Mode, s.Clock = p.mode, p.clock
		if s.State == Streaming && s.Lag > a.cfg.CatchingUp {
			s.State = CatchingUp
		}
	}
	return s
}

// setState changes the state. a.mu is held.
func (a *Applier) setState(state State) {
	if a.progress.state != state {
		a.progress.state, a.progress.since = state, time.Now()
	}
}
