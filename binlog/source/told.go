package source

import (
	"errors"
	"sync"

	"github.com/batondb/baton/internal/history"
)

// passing stands in told.last for a trouble without a Reason.
const passing Reason = "passing"

// told is what the history, and by it the log, was told last, so that a trouble is
// said once and not at each try.
type told struct {
	leader   string
	recorder history.Recorder

	mu    sync.Mutex
	last  Reason // of the trouble that was said last; empty when the stream got on since
	extra string // the transactions that were last said to be missing on the leader
}

// failed says why there is no stream, unless that was said already. A leader
// that can't be reached is no news while the cause of a stop isn't mended.
func (t *told) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var stop *Error
	if !errors.As(err, &stop) {
		if t.last == "" {
			t.last = passing
			t.say(history.Event{Level: history.Warn, Kind: history.SourceLost,
				Message: "the stream from the leader is interrupted: " + err.Error()})
		}
		return
	}
	if t.last == stop.Reason {
		return
	}
	t.last = stop.Reason
	t.say(history.Event{Level: history.Error, Kind: history.SourceStopped, GTID: stop.GTIDs.String(),
		Message: "the stream from the leader is stopped: " + stop.Error(), Mend: stop.Mend})
}

// gotOn says that the stream lives.
func (t *told) gotOn(message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = ""
	t.say(history.Event{Level: history.Info, Kind: history.SourceConnected, Message: message})
}

// ahead says that the relay has transactions of others that the leader lacks.
func (t *told) ahead(set string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if set == "" || t.extra == set {
		t.extra = set
		return
	}
	t.extra = set
	t.say(history.Event{Level: history.Warn, Kind: history.InstanceProblem, GTID: set,
		Message: "the leader lacks transactions of other servers that the relay has",
		Mend:    "find out which followers have them (GTID_SUBTRACT of gtid_executed) before any of them is promoted"})
}

func (t *told) say(e history.Event) {
	if t.recorder == nil {
		return
	}
	e.Instance = t.leader
	t.recorder.Record(e)
}
