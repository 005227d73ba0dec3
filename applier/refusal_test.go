package applier_test

import (
	"testing"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/stretchr/testify/require"
)

// stopped is a follower that lacks the row of the newest transaction, and is
// stopped there, and one beside it that isn't.
func stopped(t *testing.T, retry time.Duration) (leader *mysqltest.Server, s, beside *subject) {
	t.Helper()
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	leader = c.Leader
	leader.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1, 0), (2, 0), (3, 0)")
	relay := newRelay()
	relay.follow(t, leader)
	cfg := config(c.Followers[0], 4)
	cfg.Retry = retry
	s, beside = start(t, cfg, c.Followers[0], relay), start(t, config(c.Followers[1], 4), c.Followers[1], relay)
	s.waitHead()
	beside.waitHead()
	require.NoError(t, s.follower.ExecUnlogged(t.Context(), "DELETE FROM d.t WHERE id = 2"))
	leader.MustExec(t, "UPDATE d.t SET v = 5 WHERE id = 2")
	relay.follow(t, leader)
	return leader, s, beside
}

func TestRefusedTransactionStopsItsFollowerAlone(t *testing.T) {
	leader, s, beside := stopped(t, time.Hour)
	refused := lastOf(s.relay)
	st := s.waitState(applier.Stopped)
	require.Equal(t, refused, st.Failure.GTID)
	require.Equal(t, []string{"d.t"}, st.Failure.Tables)
	require.EqualValues(t, mysql.ER_KEY_NOT_FOUND, st.Failure.Code)
	require.NotEmpty(t, st.Failure.Mend)
	require.Contains(t, st.Failure.Message, refused.String())
	events := s.recorder.of(history.FollowerStopped)
	require.Len(t, events, 1)
	require.Equal(t, refused.String(), events[0].GTID)
	require.Equal(t, s.follower.Name, events[0].Instance)
	require.Positive(t, s.waitFor("lag grows", func(now applier.Status) bool { return now.Lag > st.Lag }).Lag)

	leader.MustExec(t, "INSERT INTO d.t VALUES (4, 0)")
	s.relay.follow(t, leader)
	beside.waitHead()

	s.Resume()
	s.Resume()
	require.Never(t, func() bool { return s.Status().State != applier.Stopped }, 300*time.Millisecond, time.Millisecond,
		"a follower that is tried in vain stays stopped")
	require.Len(t, s.recorder.of(history.FollowerStarted), 1)

	require.NoError(t, s.follower.ExecUnlogged(t.Context(), "INSERT INTO d.t VALUES (2, 0)"))
	s.Resume()
	s.waitHead()
	s.waitState(applier.Streaming)
	require.Nil(t, s.Status().Failure)
	require.Len(t, s.recorder.of(history.FollowerStarted), 2)
	mysqltest.AssertSameData(t, leader, s.follower, beside.follower)
}

func TestMendedFollowerGoesOnByItself(t *testing.T) {
	leader, s, _ := stopped(t, 50*time.Millisecond)
	s.waitState(applier.Stopped)
	require.NoError(t, s.follower.ExecUnlogged(t.Context(), "INSERT INTO d.t VALUES (2, 0)"))
	s.waitState(applier.Streaming)
	s.waitHead()
	mysqltest.AssertSameData(t, leader, s.follower)
	require.Len(t, s.recorder.of(history.FollowerStopped), 1, "said once, however often it was tried")
}

func TestSkipLeavesOutThatTransactionOnly(t *testing.T) {
	leader, s, _ := stopped(t, time.Hour)
	refused := lastOf(s.relay)
	leader.MustExec(t, "INSERT INTO d.t VALUES (4, 0)")
	s.relay.follow(t, leader)
	s.waitState(applier.Stopped)
	require.ErrorIs(t, s.Skip(t.Context(), lastOf(s.relay)), applier.ErrNotStopped)
	require.NoError(t, s.Skip(t.Context(), refused))
	s.waitHead()
	require.Equal(t, "1 0, 3 0, 4 0", s.follower.Value(t, "SELECT GROUP_CONCAT(id, ' ', v ORDER BY id SEPARATOR ', ') FROM d.t"))
	skipped := s.recorder.of(history.TransactionSkip)
	require.Len(t, skipped, 1)
	require.Equal(t, refused.String(), skipped[0].GTID)
	require.ErrorIs(t, s.Skip(t.Context(), refused), applier.ErrNotStopped, "it isn't stopped any more")
}

// What is under way beside a refused transaction is finished, and the refusal is
// told before it is.
func TestRefusalIsToldWhileOthersWait(t *testing.T) {
	leader, s := atHead(t, 4)
	require.NoError(t, s.follower.ExecUnlogged(t.Context(), "DELETE FROM d.t WHERE id = 2"))
	holder := lockRow(t, s.follower, 3)
	leader.MustExec(t, "UPDATE d.t SET v = 7 WHERE id = 3", "UPDATE d.t SET v = 5 WHERE id = 2")
	s.relay.follow(t, leader)
	s.waitFor("stopped with one under way", func(st applier.Status) bool { return st.State == applier.Stopped && st.InFlight == 1 })
	require.NoError(t, holder.Rollback())
	s.waitFor("nothing under way", func(st applier.Status) bool { return st.State == applier.Stopped && st.InFlight == 0 })
	require.Equal(t, "7", s.follower.Value(t, "SELECT v FROM d.t WHERE id = 3"))
	require.Len(t, s.recorder.of(history.FollowerStopped), 1)
}

func TestExcessRowIsRefused(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, config(follower, 4), follower, relay)
	s.waitHead()
	require.NoError(t, follower.ExecUnlogged(t.Context(), "INSERT INTO d.t VALUES (77, 1)"))
	leader.MustExec(t, "INSERT INTO d.t VALUES (77, 2)")
	relay.follow(t, leader)
	st := s.waitState(applier.Stopped)
	require.EqualValues(t, mysql.ER_DUP_ENTRY, st.Failure.Code)
	require.Contains(t, st.Failure.Mend, "remove it")
}

// A refused XA transaction is a refusal like any other, though ROLLBACK can't
// end it.
func TestRefusedXATransactionStops(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, config(follower, 4), follower, relay)
	s.waitHead()
	require.NoError(t, follower.ExecUnlogged(t.Context(), "DELETE FROM d.t WHERE id = 1"))
	conn, err := leader.DB().Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for _, statement := range []string{"XA START 'x'", "UPDATE d.t SET v = 1 WHERE id = 1", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'"} {
		_, err := conn.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	relay.follow(t, leader)
	require.EqualValues(t, mysql.ER_KEY_NOT_FOUND, s.waitState(applier.Stopped).Failure.Code)
	require.NoError(t, follower.ExecUnlogged(t.Context(), "INSERT INTO d.t VALUES (1, 0)"))
	s.Resume()
	s.waitHead()
	mysqltest.AssertSameData(t, leader, follower)
}

// A transaction that can't be read from the relay, or makes no sense, is told as
// such and stops the follower.
func TestTransactionThatCannotBeRead(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, config(follower, 4), follower, relay)
	s.waitHead()
	leader.MustExec(t, "UPDATE d.t SET v = 1 WHERE id = 1")
	good := relay.clone(t, leader)

	bad := *good
	bad.Body = func(yield func(binlog.Event, error) bool) {
		for e := range good.Body {
			if binlog.IsRows(e) {
				yield(nil, errDisk)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
	relay.append(&bad)
	st := s.waitState(applier.Stopped)
	require.Contains(t, st.Failure.Message, errDisk.Error())

	relay.replaceLast(good)
	s.Resume()
	s.waitHead()
	mysqltest.AssertSameData(t, leader, follower)
}
