package mysql_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
)

func inspect(t *testing.T, s *mysqltest.Server) mysql.Facts {
	t.Helper()
	f, err := mysql.Inspect(t.Context(), open(t, targetOf(s)))
	require.NoError(t, err)
	return f
}

func pulse(t *testing.T, s *mysqltest.Server) mysql.Pulse {
	t.Helper()
	conn, err := open(t, targetOf(s)).Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	p, err := mysql.ReadPulse(t.Context(), conn)
	require.NoError(t, err)
	return p
}

func TestSemiSyncIsSetUpOnAServerThatHasNothingOfIt(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	db := open(t, targetOf(s))
	strict := mysql.SemiSyncSettings{}
	require.NoError(t, mysql.TearDownSemiSync(t.Context(), db), "there is nothing to tear down")
	require.Equal(t, []string{"the plugin is not loaded"}, inspect(t, s).SemiSync.Drift(strict))
	require.NoError(t, mysql.MakeFollower(t.Context(), db))
	for range 2 {
		require.NoError(t, mysql.SetUpSemiSync(t.Context(), db, strict))
		f := inspect(t, s)
		require.Empty(t, f.SemiSync.Drift(strict))
		require.True(t, f.SemiSync.SourceActive)
		require.Equal(t, (1<<32-1)*time.Millisecond, f.SemiSync.SourceTimeout)
	}
	require.Empty(t, s.GTIDExecuted(t), "nothing of it is logged")
	short := mysql.SemiSyncSettings{Timeout: 1500 * time.Millisecond}
	require.Equal(t, []string{"rpl_semi_sync_source_timeout is 4294967295, not 1500"}, inspect(t, s).SemiSync.Drift(short))
	s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_wait_no_replica = OFF", "SET GLOBAL rpl_semi_sync_source_wait_for_replica_count = 2",
		"SET GLOBAL rpl_semi_sync_source_wait_point = AFTER_COMMIT", "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
	f := inspect(t, s)
	require.Len(t, f.SemiSync.Drift(short), 5)
	require.NoError(t, mysql.SetUpSemiSync(t.Context(), db, short))
	require.Empty(t, inspect(t, s).SemiSync.Drift(short))

	require.NoError(t, s.Restart(t.Context()))
	f = inspect(t, s)
	require.True(t, f.SemiSync.Source, "the plugin stays loaded")
	require.False(t, f.SemiSync.SourceEnabled, "nothing else is persisted")
	require.NoError(t, mysql.SetUpSemiSync(t.Context(), db, short))
	require.NoError(t, mysql.MakeFollower(t.Context(), db))
	require.False(t, inspect(t, s).SemiSync.SourceEnabled, "a follower doesn't wait for what is applied to it")
}

func TestSemiSyncWithTheNamesBefore8_0_26(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	if _, err := s.DB().Exec("INSTALL PLUGIN rpl_semi_sync_master SONAME 'semisync_master.so'"); err != nil {
		t.Logf("this server has no plugin of the old names: %v", err)
		require.ErrorContains(t, err, "semisync_master.so")
		return
	}
	db := open(t, targetOf(s))
	want := mysql.SemiSyncSettings{Timeout: time.Second}
	require.NoError(t, mysql.SetUpSemiSync(t.Context(), db, want))
	f := inspect(t, s)
	require.True(t, f.SemiSync.OldNames)
	require.Empty(t, f.SemiSync.Drift(want))
	require.NoError(t, mysql.TearDownSemiSync(t.Context(), db))
	require.False(t, inspect(t, s).SemiSync.SourceEnabled)
}

func TestSemiSyncIsNotTornDownUnderAWaiter(t *testing.T) {
	s := waitingLeader(t)
	db := open(t, targetOf(s))
	c := clients(t, s, "client")
	for id := range 3 {
		c.commit(id)
	}
	eventually(t, "three wait", func() bool { return waiters(t, s) == 3 })
	require.ErrorIs(t, mysql.TearDownSemiSync(t.Context(), db), mysql.ErrWaiters)
	require.ErrorIs(t, mysql.MakeFollower(t.Context(), db), mysql.ErrWaiters)
	p := pulse(t, s)
	require.True(t, p.SemiSyncActive)
	require.Positive(t, p.SemiSyncWaiting)
	require.Empty(t, c.told())
}

func TestThePulseTellsThatCommitsWentUnprotected(t *testing.T) {
	s := waitingLeader(t)
	protected := pulse(t, s)
	require.True(t, protected.SemiSyncActive)
	require.Zero(t, protected.SemiSyncUnacknowledged)
	require.NoError(t, mysql.SetUpSemiSync(t.Context(), open(t, targetOf(s)), mysql.SemiSyncSettings{Timeout: 50 * time.Millisecond}))
	s.MustExec(t, "INSERT INTO shop.orders VALUES (1)")
	p := pulse(t, s)
	require.False(t, p.SemiSyncActive, "it has timed out")
	require.Equal(t, int64(1), p.SemiSyncUnacknowledged)
	s.MustExec(t, "INSERT INTO shop.orders VALUES (2)")
	require.Equal(t, int64(2), pulse(t, s).SemiSyncUnacknowledged)

	f := inspect(t, s)
	require.Equal(t, int64(2), f.With(pulse(t, s)).SemiSync.Unacknowledged)
}

func TestAnotherReplicaThatAcknowledgesIsReported(t *testing.T) {
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed(), mysqltest.SemiSyncReplica())
	leader, replica := c.Leader, c.Followers[0]
	require.NoError(t, mysql.SetUpSemiSync(t.Context(), open(t, targetOf(leader)), mysql.SemiSyncSettings{}))
	replica.MustExec(t, "SET GLOBAL rpl_semi_sync_replica_enabled = ON", "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT="+fmt.Sprint(leader.Port)+
		", SOURCE_USER='baton', SOURCE_PASSWORD='"+mysqltest.Password+"', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", "START REPLICA")
	t.Cleanup(func() { replica.MustExec(t, "STOP REPLICA") })
	eventually(t, "the replica is seen", func() bool { return len(inspect(t, leader).Acknowledgers) == 1 })
	members := surveyAll(context.WithoutCancel(t.Context()), []mysql.Target{targetOf(leader)}, leader.Name, false)
	found := find(t, mysql.Examine(mysql.Cluster{Members: members, SemiSync: true}), leader.Name, mysql.SubjectAcknowledgers)
	require.Equal(t, mysql.Warn, found.Level)
	require.Contains(t, found.Message, replica.UUID(t))
	runSQL(t, replica, found.SQL)
	eventually(t, "it acknowledges no more", func() bool { return len(inspect(t, leader).Acknowledgers) == 0 })
}
