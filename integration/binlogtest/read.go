// Package binlogtest reads the binlog files of a test's server as the relay
// would give them: for tests of what comes after the relay.
package binlogtest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

// Read returns the transactions in all of a server's binlog files, in order.
func Read(t testing.TB, s *mysqltest.Server) []*binlog.Transaction {
	t.Helper()
	return ReadFrom(t, s, "")
}

// ReadFrom returns the transactions in a server's binlog files from that file
// on, in order.
func ReadFrom(t testing.TB, s *mysqltest.Server, first string) []*binlog.Transaction {
	t.Helper()
	var all []*binlog.Transaction
	for _, row := range s.Rows(t, "SHOW BINARY LOGS") {
		if row[0] < first {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(s.DataDir, row[0]))
		require.NoError(t, err)
		all = append(all, group(t, raw[4:])...)
	}
	return all
}

func group(t testing.TB, raw []byte) []*binlog.Transaction {
	t.Helper()
	var all []*binlog.Transaction
	var format binlog.Format
	var grouper binlog.Grouper
	var tx *binlog.Transaction
	var events []binlog.Event
	for len(raw) > 0 {
		e, err := binlog.CheckEvent(raw[:binlog.Event(raw).Size()])
		require.NoError(t, err)
		raw = raw[len(e):]
		if e.Type() == replication.FORMAT_DESCRIPTION_EVENT {
			format, err = binlog.ParseFormat(e)
			require.NoError(t, err)
		}
		require.NoError(t, e.VerifyChecksum(format))
		part, err := grouper.Next(e, format)
		require.NoError(t, err)
		switch part {
		case binlog.Outside:
			continue
		case binlog.First:
			info, err := binlog.ParseGTID(e, format)
			require.NoError(t, err)
			tx, events = &binlog.Transaction{GTIDInfo: info, Format: format}, nil
		}
		events = append(events, e)
		tx.Size += int64(len(e))
		if part == binlog.Last {
			tx.Body = binlog.Events(slices.Clone(events))
			require.EqualValues(t, tx.Length, tx.Size, "the leader's own count of the transaction's bytes")
			all = append(all, tx)
		}
	}
	require.False(t, grouper.Open())
	return all
}
