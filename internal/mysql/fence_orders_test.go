package mysql_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
)

// These show what the other orders of fencing a leader would have told clients:
// each commit here is on the old leader alone, since nobody acknowledges.

// twoWait has two clients wait for an acknowledgement.
func twoWait(t *testing.T, s *mysqltest.Server) *clientele {
	t.Helper()
	c := clients(t, s, "client")
	c.commit(1)
	c.commit(2)
	eventually(t, "two wait", func() bool { return waiters(t, s) == 2 })
	return c
}

func bothAreToldOfSuccess(t *testing.T, c *clientele) {
	t.Helper()
	eventually(t, "both are told of success", func() bool { return len(c.told()) == 2 })
}

// issue runs a statement as root that may hang until the test's end.
func issue(t *testing.T, s *mysqltest.Server, statement string) (returned chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	returned = make(chan error, 1)
	ended := make(chan struct{})
	conn, err := s.DB().Conn(ctx)
	require.NoError(t, err)
	go func() {
		defer close(ended)
		_, err := conn.ExecContext(ctx, statement)
		_ = conn.Close()
		returned <- err
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return returned
}

// waitsFor waits until a statement waits in that state.
func waitsFor(t *testing.T, s *mysqltest.Server, state string) {
	t.Helper()
	eventually(t, "a statement is "+state, func() bool {
		all, err := mysql.Connections(t.Context(), s.DB())
		require.NoError(t, err)
		for _, c := range all {
			if c.State == state {
				return true
			}
		}
		return false
	})
}

func TestSwitchingSemiSyncOffFirstAcknowledgesWhatWaits(t *testing.T) {
	s := waitingLeader(t)
	c := twoWait(t, s)
	s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
	bothAreToldOfSuccess(t, c)
}

func TestShuttingTheLeaderDownAcknowledgesWhatWaits(t *testing.T) {
	s := waitingLeader(t)
	c := twoWait(t, s)
	s.MustExec(t, "SHUTDOWN")
	bothAreToldOfSuccess(t, c)
}

func TestAwaitingSuperReadOnlyFirstHangsAsLongAsACommitWaits(t *testing.T) {
	s := waitingLeader(t)
	c := twoWait(t, s)
	returned := issue(t, s, "SET GLOBAL super_read_only = ON")
	waitsFor(t, s, "Waiting for global read lock")
	require.Equal(t, "1", s.Value(t, "SELECT @@super_read_only"), "the variable says so and proves nothing")
	require.Equal(t, 2, waiters(t, s))
	select {
	case err := <-returned:
		require.Fail(t, "it returned", "%v", err)
	default:
	}
	// Whoever then loses patience and switches semi-sync off has them acknowledged.
	s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
	bothAreToldOfSuccess(t, c)
	require.NoError(t, <-returned)
}

func TestKillingQueriesOnlyEndsNoWaiterAndTheyAreAcknowledged(t *testing.T) {
	s := waitingLeader(t)
	c := twoWait(t, s)
	returned := issue(t, s, "SET GLOBAL super_read_only = ON")
	waitsFor(t, s, "Waiting for global read lock")
	all, err := mysql.Connections(t.Context(), s.DB())
	require.NoError(t, err)
	killed := 0
	for _, w := range all {
		if w.Waits() {
			_, err := s.DB().Exec("KILL QUERY ?", w.ID)
			require.NoError(t, err)
			killed++
		}
	}
	require.Equal(t, 2, killed)
	s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
	bothAreToldOfSuccess(t, c)
	require.NoError(t, <-returned)
}

// A client whose commit goes along with another's shows no sign that it waits
// for an acknowledgement.
func TestEndingOnlyWhoShowsThatItWaitsAcknowledgesTheRestOfItsGroup(t *testing.T) {
	s := waitingLeader(t)
	c := clients(t, s, "client")
	c.commit(1)
	eventually(t, "one waits", func() bool { return waiters(t, s) == 1 })
	c.commit(2)
	waitsFor(t, s, "waiting for handler commit")
	returned := issue(t, s, "SET GLOBAL super_read_only = ON")
	waitsFor(t, s, "Waiting for global read lock")
	all, err := mysql.Connections(t.Context(), s.DB())
	require.NoError(t, err)
	for _, w := range all {
		if w.AwaitsAcknowledgement() {
			_, err := s.DB().Exec("KILL ?", w.ID)
			require.NoError(t, err)
		}
	}
	s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
	require.NoError(t, <-returned)
	eventually(t, "one is told of success", func() bool { return len(c.told()) == 1 })
}

// Without the global read lock, who has CONNECTION_ADMIN gets through between
// read_only and super_read_only, when semi-sync is off already.
func TestSuperReadOnlyAloneLetsAnAdministratorsStatementThrough(t *testing.T) {
	s := waitingLeader(t)
	c := twoWait(t, s)
	returned := issue(t, s, "SET GLOBAL super_read_only = ON")
	waitsFor(t, s, "Waiting for global read lock")
	boss := clients(t, s, "boss")
	boss.commit(3)
	eventually(t, "it queues", func() bool {
		all, err := mysql.Connections(t.Context(), s.DB())
		require.NoError(t, err)
		queued := 0
		for _, w := range all {
			if w.State == "Waiting for global read lock" {
				queued++
			}
		}
		return queued == 2
	})
	endWaiters(t, s.DB())
	s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
	require.NoError(t, <-returned)
	eventually(t, "the administrator is told of success", func() bool { return len(boss.told()) == 1 })
	require.Empty(t, c.told())
}

func endWaiters(t *testing.T, db *sql.DB) {
	t.Helper()
	all, err := mysql.Connections(t.Context(), db)
	require.NoError(t, err)
	for _, w := range all {
		if w.Waits() {
			_, err := db.Exec("KILL ?", w.ID)
			require.NoError(t, err)
		}
	}
}
