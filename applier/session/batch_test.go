package session_test

import (
	"testing"

	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

// batchOf is a batch of transactions, for a follower that has what before says.
func batchOf(before gtid.Set, txs ...*binlog.Transaction) session.Batch {
	b := session.Batch{Transactions: txs, Before: before, Slot: 1}
	for _, tx := range txs {
		b.GTIDs.Add(tx.GTID)
	}
	return b
}

// plain tells whether a transaction can be part of a batch.
func plain(tx *binlog.Transaction) bool {
	for e := range tx.Body {
		switch e.Type() {
		case replication.QUERY_EVENT:
			if q, err := binlog.ParseQuery(e, tx.Format); err != nil || string(q.Statement) != "BEGIN" {
				return false
			}
		case replication.XA_PREPARE_LOG_EVENT:
			return false
		}
	}
	return true
}

// applyInBatches applies all that the follower lacks, up to most transactions at
// once, and what can't be part of a batch by itself.
func applyInBatches(t *testing.T, s *session.Session, leader *mysqltest.Server, most int) {
	t.Helper()
	require.NoError(t, s.PrepareBatches(t.Context()))
	executed, err := s.Executed(t.Context())
	require.NoError(t, err)
	var batch []*binlog.Transaction
	commit := func() {
		if len(batch) == 0 {
			return
		}
		b := batchOf(executed, batch...)
		b.Settle = true
		require.NoError(t, s.ApplyBatch(t.Context(), b))
		executed.AddSet(b.GTIDs)
		batch = nil
	}
	for _, tx := range binlogtest.Read(t, leader) {
		if executed.Contains(tx.GTID) {
			continue
		}
		if !plain(tx) || len(batch) > 0 && !tx.Format.SameAs(batch[0].Format) || len(batch) == most {
			commit()
		}
		if plain(tx) {
			batch = append(batch, tx)
			continue
		}
		require.NoError(t, s.Apply(t.Context(), tx))
		executed.Add(tx.GTID)
	}
	commit()
}

// Whatever a leader writes arrives in batches too, GTIDs and all, and none of the
// batches is in the follower's binlog.
func TestBatchesBringWhatTheLeaderDid(t *testing.T) {
	leader, follower := pair(t)
	for _, statements := range workload {
		runAll(t, leader, statements)
	}
	runAll(t, leader, []string{
		"SET autocommit=0", "INSERT INTO d.n VALUES (5, 'x')", "UPDATE d.n SET b = 'y' WHERE a = 5", "COMMIT", "SET SESSION sql_mode='ANSI'", "INSERT INTO d.n VALUES (6, 'x')", "COMMIT",
		"SET SESSION time_zone='+03:00', unique_checks=0, foreign_key_checks=0, explicit_defaults_for_timestamp=OFF", "INSERT INTO d.c (id) VALUES (77)", "COMMIT",
		"SET SESSION foreign_key_checks=1, explicit_defaults_for_timestamp=ON, lc_time_names='de_DE', character_set_client=latin1", "DELETE FROM d.parent WHERE id = 2", "INSERT INTO d.c (id) VALUES (78)", "COMMIT",
		"SET SESSION auto_increment_increment=5, collation_connection=latin1_bin, collation_server=latin1_swedish_ci", "INSERT INTO d.k (v) VALUES ('z'), ('y')", "COMMIT",
		"SET SESSION binlog_row_image=MINIMAL", "UPDATE d.k SET v = 'zz' ORDER BY id DESC LIMIT 1", "COMMIT",
	})
	s := open(t, follower)
	applyInBatches(t, s, leader, 100)
	mysqltest.AssertSameData(t, leader, follower)
	purged := gtid.MustParseSet(follower.Value(t, "SELECT @@global.gtid_purged"))
	require.NotEmpty(t, purged.String())
	for _, tx := range binlogtest.Read(t, follower) {
		require.False(t, purged.Contains(tx.GTID), "%s is in the follower's binlog", tx.GTID)
	}
}
