package binlogtest

import (
	_ "embed"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

// recording is a binlog file of a real server, with an event of each type and a
// value of each type in it; a test makes it anew.
//
//go:embed testdata/recorded.binlog
var recording []byte

// Recorded returns the events of a binlog file of a real server, its
// Format_description_event first, and the format that they are written in: what
// fuzzing begins with.
func Recorded(t testing.TB) (binlog.Format, []binlog.Event) {
	t.Helper()
	var all []binlog.Event
	for raw := recording[4:]; len(raw) > 0; {
		e, err := binlog.CheckEvent(raw[:binlog.Event(raw).Size()])
		require.NoError(t, err)
		raw = raw[len(e):]
		all = append(all, e)
	}
	format, err := binlog.ParseFormat(all[0])
	require.NoError(t, err)
	return format, all
}

// Unwrapped returns the events without checksums, those of compressed
// transactions behind the event that they are in, and the format to read them in.
func Unwrapped(t testing.TB) (binlog.Format, []binlog.Event) {
	t.Helper()
	format, events := Recorded(t)
	var all []binlog.Event
	for _, e := range events[1:] {
		all = append(all, e.AppendWithoutChecksum(nil, format))
		if e.Type() != replication.TRANSACTION_PAYLOAD_EVENT {
			continue
		}
		for inner, err := range binlog.Unwrap(e, format) {
			require.NoError(t, err)
			all = append(all, append(binlog.Event(nil), inner...))
		}
	}
	return format.WithoutChecksum(), all
}
