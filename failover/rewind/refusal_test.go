package rewind_test

import (
	"testing"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/failover/rewind"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/stretchr/testify/require"
)

// since is what the old leader has executed and had not then.
func (p *pair) since(then gtid.Set) gtid.Set {
	p.t.Helper()
	now, err := gtid.ParseSet(p.old.GTIDExecuted(p.t))
	require.NoError(p.t, err)
	return now.Subtract(then)
}

func TestWhatTheBinlogDoesNotTellEnoughOfIsRefused(t *testing.T) {
	p := newPair(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(20), b BLOB, j JSON)",
		"CREATE TABLE d.m (id INT PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE d.gone (id INT PRIMARY KEY)", "CREATE TABLE d.wider (id INT PRIMARY KEY)",
		`INSERT INTO d.t VALUES (1,'a','b','{"a": [1,2,3], "b": "xxxxxxxxxxxxxxxxxxxxxxxxx"}')`)
	cases := []struct{ name, statements, reason, statement string }{
		{"DDL", "CREATE TABLE d.new (id INT)", "a statement (DDL) can't be undone", "CREATE TABLE d.new (id INT)"},
		{"DDL behind a comment", "/* tool */ ALTER TABLE d.new ADD COLUMN x INT", "(DDL", "ALTER TABLE d.new ADD COLUMN x INT"},
		{"CREATE TABLE SELECT", "CREATE TABLE d.filled SELECT * FROM d.t", "(DDL) can't be undone", "CREATE TABLE `d`.`filled`"},
		{"account", "CREATE USER somebody", "(DDL) can't be undone", "CREATE USER"},
		{"grant", "GRANT SELECT ON *.* TO somebody", "(DDL", "GRANT SELECT"},
		{"MINIMAL update", "SET binlog_row_image=MINIMAL; UPDATE d.t SET v='x'; SET binlog_row_image=FULL", "binlog_row_image was not FULL", ""},
		{"MINIMAL delete", "SET binlog_row_image=MINIMAL; DELETE FROM d.t WHERE id=2; INSERT INTO d.t (id) VALUES (3); DELETE FROM d.t WHERE id=3; SET binlog_row_image=FULL", "binlog_row_image was not FULL", ""},
		{"NOBLOB", "SET binlog_row_image=NOBLOB; UPDATE d.t SET v='y'; SET binlog_row_image=FULL", "binlog_row_image was not FULL", ""},
		{"partial JSON", "SET binlog_row_value_options=PARTIAL_JSON; UPDATE d.t SET j=JSON_SET(j,'$.a[0]',9); SET binlog_row_value_options=''", "PARTIAL_JSON", ""},
		{"compressed MINIMAL", "SET binlog_row_image=MINIMAL, binlog_transaction_compression=ON; UPDATE d.t SET v='z'; SET binlog_row_image=FULL, binlog_transaction_compression=OFF", "binlog_row_image", ""},
		{"another engine", "INSERT INTO d.m VALUES (1)", "the engine MyISAM", ""},
		{"a table that is gone", "INSERT INTO d.gone VALUES (1); DROP TABLE d.gone", "no longer there", ""},
		{"a table that was altered", "INSERT INTO d.wider VALUES (1); ALTER TABLE d.wider ADD COLUMN b INT", "has 2 columns now, and had 1", ""},
		{"XA", "XA START 'x'; UPDATE d.t SET v='xa'; XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'", "XA transaction", ""},
		{"statement format", "SET binlog_format=STATEMENT; UPDATE d.t SET v='s'; SET binlog_format=ROW", "can't be undone", "UPDATE d.t SET v='s'"},
		{"rolled back in part", "BEGIN; SAVEPOINT a; INSERT INTO d.m VALUES (7); UPDATE d.t SET v='q'; ROLLBACK TO a; COMMIT", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			then, err := gtid.ParseSet(p.old.GTIDExecuted(t))
			require.NoError(t, err)
			p.err(c.statements)
			e, err := rewind.Read(t.Context(), p.deps(), p.since(then), t.TempDir())
			require.NoError(t, err)
			defer e.Close()
			require.False(t, e.Plan().Possible())
			first := e.Plan().Refusals[0]
			require.Contains(t, first.Reason, c.reason)
			require.Contains(t, first.Statement, c.statement)

			_, err = e.Export(never)
			require.NoError(t, err, "what can't be undone can be looked at all the same")
			executed := p.old.GTIDExecuted(t)
			var refused *rewind.Refused
			require.ErrorAs(t, e.Rewind(t.Context(), nil), &refused)
			require.Contains(t, refused.Error(), "rebuild the instance")
			require.Equal(t, executed, p.old.GTIDExecuted(t))
			require.Equal(t, "0", p.old.Value(t, "SELECT @@GLOBAL.read_only"), "nothing was touched")
		})
	}
}

func TestCascadesThatWereNotLoggedAreRefused(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Setting("loose_innodb_native_foreign_keys", "ON"))
	s.MustCreateAccount(t)
	s.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.p (id INT PRIMARY KEY, v INT)",
		"CREATE TABLE d.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES d.p(id) ON DELETE CASCADE ON UPDATE CASCADE)",
		"INSERT INTO d.p VALUES (1,1),(2,2),(3,3)", "INSERT INTO d.c VALUES (1,1),(2,2)")
	p := &pair{t: t, old: s, dir: t.TempDir()}
	for _, c := range []struct {
		statement string
		possible  bool
	}{
		{"DELETE FROM d.p WHERE id=1", false},
		{"UPDATE d.p SET id=20 WHERE id=2", false},
		{"UPDATE d.p SET v=7", true},
		{"DELETE FROM d.c", true},
		{"SET foreign_key_checks=0; DELETE FROM d.p WHERE id=3; SET foreign_key_checks=1", true},
	} {
		then, err := gtid.ParseSet(s.GTIDExecuted(t))
		require.NoError(t, err)
		p.err(c.statement)
		e, err := rewind.Read(t.Context(), p.deps(), p.since(then), p.dir)
		require.NoError(t, err)
		require.Equal(t, c.possible, e.Plan().Possible(), "%s: %v", c.statement, e.Plan().Refusals)
		require.NoError(t, e.Close())
	}
}

func TestPurgedTransactionsAreSaidToBeGone(t *testing.T) {
	s := mysqltest.Start(t)
	s.MustCreateAccount(t)
	p := &pair{t: t, old: s, dir: t.TempDir()}
	s.MustExec(t, "CREATE DATABASE d")
	then, err := gtid.ParseSet(s.GTIDExecuted(t))
	require.NoError(t, err)
	p.err("CREATE TABLE d.t (a INT)", "FLUSH BINARY LOGS", "CREATE TABLE d.u (a INT)")
	p.err("PURGE BINARY LOGS TO '" + s.Value(t, "SHOW BINARY LOG STATUS") + "'")
	_, err = rewind.Read(t.Context(), p.deps(), p.since(then), p.dir)
	require.ErrorIs(t, err, rewind.ErrPurged)
	require.ErrorContains(t, err, "rebuild the instance")
}
