package admin

import (
	"encoding/json"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// Text is a string that is null in JSON when it is empty: unknown or none.
type Text string

// MarshalJSON implements [json.Marshaler].
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// Status is what `baton status` shows. Pointers are nil, and Texts empty, where
// a thing is unknown or doesn't apply; both are null in JSON.
type Status struct {
	Cluster string `json:"cluster"`
	Epoch   int64  `json:"epoch"`
	Leader  Text   `json:"leader"` // the instance's name
	// LeaderHealth is the verdict about the leader, and what it rests on.
	LeaderHealth LeaderHealth `json:"leader_health"`
	Durability   Durability   `json:"durability"`
	Source       Source       `json:"source"`
	Relay        Relay        `json:"relay"`
	Instances    []Instance   `json:"instances"` // as in the configuration
	Forecast     Forecast     `json:"forecast"`
	// Endpoints are the ports for clients, as in the configuration.
	Endpoints []Endpoint `json:"endpoints"`
	// HandOver is the one under way; nil when none is.
	HandOver *HandOver `json:"hand_over"`
	// LastHandOver is the last that another instance came to lead by; nil for
	// never, or unknown.
	LastHandOver *LastHandOver `json:"last_hand_over"`
	// FailoverPaused tells that an operator has suspended automatic failovers.
	FailoverPaused bool      `json:"failover_paused"`
	Daemon         Daemon    `json:"daemon"`
	Time           time.Time `json:"time"` // when this was so; set by the Server when zero
}

// The healths of a leader, as failover/plan tells them apart.
const (
	Alive   = "alive"
	Suspect = "suspect" // something fails, but not everything, or not for long enough
	Died    = "died"    // its host answers, and no server listens there
	Silent  = "silent"  // nothing comes from it: it may be dead, or wake up
)

// Healths returns the healths of a leader, the best first.
func Healths() []string { return []string{Alive, Suspect, Died, Silent} }

// LeaderHealth is the verdict about the leader.
type LeaderHealth struct {
	Health Text `json:"health"` // one of Healths
	Reason Text `json:"reason"` // in words; none when it is alive
}

// HandOver is a hand-over under way.
type HandOver struct {
	Kind  string    `json:"kind"` // switchover or failover
	From  string    `json:"from"`
	To    Text      `json:"to"` // empty while no candidate is chosen
	Step  Text      `json:"step"`
	Since time.Time `json:"since"` // when it began
}

// LastHandOver is a hand-over that is done.
type LastHandOver struct {
	Kind string    `json:"kind"`
	From string    `json:"from"`
	To   string    `json:"to"`
	At   time.Time `json:"at"` // when it was done
	// Seconds is how long it took, UnwritableSeconds for how long of it no
	// instance could be written to; nil when unknown.
	Seconds           *float64 `json:"seconds"`
	UnwritableSeconds *float64 `json:"unwritable_seconds"`
}

// The states of durability.
const (
	Protected   = "protected"   // a commit on the leader waits until it is in the relay
	Unprotected = "unprotected" // it doesn't
)

// Durability is what a commit on the leader can rely on.
type Durability struct {
	Mode  Text       `json:"mode"`  // as configured: strict, balanced, async
	State Text       `json:"state"` // Protected or Unprotected
	Since *time.Time `json:"since"` // of State
}

// The states of the source.
const (
	SourceConnected  = "connected"
	SourceConnecting = "connecting" // not connected; baton tries by itself
	SourceStopped    = "stopped"    // not connected; waits for the operator
)

// Source is the binlog stream from the leader.
type Source struct {
	State Text       `json:"state"`
	Since *time.Time `json:"since"` // of State
	Error Text       `json:"error"` // why it isn't connected
	Mend  Text       `json:"mend"`
	// ServerID is the server_id under which the leader is read.
	ServerID uint32 `json:"server_id"`
	// Connects counts the connections made since the daemon started.
	Connects int64 `json:"connects"`
	// Acknowledged counts the semi-sync acknowledgements sent since the daemon
	// started.
	Acknowledged int64 `json:"acknowledged"`
}

// Relay is the durable log.
type Relay struct {
	Received *gtid.Set `json:"received"`
	Durable  *gtid.Set `json:"durable"`
	Bytes    int64     `json:"bytes"`    // on disk
	Segments int       `json:"segments"` // number of them
	// MemoryBytes is what its newest transactions occupy in memory.
	MemoryBytes int64 `json:"memory_bytes"`
	// Purged is what the relay no longer holds.
	Purged *gtid.Set `json:"purged"`
	// Oldest is when the oldest segment was begun.
	Oldest *time.Time `json:"oldest"`
	// Error is why nothing can be made durable, since FailedSince.
	Error       Text       `json:"error"`
	Mend        Text       `json:"mend"`
	FailedSince *time.Time `json:"failed_since"`
	// Fsyncs counts the fsyncs since the daemon started, FsyncSeconds is the
	// time all of them took.
	Fsyncs       int64   `json:"fsyncs"`
	FsyncSeconds float64 `json:"fsync_seconds"`
	// Transactions and WrittenBytes count what was appended since the daemon
	// started.
	Transactions int64 `json:"transactions"`
	WrittenBytes int64 `json:"written_bytes"`
}

// The roles of an instance.
const (
	Leader   = "leader"
	Follower = "follower"
)

// The states of an instance. A leader is Streaming while the source is
// connected, Stopped when the source waits for an operator, else Unreachable.
const (
	Streaming   = "streaming"
	CatchingUp  = "catching-up"
	Paused      = "paused"  // by an operator
	Stopped     = "stopped" // by an error that waits for an operator
	Unreachable = "unreachable"
	Quarantined = "quarantined"
	NeedsSeed   = "needs-seed" // what it lacks is gone from the relay and the leader
)

// States returns the states of an instance, the healthy ones first.
func States() []string {
	return []string{Streaming, CatchingUp, Paused, Stopped, Unreachable, Quarantined, NeedsSeed}
}

// The modes of an applier.
const (
	PerTransaction = "per-transaction"
	Batch          = "batch"
)

// What tells an applier which transactions depend on which.
const (
	ByLeader = "leader" // the leader's logical clock
	ByRows   = "rows"   // the keys of their rows
)

// Instance is one MySQL server of the cluster.
type Instance struct {
	Name         string    `json:"name"`
	Address      string    `json:"address"`
	Role         string    `json:"role"`  // Leader or Follower
	State        string    `json:"state"` // one of States
	GTIDExecuted *gtid.Set `json:"gtid_executed"`
	// LagSeconds is how long ago the oldest transaction that the follower lacks
	// was committed on the leader; 0 when it lacks none that is in the relay.
	LagSeconds *float64 `json:"lag_seconds"`
	// BehindTransactions is how many transactions of the relay it lacks.
	BehindTransactions *int64 `json:"behind_transactions"`
	// Mode is how a follower is applied to: PerTransaction or Batch.
	Mode Text `json:"mode"`
	// Clock is what tells which transactions depend on which in mode PerTransaction:
	// ByLeader or ByRows.
	Clock Text `json:"clock"`
	// BinlogReaders are who was seen to read the follower's own binlog, in which
	// batches aren't.
	BinlogReaders []string `json:"binlog_readers,omitempty"`
	// Batches were committed to it since the daemon started.
	Batches Batches `json:"batches"`
	// Errant are the transactions that it has and neither leader nor relay has;
	// empty when there are none.
	Errant *gtid.Set `json:"errant"`
	// Error is what keeps it from taking part, Mend what to do about it.
	Error Text `json:"error"`
	Mend  Text `json:"mend"`
	// FailedGTID and FailedTable say at which transaction it stopped.
	FailedGTID  Text `json:"failed_gtid"`
	FailedTable Text `json:"failed_table"`
	// Since is when State began.
	Since *time.Time `json:"since"`
	// AppliedPerSecond is the number of transactions applied to it a second,
	// over the last few seconds.
	AppliedPerSecond *float64 `json:"applied_per_second"`
	// Applied counts the transactions applied to it since the daemon started.
	Applied int64 `json:"applied"`
	// AppliedBytes is the size of them in the leader's binlog.
	AppliedBytes int64 `json:"applied_bytes"`
	// Retried counts the transactions that had to be applied again after a
	// passing error, since the daemon started.
	Retried int64 `json:"retried"`
	// Ahead counts the transactions that their rows' keys let start before the
	// leader's clock would have, since the daemon started.
	Ahead int64 `json:"ahead"`
	// Version is the server's, such as "9.7.4".
	Version Text `json:"version"`
}

// Batches are counts of batches.
type Batches struct {
	Commits      int64   `json:"commits"`
	Transactions int64   `json:"transactions"` // of the leader, in them
	Early        int64   `json:"early"`        // those of them that were executed before their batch's turn
	GaveWay      int64   `json:"gave_way"`     // batches of which some were, and had to be executed again in their turn
	Seconds      float64 `json:"seconds"`      // from being complete to the commit, summed up
}

// Forecast is what a failover now would do.
type Forecast struct {
	Candidate  Text        `json:"candidate"`  // the instance that would be promoted
	Candidates []Candidate `json:"candidates"` // all that could be, the preferred one first
	WouldLose  *int64      `json:"would_lose"` // transactions the leader has and the relay has not
	Refused    []Refusal   `json:"refused"`    // why not the others
	BlockedBy  Text        `json:"blocked_by"` // why none would happen by itself
}

// Candidate is an instance that could lead.
type Candidate struct {
	Instance string `json:"instance"`
	Lacks    int64  `json:"lacks"` // transactions of the relay that it would be given first
}

// Refusal is why an instance is no candidate.
type Refusal struct {
	Instance string `json:"instance"`
	Reason   string `json:"reason"`
}

// Daemon is the process that answers.
type Daemon struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

// MarshalJSON writes lists that are empty as [], never null.
func (s Status) MarshalJSON() ([]byte, error) {
	type plain Status
	if s.Instances == nil {
		s.Instances = []Instance{}
	}
	if s.Endpoints == nil {
		s.Endpoints = []Endpoint{}
	}
	if s.Forecast.Candidates == nil {
		s.Forecast.Candidates = []Candidate{}
	}
	if s.Forecast.Refused == nil {
		s.Forecast.Refused = []Refusal{}
	}
	return json.Marshal(plain(s))
}

// Instance returns the instance of that name.
func (s Status) Instance(name string) (Instance, bool) {
	for _, i := range s.Instances {
		if i.Name == name {
			return i, true
		}
	}
	return Instance{}, false
}
