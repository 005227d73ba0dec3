package session_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

// applyAll applies all that the leader has and compares.
func applyAll(t *testing.T, leader, follower *mysqltest.Server) *session.Session {
	t.Helper()
	s := open(t, follower)
	for _, tx := range binlogtest.Read(t, leader) {
		require.NoError(t, s.Apply(t.Context(), tx))
	}
	mysqltest.AssertSameData(t, leader, follower)
	return s
}

// newest is the leader's last transaction.
func newest(t *testing.T, leader *mysqltest.Server) *binlog.Transaction {
	t.Helper()
	all := binlogtest.Read(t, leader)
	return all[len(all)-1]
}

func events(t *testing.T, tx *binlog.Transaction) []binlog.Event {
	t.Helper()
	var all []binlog.Event
	for e, err := range tx.Body {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

// withBody is tx with other events.
func withBody(tx *binlog.Transaction, events ...binlog.Event) *binlog.Transaction {
	changed := *tx
	changed.Body = binlog.Events(events)
	return &changed
}

func TestRowsOfAllTypes(t *testing.T) {
	leader, follower := pair(t)
	const numbers = "i1 TINYINT, i2 SMALLINT UNSIGNED, i3 MEDIUMINT, i4 INT UNSIGNED, i8 BIGINT UNSIGNED, f FLOAT, g DOUBLE, " +
		"d1 DECIMAL(65,30), d2 DECIMAL(5,0) UNSIGNED, b1 BIT(1), b64 BIT(64), y YEAR"
	const times = "da DATE, t0 TIME, t6 TIME(6), dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP NULL, ts3 TIMESTAMP(3) NULL"
	const texts = "c CHAR(10), vc VARCHAR(500) CHARACTER SET latin1, bi BINARY(5), vb VARBINARY(300), tb TINYBLOB, bl BLOB, mt MEDIUMTEXT, lt LONGTEXT CHARACTER SET utf16, " +
		"e ENUM('a','ü','c'), s SET('x','y','z'), j JSON, g1 GEOMETRY, p POINT SRID 4326"
	runAll(t, leader, []string{
		"CREATE DATABASE d", "USE d", "SET sql_mode = ''", "SET NAMES utf8mb4",
		"CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, " + numbers + ", " + times + ", " + texts + ", hidden INT INVISIBLE DEFAULT 7, " +
			"gv INT GENERATED ALWAYS AS (i1 + 1) VIRTUAL, gs VARCHAR(20) GENERATED ALWAYS AS (CONCAT(c, '!')) STORED, KEY (gv), UNIQUE (gs))",
		"INSERT INTO a (i1, i2, i3, i4, i8, f, g, d1, d2, b1, b64, y) VALUES (-128, 65535, -8388608, 4294967295, 18446744073709551615, 0.1, -1.7e308, " +
			"-12345678901234567890123456789012345.123456789012345678901234567890, 99999, 1, 0xFFFFFFFFFFFFFFFF, 0)",
		"INSERT INTO a (da, t0, t6, dt, dt6, ts, ts3) VALUES ('0000-00-00', '-838:59:59', '-00:00:00.000001', '9999-12-31 23:59:59', '1000-01-01 00:00:00.999999', '0000-00-00', '2038-01-19 03:14:07.999')",
		"INSERT INTO a (da, t6, dt, ts) VALUES ('2024-00-00', '838:59:58.999999', '0000-00-00 00:00:00', '1970-01-01 00:00:01')",
		"INSERT INTO a (c, vc, bi, vb, tb, bl, mt, lt, e, s, j) VALUES ('ä', 'é', '\\0\\'', '\\\\', REPEAT('t', 255), REPEAT('b', 65535), '😀', '😀', 'ü', 'x,z', " +
			"'{\"a\": [1, 2.5, null, true, \"x\"], \"d\": \"2024-01-01\"}')",
		"INSERT INTO a (c, e, s, j, g1, p) VALUES ('', 0, '', CAST('\"text\"' AS JSON), ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'), ST_GeomFromText('POINT(50 10)', 4326))",
		"UPDATE a SET hidden = 8, i1 = i1 + 1, j = JSON_SET(j, '$.a[0]', 9)",
		"SET binlog_row_value_options = PARTIAL_JSON", "UPDATE a SET j = JSON_SET(j, '$.a[1]', 10, '$.n', NOW(6))", "UPDATE a SET j = JSON_REMOVE(j, '$.a[0]')",
		"SET binlog_row_value_options = '', binlog_row_image = NOBLOB", "UPDATE a SET f = f * 3 WHERE f IS NOT NULL", "DELETE FROM a WHERE d2 = 99999",
		"SET binlog_row_image = MINIMAL", "UPDATE a SET y = 2155", "INSERT INTO a (c) VALUES ('min')", "DELETE FROM a WHERE c = 'min'",
		"CREATE TABLE p (id INT, v INT, PRIMARY KEY (id)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
		"SET binlog_row_image = FULL", "INSERT INTO p VALUES (1, 1), (20, 2)", "UPDATE p SET id = id + 9", "CREATE TABLE q LIKE p", "ALTER TABLE q REMOVE PARTITIONING",
		"ALTER TABLE p EXCHANGE PARTITION p1 WITH TABLE q", "RENAME TABLE p TO tmp, q TO p, tmp TO q",
	})
	if leader.Value(t, "SELECT @@version") >= "9" {
		runAll(t, leader, []string{"CREATE TABLE d.v (id INT PRIMARY KEY, x VECTOR(3))", "INSERT INTO d.v VALUES (1, STRING_TO_VECTOR('[1,2.5,-3]'))"})
	}
	applyAll(t, leader, follower)
}

// Cascades and triggers in one transaction, with self-references.
func TestForeignKeysAndTriggers(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{
		"CREATE DATABASE d", "USE d",
		"CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE logged (what VARCHAR(50))",
		"CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE)",
		"CREATE TABLE g (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES c (id) ON DELETE SET NULL)",
		"CREATE TABLE self (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES self (id) ON DELETE CASCADE)",
		"CREATE TRIGGER tp AFTER DELETE ON p FOR EACH ROW INSERT INTO logged VALUES (CONCAT('gone ', OLD.id))",
		"CREATE TRIGGER ti AFTER INSERT ON p FOR EACH ROW INSERT INTO c VALUES (NEW.id * 100, NEW.id)",
		"BEGIN", "INSERT INTO p VALUES (1), (2), (3)", "INSERT INTO c VALUES (1, 1), (2, 2), (3, 1)", "INSERT INTO g VALUES (1, 1), (2, 2), (3, 3)", "COMMIT",
		"INSERT INTO self VALUES (1, NULL), (2, 1), (3, 2)",
		"BEGIN", "DELETE FROM p WHERE id = 1", "UPDATE p SET id = 22 WHERE id = 2", "INSERT INTO p VALUES (4)", "DELETE FROM self WHERE id = 1", "COMMIT",
	})
	applyAll(t, leader, follower)
}

// A transaction of several packets whose last statement is refused leaves
// nothing behind, and is applied whole once it is mended.
func TestLateRefusalOfALargeTransactionCommitsNothing(t *testing.T) {
	for _, compressed := range []string{"OFF", "ON"} {
		t.Run("compressed "+compressed, func(t *testing.T) {
			leader, follower := pair(t)
			runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(10000))", "CREATE TABLE d.n (a INT)",
				"INSERT INTO d.t VALUES (0, 'last')", "INSERT INTO d.n VALUES (1), (1)"})
			s := applyAll(t, leader, follower)
			require.NoError(t, follower.ExecUnlogged(t.Context(), "DELETE FROM d.t WHERE id = 0"))
			statements := []string{"SET binlog_transaction_compression = " + compressed, "BEGIN", "DELETE FROM d.n LIMIT 1"}
			for i := 1; i <= 1500; i++ {
				statements = append(statements, fmt.Sprintf("INSERT INTO d.t VALUES (%d, REPEAT('%c', 5000))", i, 'a'+i%26))
			}
			runAll(t, leader, append(statements, "INSERT INTO d.t VALUES (9999, REPEAT('z', 10000))", "UPDATE d.t SET v = 'x' WHERE id = 0", "COMMIT"))
			tx := newest(t, leader)
			requireKind(t, session.Refused, s.Apply(t.Context(), tx))
			require.Equal(t, "0", follower.Value(t, "SELECT COUNT(*) FROM d.t"))
			require.Equal(t, "2", follower.Value(t, "SELECT COUNT(*) FROM d.n"))
			require.False(t, s.Lost())
			require.NoError(t, follower.ExecUnlogged(t.Context(), "INSERT INTO d.t VALUES (0, 'last')"))
			require.NoError(t, s.Apply(t.Context(), tx))
			mysqltest.AssertSameData(t, leader, follower)
		})
	}
}

// What events of a disk hold is copied before the next is asked for.
func TestEventsAreValidUntilTheNext(t *testing.T) {
	leader, follower := pair(t)
	for _, statements := range workload {
		runAll(t, leader, statements)
	}
	s := open(t, follower)
	for _, tx := range binlogtest.Read(t, leader) {
		fleeting := *tx
		fleeting.Body = func(yield func(binlog.Event, error) bool) {
			var buf []byte
			for e := range tx.Body {
				for i := range buf {
					buf[i] = 0xAA
				}
				buf = append(buf[:0], e...)
				if !yield(binlog.Event(buf), nil) {
					return
				}
			}
		}
		require.NoError(t, s.Apply(t.Context(), &fleeting))
	}
	mysqltest.AssertSameData(t, leader, follower)
}

// The follower's binlog names the time and the servers of each transaction's
// origin, as that of a replica does.
func TestOriginIsKept(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)", "INSERT INTO d.t VALUES (2)", "INSERT INTO d.t VALUES (3)"})
	s := open(t, follower)
	sent := binlogtest.Read(t, leader)
	for i, tx := range sent {
		changed := *tx
		changed.OriginalVersion = 80030 + uint32(i)
		require.NoError(t, s.Apply(t.Context(), &changed))
	}
	kept := binlogtest.Read(t, follower)
	require.Len(t, kept, len(sent))
	for i, tx := range kept {
		require.Equal(t, sent[i].OriginalCommit, tx.OriginalCommit)
		require.EqualValues(t, 80030+i, tx.OriginalVersion)
	}
}

// Settings of the follower that would change what the leader's statements mean
// don't.
func TestFollowersOwnDefaultsDontCount(t *testing.T) {
	leader, follower := pair(t)
	follower.MustExec(t, "SET GLOBAL sql_generate_invisible_primary_key=ON", "SET GLOBAL sql_require_primary_key=ON", "SET GLOBAL completion_type='RELEASE'",
		"SET GLOBAL transaction_read_only=ON", "SET GLOBAL autocommit=OFF", "SET GLOBAL sql_mode='ANSI'", "SET GLOBAL foreign_key_checks=OFF", "SET GLOBAL time_zone='+11:00'")
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.nokey (a INT)", "INSERT INTO d.nokey VALUES (1), (1)",
		"CREATE TABLE d.p (id INT PRIMARY KEY, v INT, KEY (v))", "SET restrict_fk_on_non_standard_key = OFF",
		"CREATE TABLE d.c (id INT PRIMARY KEY, v INT, FOREIGN KEY (v) REFERENCES d.p (v))", "UPDATE d.nokey SET a = 2 LIMIT 1"})
	applyAll(t, leader, follower)
	require.NoError(t, follower.ExecUnlogged(t.Context(), "SET SESSION transaction_read_only=0"))
}

// query is a Query_event like another with another statement and error code.
func query(t *testing.T, like binlog.Event, f binlog.Format, errorCode uint16, statement string) binlog.Event {
	t.Helper()
	q, err := binlog.ParseQuery(like, f)
	require.NoError(t, err)
	body, err := like.Body(f)
	require.NoError(t, err)
	head := append([]byte(nil), body[:len(body)-len(q.Statement)]...)
	binary.LittleEndian.PutUint16(head[9:], errorCode)
	return binlog.NewEvent(f, replication.QUERY_EVENT, like.Timestamp(), like.ServerID(), like.LogPos(), like.Flags(), append(head, statement...))
}

// A statement that failed on the leader and was logged fails here too, and its
// GTID is used up; another outcome is a refusal.
func TestStatementThatIsExpectedToFail(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)"})
	s := open(t, follower)
	all := binlogtest.Read(t, leader)
	require.NoError(t, s.Apply(t.Context(), all[0]))
	tx := all[1]
	list := events(t, tx)
	const unknownTable = 1051
	drop := withBody(tx, list[0], query(t, list[1], tx.Format, unknownTable, "DROP TABLE d.nothing"))
	other := withBody(tx, list[0], query(t, list[1], tx.Format, unknownTable, "CREATE TABLE d.t (id INT PRIMARY KEY"))
	err := s.Apply(t.Context(), other)
	requireKind(t, session.Refused, err)
	require.Contains(t, err.Error(), "1051")
	require.NoError(t, s.Apply(t.Context(), drop))
	require.Equal(t, leader.GTIDExecuted(t), follower.GTIDExecuted(t))
}

// A transaction that ends with ROLLBACK uses its GTID up and changes nothing.
func TestTransactionThatEndsWithRollback(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)"})
	s := applyAll(t, leader, follower)
	runAll(t, leader, []string{"INSERT INTO d.t VALUES (1)"})
	tx := newest(t, leader)
	list := events(t, tx)
	list[len(list)-1] = query(t, list[1], tx.Format, 0, "ROLLBACK")
	require.NoError(t, s.Apply(t.Context(), withBody(tx, list...)))
	require.Equal(t, leader.GTIDExecuted(t), follower.GTIDExecuted(t))
	require.Equal(t, "0", follower.Value(t, "SELECT COUNT(*) FROM d.t"))
}

// What baton doesn't know, or what makes no sense, is refused and leaves nothing.
func TestUnknownAndBrokenEventsAreRefused(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)"})
	s := applyAll(t, leader, follower)
	runAll(t, leader, []string{"INSERT INTO d.t VALUES (1)"})
	tx := newest(t, leader)
	list := events(t, tx) // Gtid, Query, Table_map, Write_rows, Xid
	require.Len(t, list, 5)
	event := func(typ replication.EventType, flags uint16, body ...byte) binlog.Event {
		return binlog.NewEvent(tx.Format, typ, 0, 1, 0, flags, body)
	}
	between := func(e ...binlog.Event) *binlog.Transaction {
		return withBody(tx, append(append(append([]binlog.Event(nil), list[:4]...), e...), list[4])...)
	}
	garbled := append(binlog.Event(nil), list[3]...)
	for i := binlog.HeaderSize + 10; i < len(garbled)-binlog.ChecksumSize; i++ {
		garbled[i] = 0xF7
	}
	cases := map[string]*binlog.Transaction{
		"an incident":              withBody(tx, list[0], event(replication.INCIDENT_EVENT, 0, 1, 0, 0)),
		"an unknown event":         between(event(200, 0, 1, 2, 3)),
		"a user variable":          between(event(replication.USER_VAR_EVENT, 0, 1, 2, 3)),
		"no end":                   withBody(tx, list[:4]...),
		"rows without a table":     withBody(tx, list[0], list[1], list[3], list[4]),
		"events after the end":     withBody(tx, append(append([]binlog.Event(nil), list...), list[2])...),
		"a statement in a block":   between(query(t, list[1], tx.Format, 0, "INSERT INTO d.t VALUES (5)")),
		"rows that are no rows":    withBody(tx, list[0], list[1], list[2], garbled, list[4]),
		"a payload that is none":   withBody(tx, list[0], event(replication.TRANSACTION_PAYLOAD_EVENT, 0, 1, 2, 3)),
		"a cut off table":          withBody(tx, list[0], list[1], event(replication.TABLE_MAP_EVENT, 0, 1, 2, 3), list[3], list[4]),
		"an unknown status var":    withBody(tx, list[0], query(t, list[1], tx.Format, 0, "CREATE TABLE syntax error"), list[4]),
		"a cut off Query_event":    withBody(tx, list[0], event(replication.QUERY_EVENT, 0, 1, 2, 3)),
		"a cut off XA_prepare":     between(event(replication.XA_PREPARE_LOG_EVENT, 0, 1, 2)),
		"a cut off Rows_event":     between(event(replication.WRITE_ROWS_EVENTv2, 0, 1, 2)),
		"a payload with a bad zip": withBody(tx, list[0], event(replication.TRANSACTION_PAYLOAD_EVENT, 0, 2, 1, 0, 0, 9, 9, 9, 9)),
	}
	for name, bad := range cases {
		t.Run(name, func(t *testing.T) {
			err := s.Apply(t.Context(), bad)
			requireKind(t, session.Refused, err)
			var e *session.Error
			require.True(t, errors.As(err, &e))
			require.NotEmpty(t, e.Mend)
			require.False(t, s.Lost())
			require.Equal(t, "0", follower.Value(t, "SELECT COUNT(*) FROM d.t"))
			require.NotContains(t, follower.GTIDExecuted(t), tx.GTID.String())
		})
	}
	require.NoError(t, s.Apply(t.Context(), between(event(201, binlog.FlagIgnorable, 1, 2, 3))), "what may be ignored is")
	mysqltest.AssertSameData(t, leader, follower)
}

// A statement larger than the follower takes is refused with the mend, before
// the server ends the connection for it.
func TestStatementLargerThanAPacket(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE VIEW d.v AS SELECT '" + strings.Repeat("x", 3000000) + "' AS a"})
	follower.MustExec(t, "SET GLOBAL max_allowed_packet = 1048576")
	s := open(t, follower)
	all := binlogtest.Read(t, leader)
	require.NoError(t, s.Apply(t.Context(), all[0]))
	err := s.Apply(t.Context(), all[1])
	requireKind(t, session.Refused, err)
	var e *session.Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Mend, "max_allowed_packet")
	require.False(t, s.Lost())
	follower.MustExec(t, "SET GLOBAL max_allowed_packet = 1073741824")
	require.NoError(t, open(t, follower).Apply(t.Context(), all[1]))
}

// What one transaction sets doesn't reach the next.
func TestContextDoesNotLeak(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "USE d", "SET timestamp = 1000000000", "SET foreign_key_checks = 0, unique_checks = 0, sql_mode = 'ANSI', time_zone = '+05:00', auto_increment_increment = 7",
		"CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"})
	s := applyAll(t, leader, follower)
	require.NoError(t, follower.ExecUnlogged(t.Context(), "ALTER TABLE d.t ADD COLUMN at DATETIME DEFAULT CURRENT_TIMESTAMP"))
	runAll(t, leader, []string{"CREATE TABLE d.p (id INT PRIMARY KEY)", "CREATE TABLE d.c (id INT, p INT, FOREIGN KEY (p) REFERENCES d.p (id))", "INSERT INTO d.t VALUES (2)"})
	for _, tx := range binlogtest.Read(t, leader) {
		require.NoError(t, s.Apply(t.Context(), tx))
	}
	require.Equal(t, "1", follower.Value(t, "SELECT at > '2020-01-01' FROM d.t WHERE id = 2"))
	runAll(t, leader, []string{"SET foreign_key_checks = 0", "INSERT INTO d.c VALUES (1, 99)", "SET foreign_key_checks = 1"})
	tx := newest(t, leader)
	require.NoError(t, s.Apply(t.Context(), tx))
}

// The server notes who ran a GRANT, and there is no setting for it.
func TestWhoGrantedIsNotKept(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "CREATE USER u", "GRANT SELECT ON d.t TO u"})
	applyAll(t, leader, follower)
	const grantor = "SELECT SUBSTRING_INDEX(grantor, '@', 1) FROM mysql.tables_priv WHERE user = 'u'"
	require.Equal(t, "root", leader.Value(t, grantor))
	require.Equal(t, mysqltest.User, follower.Value(t, grantor))
}

// A session's default database may have been dropped by another; what the session does after that is logged as done in it.
func TestStatementInADatabaseThatIsGone(t *testing.T) {
	leader, follower := pair(t)
	runAll(t, leader, []string{"CREATE DATABASE d", "CREATE DATABASE e"})
	left, err := client.Connect(leader.Addr(), "root", "", "d")
	require.NoError(t, err)
	defer left.Close()
	runAll(t, leader, []string{"DROP DATABASE d"})
	for _, statement := range []string{"CREATE USER u", "CREATE TABLE e.t (a INT)", "DROP USER u"} {
		_, err = left.Execute(statement)
		require.NoError(t, err)
	}
	applyAll(t, leader, follower)
	require.Equal(t, "0", follower.Value(t, "SELECT COUNT(*) FROM mysql.user WHERE user = 'u'"))
}
