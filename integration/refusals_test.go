package integration_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// A refusedCase is something that a follower can't be given, and how it is told and mended.
type refusedCase struct {
	name  string
	setup []string // on the leader, and replicated
	drift []string // on the follower, unlogged
	run   []string // on the leader, in one session
	says  []string // in the error
	mend  string   // in what to do
	cure  []string // on the follower, unlogged; none: the transaction is skipped
}

var refusals = []refusedCase{
	{
		name: "a row is gone", setup: []string{"CREATE TABLE r.orders (id INT PRIMARY KEY, total DECIMAL(10,2), name VARCHAR(50))",
			"INSERT INTO r.orders VALUES (1, 10, 'somebody'), (42, 12.5, 'somebody')"},
		drift: []string{"DELETE FROM r.orders WHERE id = 42"}, run: []string{"UPDATE r.orders SET total = total + 1"},
		says: []string{"r.orders", "1032", "row (id=42) of r.orders isn't there"}, mend: "put the row right",
		cure: []string{"INSERT INTO r.orders VALUES (42, 12.5, 'somebody')"},
	},
	{
		name: "a row too many", drift: []string{"INSERT INTO r.orders VALUES (43, 0, 'nobody')"}, run: []string{"INSERT INTO r.orders VALUES (43, 1, 'somebody')"},
		says: []string{"r.orders", "1062", "row (id=43) of r.orders is there already"}, mend: "remove it",
		cure: []string{"DELETE FROM r.orders WHERE id = 43"},
	},
	{
		name: "a parent is gone", setup: []string{"CREATE TABLE r.items (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES r.orders (id))"},
		drift: []string{"DELETE FROM r.orders WHERE id = 43"}, run: []string{"INSERT INTO r.items VALUES (1, 42), (2, 43)"},
		says: []string{"r.items", "1452", "row (id=2) of r.items refers to a row of r.orders that isn't there"}, mend: "insert it",
		cure: []string{"INSERT INTO r.orders VALUES (43, 1, 'somebody')"},
	},
	{
		name: "a row larger than the follower takes", setup: []string{"CREATE TABLE r.files (id INT PRIMARY KEY, b LONGBLOB)"},
		run:  []string{"INSERT INTO r.files VALUES (1, REPEAT('x', 6000000))"},
		says: []string{"r.files", "it takes a packet of 800", "max_allowed_packet is 4194304"}, mend: "SET PERSIST max_allowed_packet=8388608",
		cure: []string{"SET GLOBAL max_allowed_packet=8388608"},
	},
	{
		name: "a table is missing", setup: []string{"CREATE TABLE r.gone (id INT PRIMARY KEY)"}, drift: []string{"DROP TABLE r.gone"},
		run: []string{"INSERT INTO r.gone VALUES (1)"}, says: []string{"r.gone", "1146"}, mend: "the follower lacks what the message names",
		cure: []string{"CREATE TABLE r.gone (id INT PRIMARY KEY)"},
	},
	{
		name: "a column of another type", setup: []string{"CREATE TABLE r.typed (id INT PRIMARY KEY, v VARCHAR(50))"},
		drift: []string{"ALTER TABLE r.typed MODIFY v DATE"}, run: []string{"INSERT INTO r.typed VALUES (1, 'v')"},
		says: []string{"r.typed", "Column 2", "cannot be converted from type 'varchar"}, mend: "SHOW CREATE TABLE", cure: []string{"ALTER TABLE r.typed MODIFY v VARCHAR(50)"},
	},
	{
		name: "a column that is missing", setup: []string{"CREATE TABLE r.narrow (id INT PRIMARY KEY, v VARCHAR(50), w INT)"},
		drift: []string{"ALTER TABLE r.narrow DROP w"}, run: []string{"INSERT INTO r.narrow VALUES (1, 'v', 7)"},
		says: []string{"r.narrow", "the leader's table has 3 columns, the follower's 2"}, mend: "SHOW CREATE TABLE", cure: []string{"ALTER TABLE r.narrow ADD w INT"},
	},
	{
		name: "a database is missing", setup: []string{"CREATE DATABASE r2"}, drift: []string{"DROP DATABASE r2"}, run: []string{"CREATE TABLE r2.t (id INT PRIMARY KEY)"},
		says: []string{"CREATE TABLE r2.t", "1049"}, mend: "the follower lacks what the message names", cure: []string{"CREATE DATABASE r2"},
	},
	{
		name: "a table too many", drift: []string{"CREATE TABLE r.more (id INT)"}, run: []string{"CREATE TABLE r.more (id INT PRIMARY KEY)"},
		says: []string{"CREATE TABLE r.more", "1050"}, mend: "drop or rename it", cure: []string{"DROP TABLE r.more"},
	},
	{
		name: "a function is missing", setup: []string{"CREATE FUNCTION r.f() RETURNS INT DETERMINISTIC RETURN 1"}, drift: []string{"DROP FUNCTION r.f"},
		run: []string{"DROP FUNCTION r.f"}, says: []string{"DROP FUNCTION r.f", "1305"}, mend: "the follower lacks what the message names",
		cure: []string{"CREATE FUNCTION r.f() RETURNS INT DETERMINISTIC RETURN 1"},
	},
	{
		name: "a storage engine is switched off", run: []string{"CREATE TABLE r.heap (id INT) ENGINE=MEMORY"},
		says: []string{"CREATE TABLE r.heap", "3161"}, mend: "disabled_storage_engines",
	},
	{
		name: "a plugin is missing", run: []string{"INSTALL PLUGIN mysql_no_login SONAME 'mysql_no_login.so'", "CREATE USER r@localhost IDENTIFIED WITH mysql_no_login"},
		says: []string{"CREATE USER", "1524", "mysql_no_login"}, mend: "INSTALL PLUGIN", cure: []string{"INSTALL PLUGIN mysql_no_login SONAME 'mysql_no_login.so'"},
	},
	{
		name: "an account is there already", drift: []string{"CREATE USER r2@localhost"}, run: []string{"CREATE USER r2@localhost IDENTIFIED BY 'very secret'"},
		says: []string{"CREATE USER", "1396", "[hidden]"}, mend: "accounts differ", cure: []string{"DROP USER r2@localhost"},
	},
	{
		name: "a statement instead of its rows", run: []string{"SET SESSION binlog_format=STATEMENT", "INSERT INTO r.orders VALUES (50, 1, 'unsafe')"},
		says: []string{"STATEMENT format", "INSERT INTO r.orders"}, mend: "baton skip",
	},
	{
		name: "an unsafe statement", run: []string{"SET SESSION binlog_format=STATEMENT", "UPDATE r.orders SET total = RAND() LIMIT 1"},
		says: []string{"STATEMENT format", "UPDATE r.orders"}, mend: "baton skip",
	},
}

// Whatever a follower can't be given stops it, and status, events and log say the same. When the cause is mended it goes
// on, when it is skipped too, and both are recorded.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed(), mysqltest.Setting("innodb_native_foreign_keys", "ON"))
	follower := c.Followers[0]
	require.NoError(t, follower.Restart(t.Context(), mysqltest.Setting("disabled_storage_engines", "MEMORY"), mysqltest.Setting("max_allowed_packet", "4194304")))
	b := startBaton(t, c.Servers())
	runOn(t, c.Leader, "CREATE DATABASE r")
	for _, r := range refusals {
		if !t.Run(r.name, func(t *testing.T) { r.happen(t, b, c.Leader, follower) }) {
			return // the follower is stopped
		}
	}
	mysqltest.WaitGTID(t, follower, c.Leader.GTIDExecuted(t), patience)
}

func (r refusedCase) happen(t *testing.T, b *baton, leader, follower *mysqltest.Server) {
	runOn(t, leader, r.setup...)
	mysqltest.WaitGTID(t, follower, leader.GTIDExecuted(t), patience)
	unlogged(t, follower, r.drift...)
	before := len(b.events())
	runOn(t, leader, r.run...)

	in := b.waitState("db2", "stopped")
	for _, say := range r.says {
		require.Contains(t, in.Error, say)
	}
	require.Contains(t, in.Mend, r.mend)
	require.Contains(t, in.Error, in.FailedGTID, "the transaction")
	for _, private := range []string{"secret'", "somebody"} {
		require.NotContains(t, in.Error+in.Mend, private)
	}
	require.Contains(t, b.must("status"), firstLine(in.Error))
	told := b.waitEvent("follower-stopped", "db2", in.FailedGTID)
	require.Equal(t, in.Error, told.Message)
	require.Equal(t, in.Mend, told.Mend)
	require.Equal(t, in.FailedGTID, told.GTID)
	inJSON, err := json.Marshal(in.Error)
	require.NoError(t, err)
	require.Contains(t, strings.ReplaceAll(b.log(), `\u003c`, "<"), strings.Trim(string(inJSON), `"`), "the log says it in the same words")

	if len(r.cure) == 0 {
		b.must("skip", "db2", "--gtid", in.FailedGTID, "--yes")
		require.Contains(t, b.waitEvent("transaction-skipped", "db2", in.FailedGTID).Message, in.Error)
	} else {
		unlogged(t, follower, r.cure...)
		b.must("resume", "db2")
	}
	mysqltest.WaitGTID(t, follower, leader.GTIDExecuted(t), patience)
	b.waitState("db2", "streaming")
	b.wait("it is recorded that the follower goes on", func() (bool, string) {
		for _, e := range b.events()[before:] {
			if e.Kind == "follower-started" {
				return true, ""
			}
		}
		return false, ""
	})
}

// firstLine is what is certain to stand in one line of the status.
func firstLine(text string) string { return text[:min(len(text), 40)] }

// runOn runs statements in one session of their own.
func runOn(t *testing.T, s *mysqltest.Server, statements ...string) {
	t.Helper()
	conn, err := s.DB().Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for _, statement := range statements {
		_, err := conn.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	_, err = conn.ExecContext(context.WithoutCancel(t.Context()), "SET SESSION binlog_format=ROW") // it goes back to the pool
	require.NoError(t, err)
}

// unlogged changes the follower as an operator does, who leaves no trace.
func unlogged(t *testing.T, s *mysqltest.Server, statements ...string) {
	t.Helper()
	if len(statements) > 0 {
		require.NoError(t, s.ExecUnlogged(t.Context(), append([]string{"SET foreign_key_checks=0"}, statements...)...))
	}
}
