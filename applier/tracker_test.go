package applier_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/stretchr/testify/require"
)

// poorClock has the leader's logical clock let what one client does only follow
// one another, as MySQL 8.0 does with COMMIT_ORDER.
func poorClock() mysqltest.Option {
	return mysqltest.Setting("loose_binlog_transaction_dependency_history_size", "1")
}

// goByRows has an applier with 16 sessions go by the rows, at the relay's head.
func goByRows(t *testing.T, leader, follower *mysqltest.Server) (*subject, *memoryRelay) {
	t.Helper()
	leader.MustExec(t, "CREATE TABLE d.u (id INT PRIMARY KEY, u VARCHAR(20) UNIQUE, v INT)", "INSERT INTO d.u VALUES (1,'one',0),(2,'two',0),(3,'three',0)")
	for i := range 1200 {
		leader.MustExec(t, fmt.Sprintf("UPDATE d.t SET v = v + 1 WHERE id = %d", i%10+1))
	}
	relay := newRelay()
	relay.follow(t, leader)
	s := start(t, config(follower, 16), follower, relay)
	s.waitHead()
	s.waitFor("by the rows", func(st applier.Status) bool { return st.Clock == applier.ClockRows })
	s.knows(leader, "d.t")
	s.knows(leader, "d.u")
	return s, relay
}

// knows changes rows 2 and 3 of a table by turns until one of them may pass the
// other: the follower is asked for the table when a row of it has come.
func (s *subject) knows(leader *mysqltest.Server, table string) {
	s.t.Helper()
	before := s.Status().Ahead
	require.Eventually(s.t, func() bool {
		for id := 2; id <= 3; id++ {
			leader.MustExec(s.t, fmt.Sprintf("UPDATE %s SET v = v + 1 WHERE id = %d", table, id))
		}
		s.relay.follow(s.t, leader)
		s.waitHead()
		return s.Status().Ahead > before
	}, patience, time.Millisecond)
}

// executes runs a statement on the leader, gives it to the follower, and returns
// its GTID.
func (r *memoryRelay) executes(t *testing.T, leader *mysqltest.Server, statement string) string {
	t.Helper()
	leader.MustExec(t, statement)
	r.follow(t, leader)
	return lastOf(r).String()
}

func has(t *testing.T, s *mysqltest.Server, gtid string) bool {
	return s.Value(t, "SELECT GTID_SUBSET(?, @@global.gtid_executed)", gtid) == "1"
}

// Where the leader's clock has everything wait for the transaction before it, the
// rows say what may pass one that waits for a lock, and what may not.
func TestRowsSayWhatMayPassWhereTheClockDoesNot(t *testing.T) {
	leader, follower := pair(t, poorClock())
	s, relay := goByRows(t, leader, follower)
	holder := lockRow(t, follower, 1)
	waits := []string{
		relay.executes(t, leader, "UPDATE d.t SET v = -1 WHERE id = 1"),
		relay.executes(t, leader, "UPDATE d.t SET v = v * 2 WHERE id = 1"),
	}
	for i := 2; i <= 10; i++ {
		passes := relay.executes(t, leader, fmt.Sprintf("UPDATE d.t SET v = v + 7 WHERE id = %d", i))
		mysqltest.WaitGTID(t, follower, passes, patience)
	}
	mysqltest.WaitGTID(t, follower, relay.executes(t, leader, "UPDATE d.u SET v = v + 100 WHERE id = 1"), patience)
	waits = append(waits, relay.executes(t, leader, "DELETE FROM d.t WHERE id = 1"), relay.executes(t, leader, "INSERT INTO d.t VALUES (1, 5)"))
	mysqltest.WaitGTID(t, follower, relay.executes(t, leader, "UPDATE d.u SET v = v + 100 WHERE id = 2"), patience)
	for _, gtid := range waits {
		require.False(t, has(t, follower, gtid), "%s passed one that it depends on", gtid)
	}
	require.NoError(t, holder.Rollback())
	s.waitHead()
	require.Equal(t, applier.ClockRows, s.Status().Clock)
	mysqltest.AssertSameData(t, leader, follower)
}

// What a table's keys are is asked anew after each change of tables, and nothing is
// judged by keys that it had before.
func TestKeysAreThoseOfTheTableAtThatMoment(t *testing.T) {
	leader, follower := pair(t, poorClock())
	s, relay := goByRows(t, leader, follower)
	relay.executes(t, leader, "ALTER TABLE d.t ADD COLUMN w INT, ADD UNIQUE (w)")
	relay.executes(t, leader, "UPDATE d.t SET w = id")
	s.waitHead()
	s.knows(leader, "d.t")

	holder := lockRow(t, follower, 1)
	frees := relay.executes(t, leader, "UPDATE d.t SET w = NULL WHERE id = 1")
	takes := relay.executes(t, leader, "UPDATE d.t SET w = 1 WHERE id = 2")
	mysqltest.WaitGTID(t, follower, relay.executes(t, leader, "UPDATE d.t SET w = 33 WHERE id = 3"), patience)
	require.False(t, has(t, follower, frees) || has(t, follower, takes), "what takes a value waits for what frees it")
	require.Nil(t, s.Status().Failure)

	// Behind a change of tables that waits, everything does.
	relay.executes(t, leader, "UPDATE d.t SET v = -id")
	relay.executes(t, leader, "ALTER TABLE d.t DROP COLUMN w, ADD UNIQUE (v)")
	relay.executes(t, leader, "UPDATE d.t SET v = 100 WHERE id = 4")
	relay.executes(t, leader, "UPDATE d.t SET v = -4 WHERE id = 5")
	require.NoError(t, holder.Rollback())
	s.waitHead()
	require.Nil(t, s.Status().Failure)
	mysqltest.AssertSameData(t, leader, follower)
}

// A key that the follower got from somebody else, after it was asked for the
// table, isn't known: a transaction that is refused because it came too early is
// tried again in its turn, and the rows aren't believed any more.
func TestWhatCameTooEarlyIsTriedAgainInItsTurn(t *testing.T) {
	leader, follower := pair(t, poorClock())
	s, relay := goByRows(t, leader, follower)
	leader.MustExec(t, "UPDATE d.t SET v = id")
	relay.follow(t, leader)
	s.waitHead()
	follower.MustExec(t, "SET SESSION sql_log_bin = 0; ALTER TABLE d.t ADD UNIQUE mine (v)")
	holder := lockRow(t, follower, 1)
	relay.executes(t, leader, "UPDATE d.t SET v = 100 WHERE id = 1")
	relay.executes(t, leader, "UPDATE d.t SET v = 1 WHERE id = 2")
	s.waitFor("by the leader's clock", func(st applier.Status) bool { return st.Clock == applier.ClockLeader || st.Failure != nil })
	require.NoError(t, holder.Rollback())
	s.waitHead()
	require.Nil(t, s.Status().Failure)
	require.Equal(t, "1", follower.Value(t, "SELECT v FROM d.t WHERE id = 2"))
}
