package plan

import (
	"fmt"
	"time"
)

// A Health is what the evidence says of the leader.
type Health string

// The healths of a leader.
const (
	// Alive: nothing says otherwise.
	Alive Health = "alive"
	// Suspect: something failed, but not everything, or not for long enough. That
	// is an alarm and no failover.
	Suspect Health = "suspect"
	// Died: its host answers and no server listens there, so that it can
	// acknowledge nothing.
	Died Health = "died"
	// Silent: nothing comes from it any more. It may be dead, frozen or cut off,
	// and may wake up.
	Silent Health = "silent"
)

// Words is what is the matter, after "the leader".
func (h Health) Words() string {
	switch h {
	case Died:
		return "has died"
	case "":
		return "is not known yet"
	}
	return "is " + string(h)
}

// Evidence is what was observed of the leader. Durations are up to now; 0 means
// that it isn't so.
type Evidence struct {
	// ProbesFailing is for how long no probe has been answered.
	ProbesFailing time.Duration
	// Refused is for how long its host has refused connections.
	Refused time.Duration
	// StreamFailing is for how long nothing has come on the binlog stream, not
	// even a heartbeat.
	StreamFailing time.Duration
	// WritesFailing is for how long the heartbeat row could not be written, for
	// another reason than waiting for an acknowledgement.
	WritesFailing time.Duration
	// ProbeFault and WriteFault say what failed, in words.
	ProbeFault, WriteFault string
}

// Thresholds say how long something has to fail.
type Thresholds struct {
	// Window is how long probes and stream both fail before a silent leader is
	// taken for dead.
	Window time.Duration
	// Refused is how long a host refuses connections, the stream failing too,
	// before its server is taken for dead; shorter than Window, since a refusal
	// says more than silence.
	Refused time.Duration
}

// A Verdict is a Health and why.
type Verdict struct {
	Health Health
	Reason string // in words; empty when alive
}

// Judge weighs the evidence. Only probes and stream failing together make a
// leader dead: either alone may be baton's own trouble.
func Judge(e Evidence, t Thresholds) Verdict {
	both := min(e.ProbesFailing, e.StreamFailing)
	switch {
	case e.Refused >= t.Refused && e.StreamFailing > 0 && e.Refused > 0:
		return Verdict{Died, fmt.Sprintf("its host refuses connections for %s and the stream broke", short(e.Refused))}
	case both >= t.Window && both > 0:
		return Verdict{Silent, fmt.Sprintf("neither probes (%s) nor the stream had an answer for %s", e.ProbeFault, short(both))}
	case both > 0:
		return Verdict{Suspect, fmt.Sprintf("neither probes (%s) nor the stream have an answer, for %s of %s", e.ProbeFault, short(both), short(t.Window))}
	case e.ProbesFailing > 0:
		return Verdict{Suspect, fmt.Sprintf("probes fail (%s) for %s, but the stream goes on: no failover", e.ProbeFault, short(e.ProbesFailing))}
	case e.StreamFailing > 0:
		return Verdict{Suspect, fmt.Sprintf("the stream is broken for %s, but probes are answered: no failover", short(e.StreamFailing))}
	case e.WritesFailing > 0:
		return Verdict{Suspect, fmt.Sprintf("it can't be written to (%s) for %s, but answers: no failover", e.WriteFault, short(e.WritesFailing))}
	}
	return Verdict{Health: Alive}
}

// short is a duration as people read it.
func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
