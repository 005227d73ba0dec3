// Package history records what happened to a cluster: typed events that the
// parts of baton hand to a [Recorder], kept by a [Store] as one line of JSON
// each, in the order they were recorded, through restarts of the daemon.
package history

import "time"

// A Kind names what happened. The names are part of the output of
// `baton events` and stay.
type Kind string

// The kinds of events.
const (
	DaemonStarted     Kind = "daemon-started"
	DaemonStopped     Kind = "daemon-stopped"
	ConfigReloaded    Kind = "config-reloaded"
	Command           Kind = "command"            // an operator, or a program, gave one; what came of it follows
	InstanceProblem   Kind = "instance-problem"   // an instance can't take part, with the reason and the mend
	InstanceRecovered Kind = "instance-recovered" // the problem is gone
	SourceConnected   Kind = "source-connected"
	SourceLost        Kind = "source-lost"    // the stream broke; baton connects again by itself
	SourceStopped     Kind = "source-stopped" // the stream can't go on before the cause is mended
	RelayRecovered    Kind = "relay-recovered"
	RelayFailed       Kind = "relay-failed" // nothing more can be made durable for now
	RelayPurged       Kind = "relay-purged"
	FollowerStarted   Kind = "follower-started"
	FollowerStopped   Kind = "follower-stopped" // the applier met something that it doesn't pass over
	FollowerLost      Kind = "follower-lost"    // its connection broke; baton connects again by itself
	FollowerMode      Kind = "follower-mode"    // it is applied to in batches, or no longer; or why it isn't
	FollowerPaused    Kind = "follower-paused"
	FollowerResumed   Kind = "follower-resumed"
	TransactionSkip   Kind = "transaction-skipped" // an operator had a transaction left out
	HandOverStep      Kind = "hand-over-step"      // a step of a hand-over was taken
	HandOverDone      Kind = "hand-over-done"      // another instance leads
	HandOverUndone    Kind = "hand-over-undone"    // it was given up, and the old leader still leads
	HandOverFailed    Kind = "hand-over-failed"    // it could not be completed
	LossReceipt       Kind = "loss-receipt"        // what a failover kept and could not keep
	LeaderAlarm       Kind = "leader-alarm"        // something is wrong with the leader, and it isn't taken for dead
	LeaderAnswers     Kind = "leader-answers"      // the alarm is over
	LeaderWritable    Kind = "leader-writable"     // baton made it so, after its restart
	FailoverBlocked   Kind = "failover-blocked"    // the leader is dead, and why nothing happens
	FailoverPaused    Kind = "failover-paused"     // by an operator
	FailoverResumed   Kind = "failover-resumed"
	Durability        Kind = "durability"     // commits began, or ceased, to wait for the relay
	LeaseLost         Kind = "lease-lost"     // another baton acts for the cluster
	EventsDropped     Kind = "events-dropped" // the disk didn't keep up: so many events stand in the log only
)

// Kinds are all kinds of events.
func Kinds() []Kind {
	return []Kind{
		DaemonStarted, DaemonStopped, ConfigReloaded, Command, InstanceProblem, InstanceRecovered,
		SourceConnected, SourceLost, SourceStopped, RelayRecovered, RelayFailed, RelayPurged,
		FollowerStarted, FollowerStopped, FollowerLost, FollowerMode, FollowerPaused, FollowerResumed, TransactionSkip,
		HandOverStep, HandOverDone, HandOverUndone, HandOverFailed, LossReceipt,
		LeaderAlarm, LeaderAnswers, LeaderWritable, FailoverBlocked, FailoverPaused, FailoverResumed,
		Durability, LeaseLost, EventsDropped,
	}
}

// A Level says whom an event is for.
type Level string

// The levels of events, those of the log.
const (
	Info  Level = "info"
	Warn  Level = "warn"  // something is wrong and baton deals with it
	Error Level = "error" // something is wrong and waits for an operator
)

// Levels are all levels of events.
func Levels() []Level { return []Level{Info, Warn, Error} }

// An Event is one thing that happened.
type Event struct {
	Seq      uint64    `json:"seq"`                // set by the Store: +1 an event, through restarts
	Time     time.Time `json:"time"`               // set by the Store when zero
	Level    Level     `json:"level"`              // Info when empty
	Kind     Kind      `json:"kind"`               //
	Instance string    `json:"instance,omitempty"` // the name of the instance it happened to
	GTID     string    `json:"gtid,omitempty"`     // the transaction, or GTID set, that it is about
	Message  string    `json:"message"`            // what happened, in one line
	Mend     string    `json:"mend,omitempty"`     // what to do about it
	Step     *Step     `json:"step,omitempty"`     // what Message says, of a HandOverStep
}

// A Step is one of a hand-over, for programs. It is not changed once recorded.
type Step struct {
	HandOver string  `json:"hand_over"`       // "switchover" or "failover"
	Elapsed  float64 `json:"elapsed_seconds"` // since the hand-over began
	Name     string  `json:"name"`            // what was begun or done, a word or two
	Detail   string  `json:"detail,omitempty"`
}

// A Recorder takes events. Record doesn't fail and doesn't wait for the disk.
type Recorder interface {
	Record(Event)
}
