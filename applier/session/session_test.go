package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, s *mysqltest.Server) *session.Session {
	t.Helper()
	conn, err := client.Connect(s.Addr(), mysqltest.User, mysqltest.Password, "", func(c *client.Conn) error {
		return c.SetCapability(mysql.CLIENT_MULTI_STATEMENTS)
	})
	require.NoError(t, err)
	opened, err := session.Open(t.Context(), conn)
	require.NoError(t, err)
	t.Cleanup(func() { opened.Close() })
	return opened
}

func pair(t *testing.T, opts ...mysqltest.Option) (leader, follower *mysqltest.Server) {
	t.Helper()
	c := mysqltest.StartCluster(t, 1, append([]mysqltest.Option{mysqltest.Relaxed()}, opts...)...)
	// As baton makes a follower ready.
	c.Followers[0].MustExec(t, "SET GLOBAL read_only=ON", "SET GLOBAL log_bin_trust_function_creators=ON")
	return c.Leader, c.Followers[0]
}

// Everything that a leader writes into its binlog arrives, when it is applied
// by one session, and is applied once, when it is sent twice.
func TestWhatTheLeaderDidIsWhatTheFollowerHas(t *testing.T) {
	leader, follower := pair(t)
	for _, statements := range workload {
		runAll(t, leader, statements)
	}
	s, again := open(t, follower), open(t, follower)
	for _, tx := range binlogtest.Read(t, leader) {
		require.NoError(t, s.Apply(t.Context(), tx))
		require.NoError(t, again.Apply(t.Context(), tx))
	}
	mysqltest.AssertSameData(t, leader, follower)
}

// runAll runs statements in one connection of their own.
func runAll(t *testing.T, s *mysqltest.Server, statements []string) {
	t.Helper()
	conn, err := client.Connect(s.Addr(), "root", "", "")
	require.NoError(t, err)
	defer conn.Close()
	for _, statement := range statements {
		_, err := conn.Execute(statement)
		require.NoError(t, err, statement)
	}
}

var workload = [][]string{
	{ // rows of tables with and without a key, several tables a transaction
		"CREATE DATABASE d", "USE d",
		"CREATE TABLE k (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(50), f FLOAT, j JSON) CHARSET utf8mb4",
		"CREATE TABLE n (a INT, b VARCHAR(20))",
		"INSERT INTO k (v, f, j) VALUES ('ä', 0.1, '{\"a\": [1, 2]}'), ('b', 2.5, NULL)",
		"INSERT INTO n VALUES (1, 'x'), (1, 'x'), (1, 'x')",
		"BEGIN", "UPDATE k SET f = f + 1", "DELETE FROM n LIMIT 1", "SAVEPOINT s", "INSERT INTO n VALUES (9, 'undone')", "ROLLBACK TO s", "COMMIT",
	},
	{ // context: database, character set, sql_mode, time zone, time
		"USE d", "SET NAMES latin1", "SET time_zone = '+05:30'", "SET sql_mode = 'ANSI_QUOTES'", "SET timestamp = 1000000000.123456",
		"CREATE TABLE \"c\" (id INT PRIMARY KEY, ts TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6), d VARCHAR(10) DEFAULT '\xe4')",
		"INSERT INTO c (id) VALUES (1)", "SET NAMES utf8mb4", "SET sql_mode = ''",
		"CREATE TABLE `ß``;` (id INT PRIMARY KEY) COMMENT 'a;b'",
		"INSERT INTO `ß``;` VALUES (1)",
		"SET foreign_key_checks = 0", "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
		"SET foreign_key_checks = 1", "CREATE TABLE parent (id INT PRIMARY KEY)",
		"INSERT INTO parent VALUES (1), (2)", "INSERT INTO child VALUES (1, 1), (2, 1), (3, 2)", "DELETE FROM parent WHERE id = 1",
	},
	{ // routines, triggers, views, users
		"USE d", "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END", "CREATE FUNCTION f1() RETURNS INT DETERMINISTIC RETURN 7",
		"CREATE TRIGGER tr AFTER INSERT ON k FOR EACH ROW INSERT INTO n VALUES (NEW.id, 'trigger')",
		"INSERT INTO k (v) VALUES ('fires')", "CREATE VIEW vw AS SELECT v FROM k", "CREATE USER u1 IDENTIFIED BY 'secret'",
		"GRANT SELECT ON d.* TO u1", "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DO SET @a = 1",
	},
	{ // CREATE TABLE … SELECT, what has no effect, what is logged with an error, maintenance
		"USE d", "CREATE TABLE s AS SELECT * FROM k", "CREATE TABLE IF NOT EXISTS s (a INT)", "DROP TABLE IF EXISTS nothing",
		"CREATE TEMPORARY TABLE tmp (a INT)", "INSERT INTO tmp VALUES (1)", "DROP TEMPORARY TABLE tmp",
		"ANALYZE TABLE k", "OPTIMIZE TABLE k", "FLUSH TABLES", "TRUNCATE TABLE n", "INSERT INTO n VALUES (1, 'after')",
		"CREATE TABLE mi (a INT) ENGINE=MyISAM", "INSERT INTO mi VALUES (1), (2)", "ALTER TABLE k ADD COLUMN extra INT DEFAULT 3, ALGORITHM=INSTANT",
		"UPDATE k SET extra = 4 LIMIT 1", "DROP TABLE s",
	},
	{ // another database, and none; tagged GTIDs, compressed transactions
		"CREATE DATABASE e", "USE e", "CREATE TABLE t (id INT PRIMARY KEY, b BLOB)", "DROP DATABASE e", "CREATE TABLE d.none (id INT PRIMARY KEY)",
		"SET SESSION binlog_transaction_compression = ON", "INSERT INTO d.none VALUES (1), (2), (3)", "DELETE FROM d.none WHERE id = 2",
	},
	{ // XA
		"XA START 'one'", "INSERT INTO d.none VALUES (10)", "XA END 'one'", "XA PREPARE 'one'", "XA COMMIT 'one'",
		"XA START 'two', 'b', 7", "INSERT INTO d.none VALUES (11)", "XA END 'two', 'b', 7", "XA COMMIT 'two', 'b', 7 ONE PHASE",
		"XA START 'three'", "INSERT INTO d.none VALUES (12)", "XA END 'three'", "XA PREPARE 'three'", "XA ROLLBACK 'three'",
	},
}

// A statement's rows that don't fit into a packet go in pieces; a single row
// that doesn't is refused with the mend.
func TestLargeTransactionsFitThroughSmallPackets(t *testing.T) {
	leader, follower := pair(t)
	follower.MustExec(t, "SET GLOBAL max_allowed_packet = 1048576")
	s := open(t, follower)
	runAll(t, leader, []string{
		"CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b LONGTEXT)",
		"INSERT INTO t (a, b) VALUES (1, REPEAT('a', 100000)), (2, REPEAT('b', 100000))",
		"INSERT INTO t (a, b) SELECT x.a, x.b FROM t x, t y, t z, t w",
		"INSERT INTO t (a, b) VALUES (3, REPEAT('c', 700000))",
		"DELETE FROM t WHERE a = 3",
		"UPDATE t SET a = a + 1 ORDER BY id DESC",
	})
	for _, tx := range binlogtest.Read(t, leader) {
		require.NoError(t, s.Apply(t.Context(), tx))
	}
	mysqltest.AssertSameData(t, leader, follower)

	runAll(t, leader, []string{"INSERT INTO d.t (a, b) VALUES (4, REPEAT('d', 3000000))"})
	all := binlogtest.Read(t, leader)
	var failure *session.Error
	require.ErrorAs(t, s.Apply(t.Context(), all[len(all)-1]), &failure)
	require.Equal(t, session.Refused, failure.Kind)
	require.Contains(t, failure.Mend, "max_allowed_packet")
	require.Equal(t, []string{"d.t"}, failure.Tables)

	follower.MustExec(t, "SET GLOBAL max_allowed_packet = 1073741824")
	require.NoError(t, open(t, follower).Apply(t.Context(), all[len(all)-1]))
	mysqltest.AssertSameData(t, leader, follower)
}

// A follower that differs refuses with the table, the server's error and what
// to do, commits nothing, and goes on in the same session once it is mended.
func TestRefusalNamesTableAndMend(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE d.o (id INT PRIMARY KEY)",
		"INSERT INTO d.t VALUES (1, 1), (2, 2)"})
	s := open(t, follower)
	for _, tx := range binlogtest.Read(t, leader) {
		require.NoError(t, s.Apply(t.Context(), tx))
	}
	require.NoError(t, follower.ExecUnlogged(t.Context(), "DELETE FROM d.t WHERE id = 2"))
	runAll(t, leader, []string{"BEGIN", "INSERT INTO d.o VALUES (1)", "UPDATE d.t SET v = 5 WHERE id = 2", "COMMIT"})
	all := binlogtest.Read(t, leader)
	tx := all[len(all)-1]

	var failure *session.Error
	require.ErrorAs(t, s.Apply(t.Context(), tx), &failure)
	require.Equal(t, session.Refused, failure.Kind)
	require.Equal(t, []string{"d.t"}, failure.Tables)
	require.EqualValues(t, mysql.ER_KEY_NOT_FOUND, failure.Code())
	require.Contains(t, failure.Error(), tx.GTID.String())
	require.NotEmpty(t, failure.Mend)
	require.Equal(t, "0", follower.Value(t, "SELECT COUNT(*) FROM d.o"), "a part of the transaction was committed")

	require.NoError(t, follower.ExecUnlogged(t.Context(), "INSERT INTO d.t VALUES (2, 2)"))
	require.NoError(t, s.Apply(t.Context(), tx))
	mysqltest.AssertSameData(t, leader, follower)
}

func TestSkippedTransactionLeavesNoTraceButItsGTID(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d"})
	s := open(t, follower)
	tx := binlogtest.Read(t, leader)[0]
	require.NoError(t, s.Skip(t.Context(), tx.GTID))
	require.NoError(t, s.Apply(t.Context(), tx), "a GTID that is there is left alone")
	require.Equal(t, leader.GTIDExecuted(t), follower.GTIDExecuted(t))
	require.Empty(t, follower.Rows(t, "SHOW DATABASES LIKE 'd'"))
	executed, err := s.Executed(t.Context())
	require.NoError(t, err)
	require.True(t, executed.Contains(tx.GTID))
}

func TestErrorsThatPassAreToldApart(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1, 1)"})
	s := open(t, follower)
	for _, tx := range binlogtest.Read(t, leader) {
		require.NoError(t, s.Apply(t.Context(), tx))
	}
	runAll(t, leader, []string{"UPDATE d.t SET v = 2", "UPDATE d.t SET v = 3"})
	all := binlogtest.Read(t, leader)
	first, second := all[len(all)-2], all[len(all)-1]

	follower.MustExec(t, "SET GLOBAL super_read_only=ON")
	requireKind(t, session.ReadOnly, s.Apply(t.Context(), first))
	follower.MustExec(t, "SET GLOBAL super_read_only=OFF")
	require.NoError(t, s.Apply(t.Context(), first))

	holder, err := follower.DB().Begin()
	require.NoError(t, err)
	defer holder.Rollback()
	_, err = holder.Exec("SELECT * FROM d.t WHERE id = 1 FOR UPDATE")
	require.NoError(t, err)
	applied := make(chan error, 1)
	go func() { applied <- s.Apply(t.Context(), second) }()
	require.Eventually(t, func() bool { return kill(t, follower, "KILL QUERY") }, 20*time.Second, 20*time.Millisecond)
	requireKind(t, session.Passing, <-applied)

	go func() { applied <- s.Apply(t.Context(), second) }()
	require.Eventually(t, func() bool { return kill(t, follower, "KILL CONNECTION") }, 20*time.Second, 20*time.Millisecond)
	requireKind(t, session.Disconnected, <-applied)

	ctx, cancel := context.WithCancel(t.Context())
	waiting := open(t, follower)
	go func() { applied <- waiting.Apply(ctx, second) }()
	require.Eventually(t, func() bool { return waitingForRow(t, follower) != "" }, 20*time.Second, 20*time.Millisecond)
	cancel()
	requireKind(t, session.Disconnected, <-applied)

	require.NoError(t, holder.Rollback())
	require.NoError(t, open(t, follower).Apply(t.Context(), second))
	mysqltest.AssertSameData(t, leader, follower)
}

func requireKind(t *testing.T, want session.Kind, err error) {
	t.Helper()
	var e *session.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, want, e.Kind, err.Error())
}

// waitingForRow is the id of the connection that waits for a lock in BINLOG.
func waitingForRow(t *testing.T, s *mysqltest.Server) string {
	// InnoDB's own table of transactions isn't refreshed while it is asked too often.
	return s.Value(t, "SELECT t.processlist_id FROM performance_schema.data_lock_waits w "+
		"JOIN performance_schema.threads t ON t.thread_id = w.requesting_thread_id")
}

func kill(t *testing.T, s *mysqltest.Server, how string) bool {
	id := waitingForRow(t, s)
	if id == "" {
		return false
	}
	s.MustExec(t, how+" "+id)
	return true
}

// What row events can't express is refused, not run as it may come out.
func TestStatementFormatIsRefused(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)",
		"SET SESSION binlog_format = STATEMENT", "INSERT INTO d.t VALUES (1, 1)", "SET @a = 5", "INSERT INTO d.t VALUES (2, @a)"})
	s := open(t, follower)
	var refused int
	for _, tx := range binlogtest.Read(t, leader) {
		err := s.Apply(t.Context(), tx)
		var failure *session.Error
		if errors.As(err, &failure) {
			refused++
			require.Equal(t, session.Refused, failure.Kind)
			require.Contains(t, err.Error(), "STATEMENT format")
			require.NoError(t, s.Skip(t.Context(), tx.GTID))
		}
	}
	require.Equal(t, 2, refused)
	require.Equal(t, "0", follower.Value(t, "SELECT COUNT(*) FROM d.t"))
}

// A session whose leader's version changes goes on with the new format.
func TestFormatMayChange(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)", "INSERT INTO d.t VALUES (2)"})
	s := open(t, follower)
	for i, tx := range binlogtest.Read(t, leader) {
		format := tx.Format
		body := tx.Format.Event[binlog.HeaderSize : len(tx.Format.Event)-binlog.ChecksumSize]
		other := slices.Clone([]byte(body))
		copy(other[2:], fmt.Sprintf("%s-%d", strings.TrimRight(tx.Format.ServerVersion, "\x00"), i))
		format.Event = binlog.NewEvent(binlog.Format{Checksum: true}, replication.FORMAT_DESCRIPTION_EVENT, 0, 1, 0, 0, other)
		changed := *tx
		changed.Format = format
		require.NoError(t, s.Apply(t.Context(), &changed))
	}
	mysqltest.AssertSameData(t, leader, follower)
}
