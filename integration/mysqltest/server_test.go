package mysqltest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartedServerIsReadyToReplicate(t *testing.T) {
	t0 := time.Now()
	s := Start(t)
	t.Log(time.Since(t0))
	require.Equal(t, [][]string{{"ON", "ON", "ROW", "1", "1", "1"}}, s.Rows(t, `SELECT @@gtid_mode, @@enforce_gtid_consistency,
		@@binlog_format, @@log_replica_updates, @@sync_binlog, @@innodb_flush_log_at_trx_commit`))
	require.Empty(t, s.GTIDExecuted(t))
	require.NotEmpty(t, s.UUID(t))
}

func TestDataSurvivesKillStopAndRestart(t *testing.T) {
	ctx := context.Background()
	s := Start(t, Name("survivor"))
	uuid, port := s.UUID(t), s.Port
	s.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "INSERT INTO d.t VALUES (1)")
	require.NoError(t, s.Kill9())
	require.False(t, s.Alive())
	require.NoError(t, s.Restart(ctx))
	s.MustExec(t, "INSERT INTO d.t VALUES (2)", "SET PERSIST max_connections = 77")
	require.NoError(t, s.Stop(ctx))
	require.NoError(t, s.Restart(ctx, Setting("binlog_row_image", "MINIMAL")))
	require.Equal(t, "2", s.Value(t, "SELECT COUNT(*) FROM d.t"))
	require.Equal(t, "77", s.Value(t, "SELECT @@max_connections"))
	require.Equal(t, "MINIMAL", s.Value(t, "SELECT @@binlog_row_image"))
	require.Equal(t, uuid+":1-4", s.GTIDExecuted(t))
	require.Equal(t, port, s.Port)
}
