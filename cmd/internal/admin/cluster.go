package admin

import (
	"context"
	"iter"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
)

// Cluster is what the API shows and commands. The daemon implements it; every
// method may be called at any time and by several goroutines. Where an error is
// an *[Error], its code, message and mend reach the operator as they are.
type Cluster interface {
	// Status returns at once: it asks no instance.
	Status() Status
	Commands
	RelayLog
}

// Commands change what the daemon does. Each may be given again without harm.
type Commands interface {
	// Pause stops applying to the follower of that name after the transactions
	// under way; "" means every follower. It stays paused through restarts of
	// the daemon only where the daemon says so.
	Pause(ctx context.Context, instance string) error
	// Resume goes on with a follower that is paused, or stopped by an error,
	// where it is; "" means every follower.
	Resume(ctx context.Context, instance string) error
	// Skip commits an empty transaction g on the follower, which must be stopped
	// at it, and resumes.
	Skip(ctx context.Context, instance string, g gtid.GTID) error
	// Reload reads the configuration again, as SIGHUP does, and returns what was
	// changed and what needs a restart.
	Reload(ctx context.Context) (Reloaded, error)
}

// Reloaded is what came of a reload, each a setting in words.
type Reloaded struct {
	Changed      []string `json:"changed"`
	NeedsRestart []string `json:"needs_restart"`
}

// RelayLog looks into the relay.
type RelayLog interface {
	RelaySegments(ctx context.Context) ([]RelaySegment, error)
	// RelayTransactions yields what q asks for in the relay's order; an error is
	// yielded last.
	RelayTransactions(ctx context.Context, q RelayQuery) iter.Seq2[RelayTransaction, error]
}

// Events is the history, as [history.Store] keeps it.
type Events interface {
	history.Recorder
	Recent(n int) []history.Event
	Follow(ctx context.Context, after uint64) iter.Seq2[history.Event, error]
	Dropped() uint64
}

// RelaySegment is one file of the relay.
type RelaySegment struct {
	Number       uint64     `json:"number"`
	Name         string     `json:"name"`
	Bytes        int64      `json:"bytes"`
	Transactions *int64     `json:"transactions"` // nil when unknown
	GTIDs        *gtid.Set  `json:"gtids"`        // of the transactions in it; nil when unknown
	Newest       *time.Time `json:"newest"`       // when the newest transaction in it became durable; nil when there is none
	Current      bool       `json:"current"`      // it is being written
}

// RelayQuery says which transactions of the relay are wanted; its zero value
// all of them.
type RelayQuery struct {
	// GTIDs, when not nil, are the only ones wanted.
	GTIDs *gtid.Set
	// Segment, when not 0, is the number of the only segment looked into.
	Segment uint64
	// Limit, when not 0, is how many are wanted at most.
	Limit int
}

// RelayTransaction is one transaction of the relay in readable form.
type RelayTransaction struct {
	GTID           string       `json:"gtid"`
	Time           *time.Time   `json:"time"` // of the commit on the leader; nil when unknown
	Segment        uint64       `json:"segment"`
	Bytes          int64        `json:"bytes"`
	LastCommitted  int64        `json:"last_committed"`
	SequenceNumber int64        `json:"sequence_number"`
	Events         []RelayEvent `json:"events"`
}

// RelayEvent is one event of a transaction.
type RelayEvent struct {
	Type  string `json:"type"` // as in MySQL's documentation: Table_map, Write_rows, …
	Bytes int64  `json:"bytes"`
	Table string `json:"table,omitempty"` // schema.table that it changes
	Query string `json:"query,omitempty"` // the statement of a Query event, its beginning where it is long
}
