package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, target mysql.Target) *sql.DB {
	t.Helper()
	db, err := target.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// state is everything about a server that looking must not change.
func state(t *testing.T, s *mysqltest.Server) string {
	t.Helper()
	var text strings.Builder
	for _, query := range []string{
		"SELECT variable_name, variable_value FROM performance_schema.global_variables WHERE variable_name NOT IN ('timestamp', 'gtid_owned') ORDER BY 1",
		"SELECT * FROM performance_schema.persisted_variables ORDER BY 1",
		"SELECT user, host, account_locked, password_expired FROM mysql.user ORDER BY 1, 2",
		"SELECT plugin_name, plugin_status FROM information_schema.plugins ORDER BY 1",
		"SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ('sys', 'performance_schema', 'information_schema') ORDER BY 1, 2",
		"SELECT channel_name, service_state FROM performance_schema.replication_connection_status",
	} {
		for _, row := range s.Rows(t, query) {
			text.WriteString(strings.Join(row, "\t") + "\n")
		}
	}
	return text.String()
}

func TestFactsOfARealServer(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.SemiSyncSource(), mysqltest.Setting("binlog_expire_logs_seconds", "7200"))
	s.MustCreateAccount(t)
	s.MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY)", "INSERT INTO shop.orders VALUES (1)")
	before := state(t, s)
	f, err := mysql.Inspect(t.Context(), open(t, targetOf(s)))
	require.NoError(t, err)
	require.Equal(t, before, state(t, s))

	require.Equal(t, mysql.MySQL, f.Version.Flavour)
	require.True(t, f.Version.AtLeast(8, 0, 0), f.Version.Text)
	require.Equal(t, s.UUID(t), f.ServerUUID)
	require.Equal(t, uint32(s.Port), f.ServerID)
	require.Equal(t, "`baton`@`%`", f.Account)
	require.Equal(t, s.GTIDExecuted(t), f.GTIDExecuted.String())
	require.True(t, f.GTIDPurged.IsEmpty())
	require.Equal(t, []any{"ON", true, true, true, "ROW", "FULL", "CRC32"},
		[]any{f.GTIDMode, f.EnforceGTID, f.LogBin, f.LogReplicaUpdates, f.BinlogFormat, f.BinlogRowImage, f.BinlogChecksum})
	require.Equal(t, 2*time.Hour, f.BinlogRetention)
	require.Equal(t, []int64{1, 1}, []int64{f.SyncBinlog, f.FlushLogAtCommit})
	require.True(t, f.PersistedLoad)
	require.False(t, f.ReadOnly || f.SuperReadOnly)
	require.True(t, f.SemiSync.Source)
	require.False(t, f.SemiSync.SourceEnabled || f.SemiSync.Replica)
	require.Empty(t, f.Channels)
	require.Empty(t, f.Unasked)
	require.Positive(t, f.MaxAllowedPacket)
	require.Equal(t, s.Value(t, "SELECT @@GLOBAL.max_connect_errors"), fmt.Sprint(f.MaxConnectErrors))
	require.False(t, f.Clock.Beyond(0), "the server runs on this machine: offset %s ± %s", f.Clock.Offset, f.Clock.Error)
	require.True(t, f.Grants.Has("REPLICATION_APPLIER"))
	require.True(t, f.Grants.Has("GRANT OPTION"))
}

func TestFactsWithLongSetsRolesAndWithoutPerformanceSchema(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed(), mysqltest.Setting("performance_schema", "OFF"))
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprint(2*i+1))
	}
	long := otherUUID + ":" + strings.Join(many, ":")
	s.MustExec(t, "SET GLOBAL gtid_purged = '"+long+"'",
		"CREATE ROLE replicator", "GRANT REPLICATION CLIENT, REPLICATION_APPLIER ON *.* TO replicator",
		"CREATE USER baton@'%' IDENTIFIED BY '"+mysqltest.Password+"'", "GRANT replicator TO baton@'%'")
	db := open(t, targetOf(s))
	f, err := mysql.Inspect(t.Context(), db)
	require.NoError(t, err)
	require.Equal(t, long, f.GTIDPurged.String())
	require.False(t, f.Grants.Has("REPLICATION_APPLIER"), "the role is not active")
	require.Contains(t, f.Unasked, mysql.SubjectChannels)

	s.MustExec(t, "SET DEFAULT ROLE ALL TO baton@'%'")
	f, err = mysql.Inspect(t.Context(), open(t, targetOf(s)))
	require.NoError(t, err)
	require.True(t, f.Grants.Has("REPLICATION_APPLIER"), "the role is active")
	require.Empty(t, f.Unasked)
}

func TestTablesThatReplicationHasTroubleWith(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	s.MustExec(t, "CREATE DATABASE `a``b`", "USE `a``b`",
		"CREATE TABLE `a``b`.keyed (id INT PRIMARY KEY)",
		"CREATE TABLE `a``b`.uniq (id INT NOT NULL UNIQUE)",
		"CREATE TABLE `a``b`.nullable (id INT UNIQUE)",
		"CREATE TABLE `a``b`.none (id INT)",
		"CREATE TABLE `a``b`.isam (id INT PRIMARY KEY) ENGINE=MyISAM",
		"CREATE VIEW `a``b`.v AS SELECT * FROM `a``b`.none",
		"CREATE EVENT `a``b`.runs ON SCHEDULE EVERY 1 DAY DO SET @a = 1",
		"CREATE EVENT `a``b`.off ON SCHEDULE EVERY 1 DAY DISABLE DO SET @a = 1",
		"CREATE EVENT `a``b`.rests ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO SET @a = 1")
	tables, err := mysql.InspectTables(t.Context(), open(t, targetOf(s)))
	require.NoError(t, err)
	require.Equal(t, mysql.Tables{
		NoKey:            mysql.TableList{Count: 2, Names: []string{"`a``b`.`none`", "`a``b`.`nullable`"}},
		NonTransactional: mysql.TableList{Count: 1, Names: []string{"`a``b`.`isam`"}},
		Events:           mysql.TableList{Count: 1, Names: []string{"`a``b`.`rests`"}},
	}, tables)
}

func TestStateIsSetAndRead(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	db := open(t, targetOf(s))
	readOnly := func() string { return s.Value(t, "SELECT CONCAT(@@read_only, @@super_read_only)") }
	s.MustExec(t, "CREATE DATABASE shop")
	create := "CREATE FUNCTION shop.f() RETURNS INT RETURN 1"
	_, err := db.Exec(create)
	require.ErrorContains(t, err, "1418")
	require.NoError(t, mysql.MakeFollower(t.Context(), db))
	_, err = db.Exec(create)
	require.NoError(t, err, "a follower can replay it")
	require.NoError(t, mysql.SetTrustFunctionCreators(t.Context(), db, false))
	require.Equal(t, "0", s.Value(t, "SELECT @@log_bin_trust_function_creators"))
	for _, step := range []struct {
		set  func(context.Context, mysql.Querier) error
		want string
	}{
		{mysql.MakeFollower, "10"}, {mysql.MakeFollower, "10"}, {mysql.Fence, "11"}, {mysql.MakeFollower, "10"},
		{mysql.Fence, "11"}, {mysql.MakeWritable, "00"}, {mysql.PersistFence, "00"},
	} {
		require.NoError(t, step.set(t.Context(), db))
		require.Equal(t, step.want, readOnly())
	}
	require.NoError(t, s.Restart(t.Context()))
	require.Equal(t, "11", readOnly(), "it starts fenced")

	set := mysqlSet(otherUUID + ":1-5")
	require.NoError(t, mysql.AddPurged(t.Context(), db, set))
	require.NoError(t, mysql.AddPurged(t.Context(), db, mysqlSet("")))
	executed, err := mysql.GTIDExecuted(t.Context(), db)
	require.NoError(t, err)
	require.True(t, executed.ContainsSet(set), executed)
	purged, err := mysql.GTIDPurged(t.Context(), db)
	require.NoError(t, err)
	require.Equal(t, set, purged)

	s.MustExec(t, "SET GLOBAL read_only = OFF", "CREATE USER nobody IDENTIFIED BY 'nothing'")
	target := targetOf(s)
	target.User, target.Password = "nobody", config.NewSecret("nothing")
	err = mysql.Fence(t.Context(), open(t, target))
	require.Equal(t, mysql.PrivilegeMissing, mysql.Classify(err).Kind)
}
