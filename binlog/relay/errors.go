package relay

import (
	"errors"
	"fmt"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// ErrClosed is returned by everything that is called before Open or after Close.
var ErrClosed = errors.New("relay is closed")

// ErrPurged is matched by every [PurgedError].
var ErrPurged = errors.New("relay no longer holds what is asked for")

// ErrNotEmpty is returned by Init when the relay has a beginning already.
var ErrNotEmpty = errors.New("relay is not empty")

// ErrNoFormat is returned by Append for an event that comes before a
// Format_description_event since Open or Discard: it can't be read.
var ErrNoFormat = errors.New("event before a Format_description_event")

// ErrUnknownEvent is returned by Append for an event outside a transaction that
// must not be left out and that the relay has no place for, such as an Incident_event.
var ErrUnknownEvent = errors.New("event that belongs to no transaction")

// A PurgedError says which transactions a reader needs that the relay no longer
// holds, or never held. It matches [ErrPurged].
type PurgedError struct {
	Missing gtid.Set
}

func (e *PurgedError) Error() string {
	return fmt.Sprintf("relay no longer holds %s: copy the data from another instance first", e.Missing)
}

// Is makes errors.Is(err, ErrPurged) true.
func (e *PurgedError) Is(target error) bool { return target == ErrPurged }

// A DamageError says that bytes which had been durable are not what they were.
type DamageError struct {
	Segment string // path of the segment
	Offset  int64  // bytes from its start to the event, or what should be one, that is damaged
	Err     error  // what is wrong there
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("relay segment %s is damaged at offset %d: %v; check the disk, and seed the relay anew from the leader if it still has these transactions",
		e.Segment, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// A WriteError says that the relay could not be written. Nothing is durable that
// was not before. After [Relay.Discard] succeeds a new segment is begun.
type WriteError struct {
	Op    string // what was tried: create, write, sync, truncate, remove
	Path  string
	Since time.Time // when the relay could first not be written, without a success since
	Err   error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("%s %s: %v: nothing new is durable until the relay's disk can be written again", e.Op, e.Path, e.Err)
}

func (e *WriteError) Unwrap() error { return e.Err }
