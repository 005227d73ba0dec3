package applier_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/stretchr/testify/require"
)

var errDisk = errors.New("the disk is unwell")

// clone is the leader's newest transaction, which the relay hasn't yet.
func (r *memoryRelay) clone(t testing.TB, leader *mysqltest.Server) *binlog.Transaction {
	all := binlogtest.Read(t, leader)
	require.Len(t, all, len(r.txs)+1)
	return all[len(all)-1]
}

func (r *memoryRelay) replaceLast(tx *binlog.Transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.txs = append(r.txs[:len(r.txs)-1:len(r.txs)-1], tx)
}

// lockRow has a client on the follower hold a row of d.t.
func lockRow(t testing.TB, follower *mysqltest.Server, id int) *sql.Tx {
	t.Helper()
	holder, err := follower.DB().Begin()
	require.NoError(t, err)
	t.Cleanup(func() { _ = holder.Rollback() }) // it is over by then, mostly
	_, err = holder.Exec("SELECT * FROM d.t WHERE id = ? FOR UPDATE", id)
	require.NoError(t, err)
	return holder
}

// waitForLockWait returns the id of the connection that waits for a row. (InnoDB's
// own table of transactions isn't refreshed while it is asked too often.)
func waitForLockWait(t testing.TB, follower *mysqltest.Server) (id string) {
	t.Helper()
	require.Eventually(t, func() bool {
		id = follower.Value(t, "SELECT t.processlist_id FROM performance_schema.data_lock_waits w "+
			"JOIN performance_schema.threads t ON t.thread_id = w.requesting_thread_id")
		return id != ""
	}, patience, 10*time.Millisecond)
	return id
}

// atHead is an applier whose follower has everything.
func atHead(t testing.TB, sessions int) (leader *mysqltest.Server, s *subject) {
	t.Helper()
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	s = start(t, config(follower, sessions), follower, relay)
	s.waitHead()
	return leader, s
}

// Locks that clients hold on the follower, and deadlocks with them, delay and
// lose nothing.
func TestLocksAndDeadlocksAreWaitedFor(t *testing.T) {
	leader, s := atHead(t, 4)
	holder := lockRow(t, s.follower, 1)
	leader.MustExec(t, "UPDATE d.t SET v = 1 WHERE id = 2 OR id = 1 ORDER BY id DESC")
	s.relay.follow(t, leader)
	waitForLockWait(t, s.follower)
	// The applier's transaction changed less, so the server makes it the victim.
	_, err := holder.Exec("INSERT INTO d.n VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)")
	require.NoError(t, err)
	_, err = holder.Exec("SELECT * FROM d.t WHERE id = 2 FOR UPDATE")
	require.NoError(t, err)
	s.waitFor("tried again", func(st applier.Status) bool { return st.Retries > 0 })
	require.NoError(t, holder.Rollback())
	s.waitHead()
	require.Nil(t, s.Status().Failure)
	mysqltest.AssertSameData(t, leader, s.follower)
}

func TestPauseFinishesWhatIsUnderWay(t *testing.T) {
	leader, s := atHead(t, 4)
	holder := lockRow(t, s.follower, 1)
	leader.MustExec(t, "UPDATE d.t SET v = 1 WHERE id = 1")
	s.relay.follow(t, leader)
	waitForLockWait(t, s.follower)
	s.Pause()
	leader.MustExec(t, "UPDATE d.t SET v = 2 WHERE id = 1")
	s.relay.follow(t, leader)
	require.NotEqual(t, applier.Paused, s.Status().State, "something is still under way")
	require.NoError(t, holder.Rollback())
	s.waitState(applier.Paused)
	require.Equal(t, "1", s.follower.Value(t, "SELECT v FROM d.t WHERE id = 1"))
	require.Positive(t, s.waitFor("lag", func(st applier.Status) bool { return st.Lag > 0 }).Lag)

	s.Pause()
	s.Resume()
	s.waitHead()
	s.waitState(applier.Streaming)
	mysqltest.AssertSameData(t, leader, s.follower)
	require.Len(t, s.recorder.of(history.FollowerPaused), 1)
	require.Len(t, s.recorder.of(history.FollowerResumed), 1)
}

// A pause needn't wait for a lock longer than the server does.
func TestPauseEndsRetries(t *testing.T) {
	leader, s := atHead(t, 4)
	holder := lockRow(t, s.follower, 1)
	leader.MustExec(t, "UPDATE d.t SET v = 1 WHERE id = 1")
	s.relay.follow(t, leader)
	id := waitForLockWait(t, s.follower)
	s.Pause()
	s.follower.MustExec(t, "KILL QUERY "+id)
	s.waitState(applier.Paused)
	require.Nil(t, s.Status().Failure)
	require.NoError(t, holder.Rollback())
	s.Resume()
	s.waitHead()
	mysqltest.AssertSameData(t, leader, s.follower)
}

func TestPauseWhileStoppedOrUnreachable(t *testing.T) {
	leader, s := atHead(t, 4)
	s.gate.refuse(&applier.Blocked{State: applier.Quarantined, Reason: "it has transactions of its own", Mend: "undo them"})
	s.Pause()
	s.waitState(applier.Paused)
	s.Resume()
	st := s.waitState(applier.Quarantined)
	require.Equal(t, "undo them", st.Failure.Mend)
	s.Pause()
	s.waitState(applier.Paused)
	s.gate.refuse(nil)
	require.NoError(t, s.follower.Kill9())
	s.Resume()
	s.waitState(applier.Unreachable)
	s.Pause()
	s.waitState(applier.Paused)
	require.NoError(t, s.follower.Restart(t.Context()))
	leader.MustExec(t, "UPDATE d.t SET v = 1")
	s.relay.follow(t, leader)
	s.Resume()
	s.waitHead()
	s.waitState(applier.Streaming)
}

func TestReconfiguredUnderLoad(t *testing.T) {
	leader, s := atHead(t, 2)
	load(t, leader, 6, 40)
	before := s.Status().Applied
	s.relay.follow(t, leader)
	for i, sessions := range []int{8, 1, 16} {
		s.waitFor("some applied", func(st applier.Status) bool { return st.Applied > before+int64(20*i) })
		cfg := config(s.follower, sessions)
		cfg.LeaderOrder = i == 1
		s.Reconfigure(cfg)
	}
	s.waitHead()
	mysqltest.AssertSameData(t, leader, s.follower)
}

func TestLostFollowerIsSaidOnceAndComesBack(t *testing.T) {
	leader, s := atHead(t, 4)
	require.NoError(t, s.follower.Kill9())
	leader.MustExec(t, "UPDATE d.t SET v = 1")
	s.relay.follow(t, leader)
	st := s.waitState(applier.Unreachable)
	require.NotEmpty(t, st.Failure.Message)
	s.Recheck()
	s.waitFor("tried again", func(now applier.Status) bool { return now.Failure != nil && now.Failure.Since.Equal(st.Failure.Since) })
	s.waitFor("lag grows", func(now applier.Status) bool { return now.Lag > 0 && now.Lag > st.Lag })
	require.NoError(t, s.follower.Restart(t.Context()))
	s.waitHead()
	s.waitState(applier.Streaming)
	require.Len(t, s.recorder.of(history.FollowerLost), 1)
	require.Len(t, s.recorder.of(history.FollowerStarted), 2)
	mysqltest.AssertSameData(t, leader, s.follower)
}

func TestPurgedRelayNeedsASeed(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	relay.base = gtid.MustParseSet(leader.UUID(t) + ":1")
	s := start(t, config(follower, 4), follower, relay)
	st := s.waitState(applier.NeedsSeed)
	require.Contains(t, st.Failure.Message, relay.base.String())
	require.EqualValues(t, -1, st.Lag)
	require.Empty(t, st.Mode)
}

func TestRelayErrorIsNotTheFollowers(t *testing.T) {
	_, s := atHead(t, 4)
	s.relay.fail(errDisk)
	require.Contains(t, s.waitState(applier.Stopped).Failure.Message, errDisk.Error())
	s.relay.fail(nil)
	s.Resume()
	s.waitState(applier.Streaming)
}

// super_read_only, which refuses rows, is put right by admission.
func TestSuperReadOnlyComesRightAgain(t *testing.T) {
	leader, s := atHead(t, 4)
	s.gate.refuse(&applier.Blocked{State: applier.Stopped, Reason: "not yet", Mend: "wait"})
	s.follower.MustExec(t, "SET GLOBAL super_read_only=ON")
	leader.MustExec(t, "UPDATE d.t SET v = 1")
	s.relay.follow(t, leader)
	s.waitState(applier.Stopped)
	s.gate.refuse(nil)
	s.Resume()
	s.waitHead()
	s.waitState(applier.Streaming)
	mysqltest.AssertSameData(t, leader, s.follower)
}

// A server that takes fewer connections than there are sessions is used with
// those it takes.
func TestFewerConnectionsThanSessions(t *testing.T) {
	leader, follower := pair(t)
	require.NoError(t, follower.ExecUnlogged(t.Context(), "ALTER USER "+mysqltest.User+" WITH MAX_USER_CONNECTIONS 3"))
	load(t, leader, 6, 20)
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, config(follower, 16), follower, relay)
	s.waitHead()
	require.Empty(t, s.recorder.of(history.FollowerLost))
	mysqltest.AssertSameData(t, leader, follower)
}

func TestRunEndsWhateverIsUnderWay(t *testing.T) {
	t.Run("at the head", func(t *testing.T) {
		_, s := atHead(t, 4)
		s.stop()
	})
	t.Run("paused", func(t *testing.T) {
		_, s := atHead(t, 4)
		s.Pause()
		s.waitState(applier.Paused)
		s.stop()
	})
	t.Run("with the follower gone", func(t *testing.T) {
		leader, s := atHead(t, 4)
		require.NoError(t, s.follower.Kill9())
		leader.MustExec(t, "UPDATE d.t SET v = 1")
		s.relay.follow(t, leader)
		s.waitState(applier.Unreachable)
		s.stop()
	})
	t.Run("under load, and goes on in a new one", func(t *testing.T) {
		leader, s := atHead(t, 8)
		load(t, leader, 6, 40)
		before := s.Status().Applied
		s.relay.follow(t, leader)
		s.waitFor("some applied", func(st applier.Status) bool { return st.Applied > before+30 })
		s.stop()
		s.run(config(s.follower, 8))
		s.waitHead()
		mysqltest.AssertSameData(t, leader, s.follower)
	})
	t.Run("with a session that waits for a row", func(t *testing.T) {
		leader, s := atHead(t, 4)
		holder := lockRow(t, s.follower, 1)
		leader.MustExec(t, "UPDATE d.t SET v = 1 WHERE id = 1")
		s.relay.follow(t, leader)
		waitForLockWait(t, s.follower)
		s.stop()
		require.NoError(t, holder.Rollback())
		s.run(config(s.follower, 4))
		s.waitHead()
		mysqltest.AssertSameData(t, leader, s.follower)
	})
}

// Lag is what the follower lacks, also when it wasn't given it yet.
func TestLag(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, config(follower, 4), follower, relay)
	s.waitHead()
	s.gate.refuse(&applier.Blocked{State: applier.Stopped, Reason: "not now", Mend: "wait"})
	s.Recheck()
	s.waitState(applier.Stopped)
	require.Zero(t, s.Status().Lag, "it lacks nothing")
	leader.MustExec(t, "UPDATE d.t SET v = 1")
	relay.follow(t, leader)
	st := s.Status()
	s.waitFor("lag grows while nothing is given", func(now applier.Status) bool { return now.Lag > st.Lag })
	s.gate.refuse(nil)
	holder := lockRow(t, follower, 1)
	s.Resume()
	waitForLockWait(t, follower)
	st = s.Status()
	s.waitFor("lag grows while a lock is waited for", func(now applier.Status) bool { return now.Lag > st.Lag && now.InFlight == 1 })
	require.NoError(t, holder.Rollback())
	s.waitHead()

	unstarted := applier.New(config(follower, 1), applier.Deps{Relay: relay})
	require.EqualValues(t, -1, unstarted.Status().Lag)
}

// A relay that goes on with another leader's binlog, in the middle of a file,
// starts another clock: its numbers say nothing about those before.
func TestAnotherClockIsABarrier(t *testing.T) {
	leader, s := atHead(t, 4)
	for i := range 6 {
		leader.MustExec(t, fmt.Sprintf("UPDATE d.t SET v = %d WHERE id = 1", i))
	}
	all := binlogtest.Read(t, leader)
	for i, tx := range all[len(s.relay.txs):] {
		changed := *tx
		changed.LastCommitted, changed.SequenceNumber = 0, int64(100+i)
		changed.End = binlog.Position{File: fmt.Sprintf("binlog.%06d", i), Offset: 1000}
		s.relay.append(&changed)
	}
	s.waitHead()
	require.Nil(t, s.Status().Failure)
	mysqltest.AssertSameData(t, leader, s.follower)
}
