package binlog

import (
	"fmt"
	"iter"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A Position is a place in the leader's binlog files. Only acknowledgements
// speak in it; everything else goes by GTID sets.
type Position struct {
	File   string // name of the leader's binlog file, such as "binlog.000012"; empty when unknown
	Offset uint64 // bytes from the file's start
}

// IsZero tells whether the position is unknown.
func (p Position) IsZero() bool { return p.File == "" }

// String is "file:offset".
func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Offset) }

// GTIDInfo is what a Gtid_event or Gtid_tagged_event says of the transaction
// that it starts.
type GTIDInfo struct {
	GTID gtid.GTID
	// LastCommitted and SequenceNumber are the leader's logical clock: the
	// transaction may run beside all those with a SequenceNumber above its
	// LastCommitted. The numbers begin anew in each of the leader's binlog files.
	LastCommitted, SequenceNumber int64
	// OriginalCommit and ImmediateCommit are when the transaction was committed
	// on the server where it began, and on the leader. Zero when unknown.
	OriginalCommit, ImmediateCommit time.Time
	// OriginalVersion and ImmediateVersion are the versions, such as 90704, of the
	// server where the transaction began and of the leader; 0 when unknown.
	OriginalVersion, ImmediateVersion uint32
	// Length is the number of bytes of all of the transaction's events,
	// checksums included, as the leader states it; 0 when it doesn't.
	Length uint64
}

// A Transaction is one GTID and its events, the Gtid_event first. It is shared
// by all who apply it and never modified.
type Transaction struct {
	GTIDInfo
	// Format is the format of the events.
	Format Format
	// Size is the number of bytes of all the events.
	Size int64
	// End is where the transaction ends in the leader's binlog; zero when unknown.
	End Position
	// Body yields the events in order, from memory or, for a transaction that is
	// too large to be held, from the relay's segment, one at a time. It may be
	// called several times and by several goroutines. An Event from memory stays
	// valid; one from disk is valid until the next is asked for. After an error
	// nothing follows.
	Body iter.Seq2[Event, error]
}

// Events returns a Body that yields events held in memory.
func Events(events []Event) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// IsGTID tells whether e starts a transaction.
func IsGTID(e Event) bool {
	t := e.Type()
	return t == replication.GTID_EVENT || t == replication.GTID_TAGGED_LOG_EVENT
}

// ParseGTID reads a Gtid_event or Gtid_tagged_event written in format f. The
// error wraps ErrMalformed.
func ParseGTID(e Event, f Format) (info GTIDInfo, err error) {
	body, err := e.Body(f)
	if err != nil {
		return GTIDInfo{}, err
	}
	// go-mysql's decoders index without looking at the length.
	defer func() {
		if r := recover(); r != nil {
			info, err = GTIDInfo{}, fmt.Errorf("%w: %s: %v", ErrMalformed, e.Type(), r)
		}
	}()
	var ev replication.GTIDEvent
	switch e.Type() {
	case replication.GTID_EVENT:
		err = ev.Decode(body)
	case replication.GTID_TAGGED_LOG_EVENT:
		var tagged replication.GtidTaggedLogEvent
		err = tagged.Decode(body)
		ev = tagged.GTIDEvent
	default:
		err = fmt.Errorf("expected a Gtid_event, found a %s", e.Type())
	}
	if err != nil {
		return GTIDInfo{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return gtidInfo(ev)
}

func gtidInfo(ev replication.GTIDEvent) (GTIDInfo, error) {
	if len(ev.SID) != len(gtid.UUID{}) || ev.GNO < 1 {
		return GTIDInfo{}, fmt.Errorf("%w: a GTID with a source of %d bytes and the number %d", ErrMalformed, len(ev.SID), ev.GNO)
	}
	source := gtid.Source{UUID: gtid.UUID(ev.SID), Tag: ev.Tag.String()}
	original := ev.OriginalCommitTimestamp
	if original == 0 {
		original = ev.ImmediateCommitTimestamp
	}
	return GTIDInfo{
		GTID:            gtid.GTID{Source: source, Seq: ev.GNO},
		LastCommitted:   ev.LastCommitted,
		SequenceNumber:  ev.SequenceNumber,
		OriginalCommit:  fromMicros(original),
		ImmediateCommit: fromMicros(ev.ImmediateCommitTimestamp),
		OriginalVersion: ev.OriginalServerVersion, ImmediateVersion: ev.ImmediateServerVersion,
		Length: ev.TransactionLength,
	}, nil
}

// fromMicros turns the microseconds since 1970 of a Gtid_event into a time, 0
// into the zero time.
func fromMicros(us uint64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(us))
}
