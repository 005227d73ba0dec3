package mysqltest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shop is one object of each kind that is compared, tables without keys and with odd names and columns among them.
var shop = []string{
	"CREATE DATABASE shop",
	"CREATE TABLE shop.keyless (a INT, b VARCHAR(9))",
	"INSERT INTO shop.keyless VALUES (1, 'x'), (1, 'x'), (2, NULL)",
	"CREATE TABLE shop.`od``d.name` (id INT PRIMARY KEY AUTO_INCREMENT, j JSON, h INT INVISIBLE, g INT AS (h + 1) VIRTUAL)",
	"INSERT INTO shop.`od``d.name` (j, h) VALUES ('{\"a\": 1}', 7)",
	"CREATE VIEW shop.v AS SELECT a FROM shop.keyless",
	"CREATE TRIGGER shop.tr BEFORE INSERT ON shop.keyless FOR EACH ROW SET NEW.b = 'y'",
	"CREATE PROCEDURE shop.p() SELECT 1",
	"CREATE FUNCTION shop.f() RETURNS INT DETERMINISTIC RETURN 1",
	"CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY STARTS '2040-01-01 00:00:00' DO DO 1",
}

func TestDifferencesAreFoundAndNamed(t *testing.T) {
	ctx := t.Context()
	c := StartCluster(t, 1, Relaxed())
	a, b := c.Leader, c.Followers[0]
	for _, s := range c.Servers() {
		require.NoError(t, s.ExecUnlogged(ctx, shop...))
	}
	same, err := CompareData(ctx, a, b)
	require.NoError(t, err)
	require.Equal(t, Comparison{Tables: 2, Rows: 4}, same)
	AssertSameData(t, a, b)

	for _, test := range []struct{ name, there, back, say string }{
		{"a row more", "INSERT INTO shop.keyless VALUES (3, NULL)", "DELETE FROM shop.keyless WHERE a = 3", "only on follower1, 1×: \"3\", \"y\""},
		{"a duplicate less", "DELETE FROM shop.keyless WHERE a = 1 LIMIT 1", "INSERT INTO shop.keyless VALUES (1, NULL); UPDATE shop.keyless SET b = 'x' WHERE a = 1", "only on leader, 1×: \"1\", \"x\""},
		{"a NULL", "UPDATE shop.keyless SET b = '' WHERE a = 2", "UPDATE shop.keyless SET b = NULL WHERE a = 2", "only on leader, 1×: \"2\", NULL"},
		{"an invisible column", "UPDATE shop.`od``d.name` SET h = 8", "UPDATE shop.`od``d.name` SET h = 7", "table `shop`.`od``d.name` differs"},
		{"another definition", "ALTER TABLE shop.keyless ADD INDEX (a)", "ALTER TABLE shop.keyless DROP INDEX a", "TABLE `shop`.`keyless` differs"},
		{"a table more", "CREATE TABLE shop.more (a INT)", "DROP TABLE shop.more", "follower1 has TABLE `shop`.`more`, which leader has not"},
		{"an empty database more", "CREATE DATABASE more", "DROP DATABASE more", "follower1 has DATABASE `more`"},
		{"a trigger less", "DROP TRIGGER shop.tr", shop[6], "follower1 has no TRIGGER `shop`.`tr`"},
		{"another routine", "DROP PROCEDURE shop.p; CREATE PROCEDURE shop.p() SELECT 2", "DROP PROCEDURE shop.p; " + shop[7], "PROCEDURE `shop`.`p` differs"},
		{"another view", "ALTER VIEW shop.v AS SELECT b FROM shop.keyless", "ALTER VIEW shop.v AS SELECT a FROM shop.keyless", "VIEW `shop`.`v` differs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, b.ExecUnlogged(ctx, test.there))
			_, err := CompareData(ctx, a, b)
			require.ErrorContains(t, err, test.say)
			require.NoError(t, b.ExecUnlogged(ctx, test.back))
			AssertSameData(t, a, b)
		})
	}

	b.MustExec(t, "DO 1", "FLUSH TABLES")
	_, err = CompareData(ctx, a, b)
	require.ErrorContains(t, err, "gtid_executed differs")
}

// What one comparison may overlook the other sees.
func TestCompareAllSeesWhatCompareDataLeavesOut(t *testing.T) {
	ctx := t.Context()
	c := StartCluster(t, 1, Relaxed())
	a, b := c.Leader, c.Followers[0]
	// The same moment on both: it is kept with triggers, accounts and events.
	for _, s := range c.Servers() {
		require.NoError(t, s.ExecUnlogged(ctx, append([]string{"SET timestamp = 1700000000"}, shop...)...))
	}
	same, err := CompareAll(ctx, a, b)
	require.NoError(t, err)
	require.Equal(t, Comparison{Tables: 2, Rows: 4}, same)

	for _, test := range []struct{ name, there, back, say string }{
		{"the next AUTO_INCREMENT", "ALTER TABLE shop.`od``d.name` AUTO_INCREMENT = 100", "ALTER TABLE shop.`od``d.name` AUTO_INCREMENT = 2", "100 on follower1"},
		{"an event that is off", "ALTER EVENT shop.e DISABLE ON REPLICA", "ALTER EVENT shop.e ENABLE", "DISABLE ON REPLICA"},
		{"an account", "CREATE USER somebody", "DROP USER somebody", "accounts differ"},
		{"a privilege on a column", "CREATE USER u; GRANT SELECT (a) ON shop.keyless TO u", "DROP USER u", "accounts differ"},
		{"a global privilege", "GRANT CLONE_ADMIN ON *.* TO 'mysql.sys'@localhost", "REVOKE CLONE_ADMIN ON *.* FROM 'mysql.sys'@localhost", "dynamic privileges differ"},
		{"a histogram", "ANALYZE TABLE shop.keyless UPDATE HISTOGRAM ON a", "ANALYZE TABLE shop.keyless DROP HISTOGRAM ON a", "histograms differ"},
		{"a tablespace", "CREATE TABLESPACE ts ADD DATAFILE 'ts.ibd'", "DROP TABLESPACE ts", "tablespaces differ"},
		{"a routine's sql_mode", "SET sql_mode = ''; DROP PROCEDURE shop.p; " + shop[7] + "; SET sql_mode = DEFAULT", "DROP PROCEDURE shop.p; " + shop[7], "PROCEDURE `shop`.`p` differs"},
		{"a row", "UPDATE shop.keyless SET a = 5 WHERE a = 2", "UPDATE shop.keyless SET a = 2 WHERE a = 5", "only on follower1, 1×: \"5\", NULL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, b.ExecUnlogged(ctx, "SET timestamp = 1700000000", test.there))
			_, err := CompareAll(ctx, a, b)
			require.ErrorContains(t, err, test.say)
			require.NoError(t, b.ExecUnlogged(ctx, "SET timestamp = 1700000000", test.back))
			_, err = CompareAll(ctx, a, b)
			require.NoError(t, err)
		})
	}
}

func TestWhatMayDifferIsNoDifference(t *testing.T) {
	c := StartCluster(t, 1, Relaxed())
	for _, s := range c.Servers() {
		require.NoError(t, s.ExecUnlogged(t.Context(), shop...))
	}
	require.NoError(t, c.Followers[0].ExecUnlogged(t.Context(),
		"ALTER TABLE shop.`od``d.name` AUTO_INCREMENT = 100",
		"ALTER EVENT shop.e DISABLE ON REPLICA",
		"CREATE USER somebody",
		"CREATE DATABASE baton", "CREATE TABLE baton.progress (a INT)"))
	require.NoError(t, c.Leader.ExecUnlogged(t.Context(), "CREATE DATABASE baton"))
	AssertSameData(t, c.Servers()...)
}

func TestWaitGTIDWaitsThroughARestart(t *testing.T) {
	s := Start(t, Relaxed())
	set := s.UUID(t) + ":1-2"
	s.MustExec(t, "CREATE DATABASE d")
	done := make(chan error, 1)
	go func() {
		err := s.Kill9()
		if err == nil {
			err = s.Restart(t.Context())
		}
		if err == nil {
			_, err = s.DB().ExecContext(t.Context(), "CREATE DATABASE e")
		}
		done <- err
	}()
	WaitGTID(t, s, set, time.Minute)
	require.NoError(t, <-done)
}
