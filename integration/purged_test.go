package integration_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// purge has the leader forget all that it has logged. A daemon that has just ended may still be read to for a moment,
// which keeps what it was sent last.
func purge(t testing.TB, leader *mysqltest.Server) {
	t.Helper()
	leader.MustExec(t, "FLUSH LOCAL BINARY LOGS")
	require.Eventually(t, func() bool {
		leader.MustExec(t, "PURGE BINARY LOGS TO '"+leader.Rows(t, "SHOW BINARY LOG STATUS")[0][0]+"'")
		return leader.GTIDExecuted(t) == leader.Value(t, "SELECT REPLACE(@@GLOBAL.gtid_purged, '\n', '')")
	}, patience, poll, "the leader has no transaction in its binlogs")
}

// The leader forgets what the relay has not received, while baton is down: nothing can fill the gap, nobody is given
// what comes after it, and the way out is the one that baton names.
func TestLeaderHasPurgedWhatTheRelayLacks(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	leader, follower := c.Leader, c.Followers[0]
	b := startBaton(t, c.Servers(), set("durability.ack_timeout", "1s"))
	w := newWorkload(t, leader, 12)
	w.write(t, 20)
	converged(t, b, w, leader, follower)
	b.stop()
	w.write(t, 20)
	held := follower.GTIDExecuted(t)
	purge(t, leader)
	w.write(t, 20)

	gap := bad{"db1", "stopped", "purged", "seed the followers from"}
	before := settingsOf(t, leader)
	b.start()
	gap.told(t, b)
	gap.checked(t, b)
	require.Empty(t, before.changed(settingsOf(t, leader)))
	require.Equal(t, "stopped", b.status().Source.State)
	// The leader then starts anew, so read-only: baton can't have its commits protected, and says so.
	require.NoError(t, leader.Restart(t.Context()))
	b.waitEvent("leader-alarm", "db1", "could not be made writable")
	b.waitStatus("the source says it again", func(s state) bool { return s.instance("db1").State == "stopped" })
	require.Equal(t, "1", leader.Value(t, "SELECT @@GLOBAL.super_read_only"))
	require.Equal(t, held, follower.GTIDExecuted(t), "what comes after the gap is not applied")
	said := 0
	for _, e := range b.events() {
		if e.Kind == "source-stopped" {
			said++
		}
	}
	require.Equal(t, 1, said, "it is told once")

	b.stop()
	require.NoError(t, os.Rename(filepath.Join(b.stateDir, "relay"), filepath.Join(b.stateDir, "relay.old")))
	require.NoError(t, leader.Stop(t.Context()))
	seeded := mysqltest.Start(t, mysqltest.Name("seeded"), mysqltest.Relaxed(), mysqltest.CopyOf(leader.DataDir))
	require.NoError(t, leader.Restart(t.Context()))
	b.instances()[1]["address"] = seeded.Addr()
	b.start()
	w.start()
	w.await(t, 20)
	converged(t, b, w, leader, seeded)
}
