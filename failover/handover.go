package failover

import (
	"context"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// A Kind is a kind of hand-over.
type Kind string

// The kinds of hand-overs.
const (
	Switchover Kind = "switchover" // planned: the old leader takes part
	Failover   Kind = "failover"   // unplanned: it may be dead
)

// A Step is how far a hand-over has come. It is written down before anything is
// done for it, so that the next start knows what may have been done.
type Step string

// The steps of a hand-over. Up to Drain nobody new was made writable and
// everything can be undone; from Promote on it is finished.
const (
	// Freeze: a switchover makes the old leader read-only.
	Freeze Step = "freeze"
	// Fence: a failover has cut the history, and makes sure that the old leader
	// commits nothing more.
	Fence Step = "fence"
	// Drain: the candidate is given everything up to the cut.
	Drain Step = "drain"
	// Promote: the candidate leads. It is made writable, and the rest follows it.
	Promote Step = "promote"
)

// A HandOver is one under way, as it is written down.
type HandOver struct {
	Kind Kind   `json:"kind"`
	From string `json:"from"`
	To   string `json:"to,omitempty"` // the candidate; empty while none is chosen
	// Epoch is the number of the leadership that it leads to.
	Epoch   int64     `json:"epoch"`
	Step    Step      `json:"step"`
	Started time.Time `json:"started"`
	// Cut is what belongs to history: the relay's durable set when the failover
	// stopped receiving, or the old leader's last gtid_executed in a switchover.
	Cut gtid.Set `json:"cut"`
	// Automatic tells that no operator asked for it.
	Automatic bool `json:"automatic"`
	// Heard is when the old leader was last known to take writes.
	Heard time.Time `json:"heard"`
	// Missing are transactions that the old leader was known to have and the relay
	// lacks, Label what their clients were told.
	Missing gtid.Set `json:"missing"`
	Label   string   `json:"label,omitempty"`
	// Reason is why, in words.
	Reason string `json:"reason"`
	// Unfinished is the promotion in the middle of which it began: what it is
	// handed over from may not have been made writable yet. nil where there was
	// none.
	Unfinished *HandOver `json:"unfinished,omitempty"`
}

// A Leadership is what must be remembered of who leads.
type Leadership struct {
	Epoch  int64  `json:"epoch"`
	Leader string `json:"leader"`
	// HandOver is the one under way; nil when none is.
	HandOver *HandOver `json:"hand_over,omitempty"`
	// Last is what the last hand-over came to; nil for never.
	Last *Result `json:"last_hand_over,omitempty"`
	// Deposed are the former leaders that have not been fenced since.
	Deposed []string `json:"deposed,omitempty"`
	// Labels say, by the former leader's name, what the clients of transactions
	// that it alone has were told.
	Labels map[string]string `json:"labels,omitempty"`
	// BootsFenced tells that the leader, started again by somebody, takes no
	// writes.
	BootsFenced bool `json:"boots_fenced,omitempty"`
	// WaitsForever tells that the leader's commits wait for the relay however
	// long: with strict durability also while no baton runs.
	WaitsForever bool `json:"waits_forever,omitempty"`
	// FailoverPaused tells that an operator has suspended automatic failovers.
	FailoverPaused bool `json:"failover_paused,omitempty"`
}

// A Lease says that this daemon and no other acts for the cluster, and keeps what
// must be remembered of who leads where whoever holds the lease next finds it.
// One machine's is a lock on the state directory; a lease of several machines
// keeps it in a store that they share, bound to the revision at which the holder
// came to hold it. Whoever makes one holds it already.
type Lease interface {
	// Held ends when the lease is no longer held, with the reason as its cause:
	// not later than another can hold it, so by the holder's own clock where the
	// store can't be reached. Everything that acts for the cluster ends with it.
	Held() context.Context
	// Leadership returns what is known to be written. It waits for nobody.
	Leadership() Leadership
	// Update changes it, in one step and durably. It fails if the lease is no longer
	// held or the epoch would go back, and with ctx where it has to wait for the
	// store. What follows from the change may be done only after Update has
	// returned nil; after an error it may have been made all the same, and what it
	// forbids may be done only after another Update, to which change is given what
	// is written by then. change may be called more than once, and may not write
	// into what others may hold: maps, slices and what is pointed to are replaced.
	Update(ctx context.Context, change func(*Leadership)) error
}

// A StepReport is one line of a hand-over's progress.
type StepReport struct {
	At      time.Time `json:"at"`
	Elapsed float64   `json:"elapsed_seconds"` // since the hand-over began
	Step    string    `json:"step"`            // what was begun or done, a word or two
	Detail  string    `json:"detail,omitempty"`
}

// Result is what a hand-over came to.
type Result struct {
	Kind  Kind     `json:"kind"`
	From  string   `json:"from"`
	To    string   `json:"to"`
	Epoch int64    `json:"epoch"`
	Cut   gtid.Set `json:"cut"`
	// At is when the new leader took writes, Seconds how long it took until then.
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"`
	// UnwritableSeconds is for how long no instance could be written to, as far
	// as baton knows: from the freeze, or the last sign of the old leader.
	UnwritableSeconds float64 `json:"unwritable_seconds"`
	// Missing are transactions that the old leader was known to have and the relay
	// lacks: what the failover could not keep.
	Missing gtid.Set `json:"missing"`
}

// An Order is what an operator asks for.
type Order struct {
	// To is whom the leadership goes to; empty: whom the plan prefers.
	To string
	// AllowLoss has a failover go on although commits that succeeded may be lost.
	AllowLoss bool
	// Timeout overrides the settings' of a switchover; 0 doesn't.
	Timeout time.Duration
}

// A Refused error says why a hand-over isn't begun, and what to do.
type Refused struct {
	Reason string
	Mend   string
}

// Error is the reason.
func (r *Refused) Error() string { return r.Reason }
