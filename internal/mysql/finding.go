package mysql

import "fmt"

// A Level says how bad a finding is.
type Level string

// The levels of findings. An instance with an Error can't take part: the
// leader is not read from, a follower is not written to, nothing is changed
// there.
const (
	OK    Level = "ok"
	Warn  Level = "warn"
	Error Level = "error"
)

// The subjects of findings, in the order in which they are worth reading.
const (
	SubjectConnection    = "connection"
	SubjectVersion       = "version"
	SubjectServerUUID    = "server-uuid"
	SubjectServerID      = "server-id"
	SubjectPrivileges    = "privileges"
	SubjectGTIDMode      = "gtid-mode"
	SubjectBinlog        = "binlog"
	SubjectFormat        = "binlog-format"
	SubjectRowImage      = "row-image"
	SubjectChecksum      = "checksum"
	SubjectRetention     = "binlog-retention"
	SubjectChannels      = "channels"
	SubjectReaders       = "binlog-readers"
	SubjectErrant        = "errant"
	SubjectSeed          = "seed"
	SubjectReadOnly      = "read-only"
	SubjectPersisted     = "persisted"
	SubjectCommitSync    = "commit-sync"
	SubjectSemiSync      = "semi-sync"
	SubjectAcknowledgers = "acknowledgers"
	SubjectFunctions     = "function-creators"
	SubjectPacket        = "max-packet"
	SubjectHostBlocking  = "host-blocking"
	SubjectLetterCase    = "letter-case"
	SubjectClock         = "clock"
	SubjectPrimaryKeys   = "primary-keys"
	SubjectEngines       = "engines"
	SubjectEvents        = "events"
)

// A Finding is one thing that was looked at on one instance.
type Finding struct {
	Instance string `json:"instance"`
	Subject  string `json:"subject"` // one of the Subject constants
	Level    Level  `json:"level"`
	Message  string `json:"message"`        // what is so, one line without the instance's name
	Mend     string `json:"mend,omitempty"` // what to do, one line; empty when Level is OK
	SQL      string `json:"sql,omitempty"`  // the statements that do it, to be run on the instance; empty where SQL doesn't help
}

// String is the finding in one line.
func (f Finding) String() string {
	s := fmt.Sprintf("%s: %s: %s: %s", f.Instance, f.Subject, f.Level, f.Message)
	if f.Mend != "" {
		s += "; " + f.Mend
	}
	if f.SQL != "" {
		s += ": " + f.SQL
	}
	return s
}

// Blocking returns the first finding that forbids replicating from or to an
// instance, nil if there is none.
func Blocking(findings []Finding, instance string) *Finding {
	for _, f := range findings {
		if f.Instance == instance && f.Level == Error {
			return &f
		}
	}
	return nil
}
