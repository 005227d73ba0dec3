package applier_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/stretchr/testify/require"
)

// independentLoad has clients write on the leader, side by side, count transactions each, which seldom depend on each
// other.
func independentLoad(t testing.TB, leader *mysqltest.Server, clients, count int) {
	t.Helper()
	leader.MustExec(t, "CREATE TABLE IF NOT EXISTS d.w (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL DEFAULT 0, s VARCHAR(100), KEY (v))",
		"SET SESSION cte_max_recursion_depth = 3000", "INSERT IGNORE INTO d.w (id, v) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i, 0 FROM n")
	leader.DB().SetMaxIdleConns(clients)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range count {
				_, err := leader.DB().ExecContext(t.Context(), fmt.Sprintf("UPDATE d.w SET v = v + 1 WHERE id = %d", 1+rand.IntN(3000)))
				if err == nil {
					_, err = leader.DB().ExecContext(t.Context(), "INSERT INTO d.w (s) VALUES (REPEAT('x', 50))")
				}
				if err != nil {
					t.Errorf("load: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// What doesn't depend on the batches before is executed before they are committed, by several sessions.
func TestIndependentBatchesAreExecutedSideBySide(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	cfg := inBatches(follower, 4)
	cfg.BatchSize = 20
	s := start(t, cfg, follower, relay)
	s.waitHead()
	independentLoad(t, leader, 8, 50)
	relay.follow(t, leader)
	s.waitHead()
	st := s.Status()
	require.Nil(t, st.Failure)
	require.Positive(t, st.Batches.Early)
	mysqltest.AssertSameData(t, leader, follower)
}

// waitRolledBack waits until what was executed before its turn was undone.
func waitRolledBack(t testing.TB, follower *mysqltest.Server, before string) {
	t.Helper()
	require.Eventually(t, func() bool { return rollbacks(t, follower) != before }, patience, poll)
}

// rollbacks is how many ROLLBACK statements the server was given.
func rollbacks(t testing.TB, s *mysqltest.Server) string {
	return s.Rows(t, "SHOW GLOBAL STATUS LIKE 'Com_rollback'")[0][1]
}

// twoBatches has the leader execute four statements, of which the follower gets the first two in one batch and the others
// in the next. The first batch is blocked by whoever holds row 1 of d.t, if it changes that.
func (s *subject) twoBatches(leader *mysqltest.Server, statements ...string) {
	s.t.Helper()
	s.Pause()
	s.waitState(applier.Paused)
	leader.MustExec(s.t, "UPDATE d.t SET v = 1 WHERE id = 10")
	leader.MustExec(s.t, statements...)
	leader.MustExec(s.t, "INSERT INTO d.n VALUES (0, 0)")
	s.relay.follow(s.t, leader)
	// The first that arrives isn't in a batch; the rest is to be there when it is done.
	first := lockRow(s.t, s.follower, 10)
	s.Resume()
	require.Eventually(s.t, func() bool {
		s.relay.mu.Lock()
		defer s.relay.mu.Unlock()
		return s.relay.taken == len(s.relay.txs)
	}, patience, poll)
	require.NoError(s.t, first.Commit())
}

// A batch that has begun early gives way to one before it that waits for its locks, for reasons that the leader's clock
// doesn't know: here the follower's table has no key any more, so that each row is looked at. The server can't see it as a
// deadlock.
func TestEarlyBatchGivesWay(t *testing.T) {
	leader, follower := pair(t)
	leader.MustExec(t, "CREATE TABLE d.p (id INT PRIMARY KEY, v INT)", "INSERT INTO d.p VALUES (1, 0), (2, 0), (3, 0)")
	relay := newRelay()
	relay.follow(t, leader)
	cfg := inBatches(follower, 4)
	cfg.BatchSize = 2
	s := start(t, cfg, follower, relay)
	s.waitHead()
	require.NoError(t, follower.ExecUnlogged(t.Context(), "ALTER TABLE d.p DROP PRIMARY KEY"))
	holder := lockRow(t, follower, 1)
	before := rollbacks(t, follower)
	s.twoBatches(leader, "UPDATE d.t SET v = 1 WHERE id = 1", "UPDATE d.p SET v = 1 WHERE id = 3",
		"UPDATE d.p SET v = 1 WHERE id = 1", "UPDATE d.p SET v = 1 WHERE id = 2")
	// The second batch has locked rows that the first comes to look at, unless this machine is so slow that it gave way.
	require.Eventually(t, func() bool {
		return follower.Value(t, "SELECT COUNT(*) FROM performance_schema.data_locks WHERE object_name = 'p' AND lock_type = 'RECORD'") != "0" ||
			rollbacks(t, follower) != before
	}, patience, poll)
	require.Equal(t, "0", follower.Value(t, "SELECT MAX(v) FROM d.p"), "a later batch is visible before an earlier one")
	require.NoError(t, holder.Commit())
	s.waitHead()
	st := s.Status()
	require.Nil(t, st.Failure)
	require.EqualValues(t, 1, st.Batches.GaveWay)
	require.NoError(t, follower.ExecUnlogged(t.Context(), "ALTER TABLE d.p ADD PRIMARY KEY (id)"))
	mysqltest.AssertSameData(t, leader, follower)
}

// What the follower refuses before its turn is no refusal: here it has an index that the leader lacks, and another row
// still has the value.
func TestRefusalBeforeItsTurnIsNone(t *testing.T) {
	leader, follower := pair(t)
	leader.MustExec(t, "CREATE TABLE d.u (id INT PRIMARY KEY, u INT)", "INSERT INTO d.u VALUES (1, 5)")
	relay := newRelay()
	relay.follow(t, leader)
	cfg := inBatches(follower, 4)
	cfg.BatchSize = 2
	s := start(t, cfg, follower, relay)
	s.waitHead()
	require.NoError(t, follower.ExecUnlogged(t.Context(), "ALTER TABLE d.u ADD UNIQUE KEY u (u)"))
	holder := lockRow(t, follower, 1)
	before := rollbacks(t, follower)
	s.twoBatches(leader, "UPDATE d.t SET v = 1 WHERE id = 1", "DELETE FROM d.u WHERE id = 1",
		"INSERT INTO d.u VALUES (2, 5)", "UPDATE d.t SET v = 1 WHERE id = 2")
	waitRolledBack(t, follower, before)
	require.NoError(t, holder.Commit())
	s.waitHead()
	st := s.Status()
	require.Nil(t, st.Failure)
	require.Empty(t, s.recorder.of(history.FollowerStopped))
	require.EqualValues(t, 1, st.Batches.GaveWay)
	require.NoError(t, follower.ExecUnlogged(t.Context(), "ALTER TABLE d.u DROP KEY u"))
	mysqltest.AssertSameData(t, leader, follower)
}

// What was executed early of batches after one that is refused is undone, and isn't lost.
func TestEarlyBatchesAfterARefusedOneAreCalledOff(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	cfg := inBatches(follower, 4)
	cfg.BatchSize = 2
	s := start(t, cfg, follower, relay)
	s.waitHead()
	require.NoError(t, follower.ExecUnlogged(t.Context(), "DELETE FROM d.t WHERE id = 2"))
	holder := lockRow(t, follower, 1)
	s.twoBatches(leader, "UPDATE d.t SET v = 1 WHERE id = 1", "UPDATE d.t SET v = 1 WHERE id = 2",
		"UPDATE d.t SET v = 1 WHERE id = 3", "UPDATE d.t SET v = 1 WHERE id = 4")
	waitForLockWait(t, follower)
	require.NoError(t, holder.Rollback())
	require.Equal(t, []string{"d.t"}, s.waitState(applier.Stopped).Failure.Tables)
	require.Equal(t, "2", follower.Value(t, "SELECT SUM(v) FROM d.t"), "what comes after a refused transaction isn't there")
	require.NoError(t, follower.ExecUnlogged(t.Context(), "INSERT INTO d.t VALUES (2, 0)"))
	s.Resume()
	s.waitHead()
	mysqltest.AssertSameData(t, leader, follower)
}
