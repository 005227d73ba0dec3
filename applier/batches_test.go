package applier_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/stretchr/testify/require"
)

// In batches, what several clients did at the same time on the leader arrives as
// it does transaction by transaction, through DDL, new binlog files and restarts
// of the leader, and stays out of the follower's binlog.
func TestBusyLeaderIsFollowedInBatches(t *testing.T) {
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	relay := newRelay()
	var subjects []*subject
	for i, follower := range c.Followers {
		cfg := inBatches(follower, []int{1, 4}[i])
		cfg.BatchSize = []int{7, 100}[i]
		subjects = append(subjects, start(t, cfg, follower, relay))
	}
	for range 2 {
		load(t, c.Leader, 8, 40)
		require.NoError(t, c.Leader.Restart(t.Context()))
		relay.follow(t, c.Leader)
		for _, s := range subjects {
			s.waitHead()
		}
	}
	for _, s := range subjects {
		st := s.Status()
		require.Nil(t, st.Failure)
		require.Equal(t, applier.ModeBatch, st.Mode)
		require.Positive(t, st.Batches.Commits)
		require.Greater(t, st.Batches.Transactions, st.Batches.Commits)
		require.NotEmpty(t, s.follower.Value(t, "SELECT @@global.gtid_purged"))
		s.stop()
		require.Equal(t, "0", s.follower.Value(t, "SELECT COUNT(*) FROM baton.progress"))
	}
	mysqltest.AssertSameData(t, c.Servers()...)
}

// The follower and its connections are killed at random moments of batches, and
// the applier is stopped, and nothing is skipped or repeated.
func TestKillsInBatchesNeitherSkipNorRepeat(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	cfg := inBatches(follower, 4)
	cfg.BatchSize = 20
	s := start(t, cfg, follower, relay)
	for round := range *rounds {
		load(t, leader, 6, 30)
		independentLoad(t, leader, 6, 60)
		before := s.Status().Applied
		relay.follow(t, leader)
		target := before + int64(rand.IntN(800))
		s.waitFor("some applied", func(st applier.Status) bool { return st.Applied >= target })
		switch round % 3 {
		case 0:
			require.NoError(t, follower.Kill9())
			require.NoError(t, follower.Restart(t.Context()))
		case 1:
			for _, row := range follower.Rows(t, "SELECT id FROM information_schema.processlist WHERE user = ?", mysqltest.User) {
				if rand.IntN(2) == 0 {
					_, _ = follower.DB().Exec("KILL " + row[0]) // it may have gone already
				}
			}
		case 2:
			s.stop()
			s.run(cfg)
		}
		s.waitHead()
	}
	require.Nil(t, s.Status().Failure)
	mysqltest.AssertSameData(t, leader, follower)
}

// A reader never sees a transaction without those before it.
func TestBatchesAreVisibleInTheLeadersOrder(t *testing.T) {
	leader, follower := pair(t)
	leader.MustExec(t, "CREATE TABLE d.o (id INT PRIMARY KEY)", "CREATE TABLE d.p (id INT PRIMARY KEY)")
	for i := 1; i <= 300; i++ {
		leader.MustExec(t, fmt.Sprintf("INSERT INTO d.%c VALUES (%d)", "op"[i%2], i))
	}
	relay := newRelay()
	relay.follow(t, leader)
	cfg := inBatches(follower, 16)
	cfg.BatchSize = 7
	s := start(t, cfg, follower, relay)
	require.Eventually(t, func() bool {
		return follower.Value(t, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'd' AND table_name = 'p'") == "1"
	}, patience, time.Millisecond)
	for seen := ""; seen != "300"; {
		row := follower.Rows(t, "SELECT COUNT(*), COALESCE(MAX(id), 0) FROM (SELECT id FROM d.o UNION ALL SELECT id FROM d.p) AS a")[0]
		require.Equal(t, row[0], row[1], "a later transaction is visible before an earlier one")
		seen = row[0]
	}
	s.waitHead()
	require.Positive(t, s.Status().Batches.Early, "some were executed before their turn")
}

// One transaction that the follower refuses stands alone in the end, and is
// reported as it is transaction by transaction; all before it are applied, and
// none after it.
func TestOneBadTransactionStandsAlone(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, config(follower, 4), follower, relay)
	s.waitHead()
	require.NoError(t, follower.ExecUnlogged(t.Context(), "DELETE FROM d.t WHERE id = 5"))
	for i := 1; i <= 60; i++ {
		leader.MustExec(t, fmt.Sprintf("INSERT INTO d.n VALUES (%d, 0)", i))
		if i == 30 {
			leader.MustExec(t, "UPDATE d.t SET v = 7 WHERE id = 5")
		}
	}
	relay.follow(t, leader)
	want := s.waitState(applier.Stopped).Failure
	s.stop()

	// Again, with a follower that is as far as before.
	s.run(inBatches(follower, 4))
	s.waitFor("stopped", func(st applier.Status) bool { return st.State == applier.Stopped })
	got := s.Status().Failure
	require.Equal(t, want.GTID, got.GTID)
	require.Equal(t, want.Tables, got.Tables)
	require.Equal(t, want.Code, got.Code)
	require.Equal(t, want.Message, got.Message)
	require.Equal(t, want.Mend, got.Mend)
	require.NoError(t, follower.ExecUnlogged(t.Context(), "INSERT INTO d.t VALUES (5, 0)"))
	s.Resume()
	s.waitHead()
	mysqltest.AssertSameData(t, leader, follower)
}

// The same, where the first that is lacking is in batches from the beginning.
func TestABadTransactionInABatchIsFound(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, inBatches(follower, 2), follower, relay)
	s.waitHead()
	require.NoError(t, follower.ExecUnlogged(t.Context(), "DELETE FROM d.t WHERE id = 5"))
	var bad string
	for i := 1; i <= 90; i++ {
		leader.MustExec(t, fmt.Sprintf("INSERT INTO d.n VALUES (%d, 0)", i))
		if i == 53 {
			leader.MustExec(t, "UPDATE d.t SET v = 7 WHERE id = 5")
			bad = leader.Value(t, "SELECT @@global.gtid_executed")
		}
	}
	s.Pause()
	s.waitState(applier.Paused)
	relay.follow(t, leader)
	s.Resume()
	f := s.waitState(applier.Stopped).Failure
	require.Contains(t, bad, fmt.Sprintf("-%d", f.GTID.Seq))
	require.Equal(t, []string{"d.t"}, f.Tables)
	require.Equal(t, "53", follower.Value(t, "SELECT COUNT(*) FROM d.n"), "all before it, and none after it")
	require.Len(t, s.recorder.of(history.FollowerStopped), 1)
	require.NoError(t, s.Skip(t.Context(), f.GTID))
	require.NoError(t, follower.ExecUnlogged(t.Context(), "INSERT INTO d.t VALUES (5, 7)"))
	s.waitHead()
	require.Positive(t, s.Status().Batches.Commits)
	mysqltest.AssertSameData(t, leader, follower)
}

// Locks and deadlocks with clients delay a batch and lose nothing of it.
func TestBatchesWaitForLocksAndDeadlocks(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, inBatches(follower, 2), follower, relay)
	s.waitHead()
	holder := lockRow(t, follower, 1)
	s.Pause()
	s.waitState(applier.Paused)
	leader.MustExec(t, "INSERT INTO d.n VALUES (1, 1)", "UPDATE d.t SET v = 1 WHERE id = 2", "UPDATE d.t SET v = 1 WHERE id = 1", "INSERT INTO d.n VALUES (1, 1)")
	relay.follow(t, leader)
	s.Resume()
	waitForLockWait(t, follower)
	// The applier's transaction changed less, so the server makes it the victim.
	_, err := holder.Exec("INSERT INTO d.n VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7)")
	require.NoError(t, err)
	if s.follower.Value(t, "SELECT v FROM d.t WHERE id = 2") == "0" { // the batch has it, and not committed
		_, err = holder.Exec("SELECT * FROM d.t WHERE id = 2 FOR UPDATE")
		require.NoError(t, err)
		s.waitFor("tried again", func(st applier.Status) bool { return st.Retries > 0 })
	}
	require.NoError(t, holder.Rollback())
	s.waitHead()
	require.Nil(t, s.Status().Failure)
	mysqltest.AssertSameData(t, leader, follower)
}

// A follower that is behind is applied to in batches, and no longer when it has
// been at the head for a while.
func TestModeAutoComesAndGoes(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	for i := 1; i <= 50; i++ {
		leader.MustExec(t, fmt.Sprintf("INSERT INTO d.n VALUES (%d, 0)", i))
	}
	relay.follow(t, leader)
	cfg := config(follower, 4)
	cfg.Batches, cfg.CatchingUp = schedule.Auto, time.Millisecond
	s := start(t, cfg, follower, relay)
	s.waitHead()
	s.waitFor("transaction by transaction", func(st applier.Status) bool { return st.Mode == applier.ModePerTransaction && st.Batches.Commits > 0 })
	require.Equal(t, "0", follower.Value(t, "SELECT COUNT(*) FROM baton.progress WHERE NOT GTID_SUBSET(gtids, @@global.gtid_executed)"))
	require.Len(t, s.recorder.of(history.FollowerMode), 2)
	mysqltest.AssertSameData(t, leader, follower)
}

// Batches aren't in a follower's binlog: one that is read gets none, and its
// replica has everything.
func TestNoBatchesWhereTheBinlogIsRead(t *testing.T) {
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	leader, follower, replica := c.Leader, c.Followers[0], c.Followers[1]
	replica.MustExec(t, fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%d, SOURCE_USER='root', SOURCE_PASSWORD='', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", follower.Port), "START REPLICA")
	require.Eventually(t, func() bool {
		return follower.Value(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE command LIKE 'Binlog Dump%'") == "1"
	}, patience, 20*time.Millisecond)
	leader.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.n (a INT, b INT)")
	for i := 1; i <= 100; i++ {
		leader.MustExec(t, fmt.Sprintf("INSERT INTO d.n VALUES (%d, 0)", i))
	}
	relay := newRelay()
	relay.follow(t, leader)
	cfg := config(follower, 4)
	cfg.Batches, cfg.CatchingUp = schedule.Auto, time.Millisecond
	s := start(t, cfg, follower, relay)
	s.waitHead()
	st := s.Status()
	require.Zero(t, st.Batches.Commits)
	require.Len(t, st.Readers, 1)
	require.Contains(t, st.Readers[0], "root@")
	mysqltest.WaitGTID(t, replica, relay.Durable().String(), patience)
	mysqltest.AssertSameData(t, leader, follower, replica)
	var warned []history.Event
	for _, e := range s.recorder.of(history.FollowerMode) {
		if e.Level == history.Warn {
			warned = append(warned, e)
		}
	}
	require.Len(t, warned, 1)
	require.Contains(t, warned[0].Message, "its binlog is read by root@")
	require.Contains(t, warned[0].Mend, "apply.catch_up.mode")
}

// What a batch committed that was cut off before gtid_executed was told is told
// before anything is applied again.
func TestARoundBeginsWithWhatABatchCommitted(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, inBatches(follower, 2), follower, relay)
	s.waitHead()
	s.stop()
	before := relay.Durable()
	leader.MustExec(t, "INSERT INTO d.n VALUES (1, 1), (1, 1)", "INSERT INTO d.n VALUES (1, 1)")
	relay.follow(t, leader)

	cut := openSession(t, follower)
	require.NoError(t, cut.PrepareBatches(t.Context()))
	lacking := relay.txs[len(relay.txs)-2:]
	require.NoError(t, cut.ApplyBatch(t.Context(), session.Batch{Transactions: lacking, GTIDs: relay.Durable().Subtract(before), Before: before}))
	require.Equal(t, before.String(), strings.ReplaceAll(follower.Value(t, "SELECT @@global.gtid_executed"), "\n", ""))

	s.run(config(follower, 2))
	s.waitHead()
	require.Zero(t, s.Status().Applied)
	mysqltest.AssertSameData(t, leader, follower)
}
