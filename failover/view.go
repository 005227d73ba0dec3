package failover

import (
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/mysql"
)

// A View is what was known of the cluster at one moment. It is the reader's
// own, but for the facts and sets, which nobody writes.
type View struct {
	At        time.Time
	Leader    string // name of the leader; empty while it is not known
	Instances []Instance
}

// An Instance is what is known of one instance.
type Instance struct {
	Name    string
	Address string
	Leader  bool
	// Observed tells whether it has answered, or failed to, since it is observed.
	Observed bool
	// Fault is why it doesn't answer now; nil when it does, and before Observed.
	Fault *mysql.Fault
	// Since is when it began to answer, or not to.
	Since time.Time
	// FailingSince is when the first question was asked that was not answered since
	// the last answer; zero while it answers. It is for any Fault: whether that
	// says that the server is not there, Fault.Down tells.
	FailingSince time.Time
	// RefusedSince is when its host began to refuse connections, and has done
	// nothing else since; zero while it does not.
	RefusedSince time.Time
	// WriteFault is why the leader, though it answers, can't be written to, and
	// WriteSince since when; nil while it can, while that is not tried (see
	// Config.Heartbeat), and where it only waits for an acknowledgement.
	WriteFault *mysql.Fault
	WriteSince time.Time
	// Answered is when it last answered; zero for never.
	Answered time.Time
	// Facts is the last that it said; nil while it has never answered. The GTID
	// sets and read_only are of the last answer, the rest at most half a minute
	// older.
	Facts *mysql.Facts
	// Errant is what it has executed and neither the leader nor the relay has;
	// always empty for the leader, and while that can't be told.
	Errant gtid.Set
}

// Reachable tells whether the instance answers.
func (i Instance) Reachable() bool { return i.Observed && i.Fault == nil }

// Instance returns the instance of that name.
func (v View) Instance(name string) (Instance, bool) {
	for _, i := range v.Instances {
		if i.Name == name {
			return i, true
		}
	}
	return Instance{}, false
}

// A State is why an instance can't take part, in the words of `baton status`.
type State string

// The states of an instance that can't take part.
const (
	Unreachable State = "unreachable"
	Quarantined State = "quarantined" // it has errant transactions
	NeedsSeed   State = "needs-seed"  // what it lacks can't be given to it any more
	Stopped     State = "stopped"     // anything else that an operator has to mend
)

// A Refusal is why an instance can't take part.
type Refusal struct {
	Instance string
	State    State
	Subject  string // one of internal/mysql's Subject constants
	Message  string // what is wrong, one line without the instance's name
	Mend     string // what to do about it, with the SQL if any, one line
}

// Error names the instance and says what is wrong.
func (r *Refusal) Error() string { return r.Instance + ": " + r.Message }

// refusalOf turns the finding that blocks an instance into a refusal.
func refusalOf(f mysql.Finding) *Refusal {
	r := &Refusal{Instance: f.Instance, State: Stopped, Subject: f.Subject, Message: f.Message, Mend: f.Mend}
	switch f.Subject {
	case mysql.SubjectConnection:
		r.State = Unreachable
	case mysql.SubjectErrant:
		r.State = Quarantined
	case mysql.SubjectSeed:
		r.State = NeedsSeed
	}
	if f.SQL != "" {
		r.Mend += ": " + f.SQL
	}
	return r
}
