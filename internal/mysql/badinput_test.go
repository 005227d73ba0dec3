package mysql_test

import (
	"testing"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
)

func mysqlSet(text string) gtid.Set { return gtid.MustParseSet(text) }

// find returns the finding on a subject, which must be there.
func find(t *testing.T, findings []mysql.Finding, instance, subject string) mysql.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Instance == instance && f.Subject == subject {
			return f
		}
	}
	require.Failf(t, "no finding", "%s: %s among %v", instance, subject, findings)
	return mysql.Finding{}
}

func TestBadInputIsNamedAndNothingIsChanged(t *testing.T) {
	leader := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed(), mysqltest.ServerID(77))
	twin := mysqltest.Start(t, mysqltest.Name("db2"), mysqltest.Relaxed(), mysqltest.ServerID(77))
	old := mysqltest.Start(t, mysqltest.Name("db3"), mysqltest.Relaxed(),
		mysqltest.Setting("gtid_mode", "OFF"), mysqltest.Setting("enforce_gtid_consistency", "OFF"), mysqltest.Setting("binlog_format", "STATEMENT"))
	native := mysqltest.Start(t, mysqltest.Name("db4"), mysqltest.Relaxed())
	servers := []*mysqltest.Server{leader, twin, old, native}
	for _, s := range servers {
		s.MustCreateAccount(t)
	}
	leader.MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.a (id INT)", "FLUSH BINARY LOGS")
	native.MustExec(t, "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT="+leader.Value(t, "SELECT @@port")+
		", SOURCE_USER='baton', SOURCE_PASSWORD='"+mysqltest.Password+"', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", "START REPLICA")
	mysqltest.WaitGTID(t, native, leader.GTIDExecuted(t), time.Minute)
	leader.MustExec(t, "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY")
	require.NotEmpty(t, leader.Value(t, "SELECT @@GLOBAL.gtid_purged"))
	twin.MustExec(t, "CREATE DATABASE astray")
	before := map[string]string{}
	for _, s := range servers {
		before[s.Name] = state(t, s)
	}

	alias := targetOf(leader)
	alias.Name = "db5"
	stranger := targetOf(native)
	stranger.Name, stranger.Password = "db6", config.NewSecret("wrong")
	targets := []mysql.Target{targetOf(leader), targetOf(twin), targetOf(old), targetOf(native), alias, stranger}
	c := mysql.Cluster{Members: surveyAll(t.Context(), targets, "db1", true), BatonID: 5}
	findings := mysql.Examine(c)
	for _, want := range []struct{ instance, subject, says string }{
		{"db2", mysql.SubjectServerID, "server_id 77 is also that of db1"},
		{"db2", mysql.SubjectErrant, "transaction " + twin.GTIDExecuted(t) + " that neither the leader nor the relay has"},
		{"db2", mysql.SubjectSeed, "that the leader has purged"},
		{"db3", mysql.SubjectGTIDMode, "gtid_mode=OFF"},
		{"db3", mysql.SubjectFormat, "binlog_format=STATEMENT"},
		{"db4", mysql.SubjectChannels, "the server replicates from " + leader.Addr()},
		{"db5", mysql.SubjectServerUUID, "db1 and db5 are the same server"},
		{"db6", mysql.SubjectConnection, "Access denied"},
	} {
		f := find(t, findings, want.instance, want.subject)
		require.Equal(t, mysql.Error, f.Level, f)
		require.Contains(t, f.Message, want.says)
		require.NotEmpty(t, f.Mend, f)
	}
	require.Nil(t, mysql.Blocking(findings, "db1"), "what is wrong with the followers is not held against the leader")
	for _, name := range []string{"db2", "db3", "db4", "db5", "db6"} {
		require.NotNil(t, mysql.Blocking(findings, name), name)
	}
	for _, s := range servers {
		require.Equal(t, before[s.Name], state(t, s), "%s was changed", s.Name)
	}

	t.Run("the same as a leader", func(t *testing.T) {
		c := mysql.Cluster{Members: surveyAll(t.Context(), targets[2:3], "db3", false)}
		findings := mysql.Examine(c)
		require.Equal(t, mysql.Error, find(t, findings, "db3", mysql.SubjectGTIDMode).Level)
		require.Equal(t, mysql.Error, find(t, findings, "db3", mysql.SubjectFormat).Level)
	})
	t.Run("the mends mend", func(t *testing.T) {
		for _, of := range []struct{ instance, subject string }{
			{"db3", mysql.SubjectGTIDMode}, {"db3", mysql.SubjectFormat}, {"db4", mysql.SubjectChannels},
		} {
			f := find(t, findings, of.instance, of.subject)
			runSQL(t, map[string]*mysqltest.Server{"db3": old, "db4": native}[of.instance], f.SQL)
		}
		findings := mysql.Examine(mysql.Cluster{Members: surveyAll(t.Context(), targets[:4], "db1", false)})
		require.Nil(t, mysql.Blocking(findings, "db4"))
		require.Equal(t, mysql.OK, find(t, findings, "db3", mysql.SubjectGTIDMode).Level)
		require.Equal(t, mysql.OK, find(t, findings, "db3", mysql.SubjectFormat).Level)
	})
}
