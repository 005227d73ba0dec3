package mysql_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
)

// An event of the leader's is on its followers too. Run there, by a definer that read_only doesn't hold back, it would
// commit what the leader hasn't.
func TestAFollowersEventsRestUntilItLeads(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	db := open(t, targetOf(s))
	s.MustExec(t, "SET GLOBAL read_only = ON", "CREATE DATABASE d", "CREATE TABLE d.t (a INT)",
		"CREATE EVENT d.e ON SCHEDULE EVERY 1 SECOND DO INSERT INTO d.t VALUES (1)")
	runs := func(within time.Duration) bool {
		before := s.GTIDExecuted(t)
		for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if s.GTIDExecuted(t) != before {
				return true
			}
		}
		return false
	}
	require.True(t, runs(time.Minute), "read_only doesn't hold it back")
	require.NoError(t, mysql.MakeFollower(t.Context(), db))
	require.NoError(t, mysql.MakeFollower(t.Context(), db))
	require.Eventually(t, func() bool {
		return s.Value(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE command = 'Connect'") == "0"
	}, time.Minute, 10*time.Millisecond, "a run that had begun ends")
	require.False(t, runs(2500*time.Millisecond))
	require.NoError(t, mysql.MakeWritable(t.Context(), db))
	require.True(t, runs(time.Minute))

	// What an operator has switched off stays off.
	s.MustExec(t, "SET GLOBAL event_scheduler = OFF")
	require.NoError(t, mysql.MakeFollower(t.Context(), db))
	require.NoError(t, mysql.MakeWritable(t.Context(), db))
	require.Equal(t, "OFF", s.Value(t, "SELECT @@event_scheduler"))

	require.NoError(t, s.Restart(t.Context(), mysqltest.Setting("event_scheduler", "DISABLED")))
	require.NoError(t, mysql.MakeFollower(t.Context(), db))
	require.NoError(t, mysql.MakeWritable(t.Context(), db))
	require.Equal(t, "DISABLED", s.Value(t, "SELECT @@event_scheduler"))
}
