package mysql_test

import (
	"context"
	"testing"
	"time"

	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

func TestTheSchemaIsMadeOnceAndKeepsTheEpochs(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	db := open(t, targetOf(s))
	_, ok, err := mysql.ReadEpoch(t.Context(), db)
	require.NoError(t, err)
	require.False(t, ok, "there is no schema")
	require.NoError(t, mysql.EnsureSchema(t.Context(), db))
	made := s.GTIDExecuted(t)
	require.NoError(t, mysql.EnsureSchema(t.Context(), db))
	require.Equal(t, made, s.GTIDExecuted(t), "what is there is not made again")
	tables, err := mysql.InspectTables(t.Context(), db)
	require.NoError(t, err)
	require.Zero(t, tables.NoKey.Count+tables.NonTransactional.Count)
	_, ok, err = mysql.ReadEpoch(t.Context(), db)
	require.NoError(t, err)
	require.False(t, ok, "none was written")

	for _, number := range []int64{7, 8, 8} {
		require.NoError(t, mysql.WriteEpoch(t.Context(), db, mysql.Epoch{Number: number, Leader: "db1"}))
	}
	written := s.GTIDExecuted(t)
	e, ok, err := mysql.ReadEpoch(t.Context(), db)
	require.NoError(t, err)
	require.True(t, ok)
	require.WithinDuration(t, time.Now(), e.Written, time.Hour)
	e.Written = time.Time{}
	require.Equal(t, mysql.Epoch{Number: 8, LeaderUUID: s.UUID(t), Leader: "db1"}, e)
	err = mysql.WriteEpoch(t.Context(), db, mysql.Epoch{Number: 8, LeaderUUID: otherUUID, Leader: "db2"})
	require.ErrorIs(t, err, mysql.ErrOtherEpoch)
	require.ErrorContains(t, err, s.UUID(t))

	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = mysql.Unlogged(t.Context(), conn)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, mysql.WriteHeartbeat(t.Context(), conn, time.Now()))
	}
	require.Equal(t, "0", s.Value(t, "SELECT COUNT(*) FROM baton.heartbeat"))
	require.Equal(t, written, s.GTIDExecuted(t), "heartbeats have no GTIDs")
	require.NoError(t, mysql.Fence(t.Context(), db))
	require.Equal(t, uint16(1290), mysql.Classify(mysql.WriteHeartbeat(t.Context(), conn, time.Now())).Code)
}

// A server that hangs does so in COMMIT, which waits for the disk. Here it waits for a lock, between which and the
// statement before it the heartbeat has to be met.
func TestAHeartbeatThatHangsInItsCommitEndsWithItsContext(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	db := open(t, targetOf(s))
	require.NoError(t, mysql.EnsureSchema(t.Context(), db))
	s.MustExec(t, "CREATE TRIGGER baton.slow BEFORE DELETE ON baton.heartbeat FOR EACH ROW DO SLEEP(0.3)")
	locker, err := s.DB().Conn(t.Context())
	require.NoError(t, err)
	defer locker.Close()
	lock := func(statement string) {
		_, err := locker.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	for hung := false; !hung; {
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		_, err = conn.ExecContext(t.Context(), "SET SESSION lock_wait_timeout = 3600")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- mysql.WriteHeartbeat(ctx, conn, time.Now()) }()
		require.Eventually(t, func() bool {
			return s.Value(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE state = 'User sleep'") == "1"
		}, time.Minute, time.Millisecond)
		lock("FLUSH TABLES WITH READ LOCK") // when the DELETE has ended
		require.Eventually(t, func() bool {
			hung = s.Value(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE state = 'Waiting for commit lock'") == "1"
			return hung || len(done) == 1
		}, time.Minute, time.Millisecond)
		cancel()
		select {
		case err := <-done:
			require.True(t, !hung || err != nil)
		case <-time.After(20 * time.Second):
			t.Fatal("the heartbeat doesn't end")
		}
		_ = conn.Close() // it may be broken
		lock("UNLOCK TABLES")
	}
}

func TestAServerBootsFencedAndNoLongerSo(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed(), mysqltest.Setting("super_read_only", "OFF"))
	s.MustCreateAccount(t)
	db := open(t, targetOf(s))
	require.NoError(t, mysql.UnpersistFence(t.Context(), db), "there is nothing to undo")
	require.NoError(t, mysql.PersistFence(t.Context(), db))
	require.True(t, inspect(t, s).BootsFenced)
	require.Equal(t, "00", readOnly(t, s), "nothing changes before the next start")
	require.NoError(t, s.Restart(t.Context()))
	require.Equal(t, "11", readOnly(t, s))
	sinceStart := func() bool {
		since, err := mysql.FencedSinceStart(t.Context(), db)
		require.NoError(t, err)
		return since
	}
	require.True(t, sinceStart())
	require.NoError(t, mysql.MakeFollower(t.Context(), db))
	require.False(t, sinceStart())
	require.NoError(t, mysql.Fence(t.Context(), db))
	require.False(t, sinceStart(), "somebody has fenced it")
	require.NoError(t, mysql.MakeFollower(t.Context(), db))
	require.Equal(t, "10", readOnly(t, s))
	require.NoError(t, mysql.MakeWritable(t.Context(), db))
	require.True(t, inspect(t, s).BootsFenced, "making it writable is for now only")
	require.NoError(t, mysql.UnpersistFence(t.Context(), db))
	require.NoError(t, s.Restart(t.Context()))
	require.Equal(t, "00", readOnly(t, s))
	require.False(t, inspect(t, s).BootsFenced)
}

func TestFaultsOfADiskAreNamed(t *testing.T) {
	for code, texts := range map[uint16]map[string]mysql.FaultKind{
		1021: {"Disk full (/tmp/#sql); waiting for someone to free some space... (errno: 28 \"No space left on device\")": mysql.DiskFull},
		1026: {
			"Error writing file './binlog' (OS errno 28 - No space left on device)": mysql.DiskFull,
			"Error writing file './binlog' (OS errno 30 - Read-only file system)":   mysql.DiskReadOnly,
			"Error writing file './binlog' (OS errno 5 - Input/output error)":       mysql.DiskFailing,
		},
		1030: {"Got error 168 - 'Unknown (generic) error from engine' from storage engine": mysql.DiskFailing},
		1036: {"Table 'heartbeat' is read only": mysql.DiskReadOnly},
		1114: {"The table 'heartbeat' is full": mysql.DiskFull},
		3675: {"Create table/tablespace 'a' failed, as disk is full": mysql.DiskFull},
	} {
		for text, kind := range texts {
			f := mysql.Classify(&driver.MySQLError{Number: code, Message: text})
			require.Equal(t, kind, f.Kind, text)
			require.NotEmpty(t, f.Mend)
			require.False(t, f.Down())
		}
	}
}
