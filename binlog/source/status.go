package source

import (
	"errors"
	"sync"
	"time"

	"github.com/batondb/baton/binlog"
)

// A State is what a Source does.
type State string

// The states of a Source.
const (
	Connecting State = "connecting" // connecting, or waiting until it tries again
	Streaming  State = "streaming"  // the leader sends
	Stopped    State = "stopped"    // the cause in Status.Reason must be mended, or Run is not running
)

// A Status is what a Source does and has done, at one moment.
type Status struct {
	State State
	Since time.Time // when State, or Reason, last changed
	// Reason, Error and Mend say why it is not streaming. Reason and Mend are
	// empty where the cause passes by itself, all three while it streams.
	Reason Reason
	Error  string
	Mend   string
	// Attempts is how many times it failed since it last got on.
	Attempts int
	// LeaderUUID and LeaderVersion are what the leader said of itself when it
	// was last connected to; empty before.
	LeaderUUID    string
	LeaderVersion string
	// Position is the end of the last event received, in the leader's files.
	Position binlog.Position
	// LastEvent is when something, be it a heartbeat, last came; zero for never.
	LastEvent time.Time
	// Connections, Events, Transactions and Bytes count since New: streams that
	// began, events received (heartbeats are none), whole transactions, and the
	// bytes of these events.
	Connections, Events, Transactions, Bytes uint64
	SemiSync                                 SemiSync
}

// SemiSync is the state of acknowledging.
type SemiSync struct {
	Wanted bool
	// Active tells whether the leader waits, or would wait, for us. As far as it
	// can be known: it is asked anew every Config.Retry.
	Active bool
	// Problem and Mend say why it is wanted and not active.
	Problem string
	Mend    string
	// Position is the last one acknowledged, at Last.
	Position binlog.Position
	Last     time.Time
	// Acknowledgements counts those sent since New. Latency is the time from
	// the arrival of a position to its acknowledgement: of the last one, and
	// summed up over all.
	Acknowledgements uint64
	Latency          time.Duration
	LatencySum       time.Duration
}

// board is the Status as it is being written.
type board struct {
	mu sync.Mutex
	st Status
}

func (b *board) update(f func(*Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.st)
}

func (b *board) read() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.st
}

// enter sets the state; err is why it is not streaming, nil when it is.
func (b *board) enter(state State, err error) {
	b.update(func(st *Status) {
		var stop *Error
		reason, mend, text := Reason(""), "", ""
		if err != nil {
			text = err.Error()
		}
		if errors.As(err, &stop) {
			reason, mend = stop.Reason, stop.Mend
		}
		if st.State != state || st.Reason != reason || st.Since.IsZero() {
			st.Since = time.Now()
		}
		st.State, st.Reason, st.Error, st.Mend = state, reason, text, mend
	})
}

// Status returns what the Source does now. It may be called at any time.
func (s *Source) Status() Status { return s.board.read() }
