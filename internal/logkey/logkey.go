// Package logkey holds the keys of the fields in baton's log, so that one
// thing has one name.
package logkey

// Keys of log fields. Durations are in seconds, sizes in bytes.
const (
	Instance = "instance"
	Address  = "address"
	GTID     = "gtid"
	GTIDSet  = "gtid_set"
	Position = "position"
	Segment  = "segment"
	Bytes    = "bytes"
	Count    = "count"
	Attempt  = "attempt"
	Delay    = "delay"
	Duration = "duration"
	Mend     = "mend"
	Kind     = "kind"
	State    = "state"
	Version  = "version"
	Path     = "path"
	PID      = "pid"
)
