package applier_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/batondb/baton/applier/keys"
	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/applier/writeset"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/stretchr/testify/require"
)

var (
	count = flag.Int("transactions", 1000, "how many transactions are committed in an order of their own")
	seed  = flag.Uint64("seed", 1, "of what is written and in which order it is applied")
)

// tables have all kinds of keys. The values that go into them are few, so that
// transactions often depend on each other.
var tables = []string{
	"CREATE TABLE d.parent (id INT PRIMARY KEY, code VARCHAR(8) COLLATE latin1_swedish_ci UNIQUE, v INT)",
	"CREATE TABLE d.child (id INT PRIMARY KEY, code VARCHAR(20) COLLATE latin1_swedish_ci, v INT, " +
		"FOREIGN KEY (code) REFERENCES d.parent (code) ON DELETE CASCADE ON UPDATE CASCADE)",
	"CREATE TABLE d.ward (id INT PRIMARY KEY, p INT, v INT, FOREIGN KEY (p) REFERENCES d.parent (id))",
	"CREATE TABLE d.orphan (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES d.parent (id) ON DELETE SET NULL)",
	"CREATE TABLE d.node (id INT PRIMARY KEY, p INT, v INT, FOREIGN KEY (p) REFERENCES d.node (id) ON DELETE CASCADE)",
	"CREATE TABLE d.mail (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(20) COLLATE utf8mb4_0900_ai_ci UNIQUE, v INT)",
	"CREATE TABLE d.text_key (name VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)",
	"CREATE TABLE d.german (id INT PRIMARY KEY, name VARCHAR(20) COLLATE utf8mb4_de_pb_0900_ai_ci UNIQUE, v INT)",
	"CREATE TABLE d.binary_key (name VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, b BINARY(4) UNIQUE, v INT)",
	"CREATE TABLE d.heap (id INT, name VARCHAR(20), v INT)",
	"CREATE TABLE d.no_primary (id INT NOT NULL, n DECIMAL(5,2), v INT, UNIQUE (n), UNIQUE (id))",
	"CREATE TABLE d.prefix (id INT PRIMARY KEY, name VARCHAR(20) COLLATE utf8mb4_bin, v INT, UNIQUE (name(1)))",
	"CREATE TABLE d.expression (id INT PRIMARY KEY, v INT, w INT, UNIQUE ((v + w)))",
	"CREATE TABLE d.made (id INT PRIMARY KEY, v INT, g INT AS (v % 5) VIRTUAL, UNIQUE (g))",
	"CREATE TABLE d.real_key (f FLOAT PRIMARY KEY, e ENUM('a','b','c') UNIQUE, v INT)",
	"CREATE TABLE d.times (t DATETIME(3) PRIMARY KEY, y DATE, b BIT(9), v INT, UNIQUE (y, b))",
	"CREATE TABLE d.both_keys (a INT, name CHAR(20) COLLATE utf8mb4_0900_as_cs, v INT, PRIMARY KEY (a, name))",
}

// A writer writes at random.
type writer struct{ *rand.Rand }

func (w writer) pick(of ...string) string { return of[w.IntN(len(of))] }

func (w writer) number(most int) string {
	if w.IntN(5) == 0 {
		return "NULL"
	}
	return fmt.Sprint(w.IntN(most))
}

func (w writer) id(most int) string { return fmt.Sprint(w.IntN(most)) }

func (w writer) text() string {
	return w.pick("NULL", "'a'", "'A'", "'á'", "'ab'", "'AB '", "'ß'", "'ss'", "'ae'", "'ä'", "'b'", "'c'", "'d e'", "'D e'", "'f\u00ad'", "'f'", "''", "'-'",
		"'x1'", "'x2'", "'x3'")
}

// above is whom a node refers to: one of those with lower numbers, so that there
// are no circles. (MySQL 9.7 logs the rows of a circle twice, and no replica can
// apply that.)
func (w writer) above(id int) string {
	if id < 3 || w.IntN(3) == 0 {
		return "NULL"
	}
	return fmt.Sprint(id - 3)
}

// row is a table's columns and values for them.
func (w writer) row(table string) (columns, values []string) {
	switch table {
	case "parent":
		return []string{"id", "code", "v"}, []string{w.id(6), w.text(), w.number(9)}
	case "child":
		return []string{"id", "code", "v"}, []string{w.id(9), w.text(), w.number(9)}
	case "ward":
		return []string{"id", "p", "v"}, []string{w.id(9), w.number(6), w.number(9)}
	case "orphan":
		return []string{"id", "p"}, []string{w.id(9), w.number(6)}
	case "node":
		id := w.IntN(9)
		return []string{"id", "p", "v"}, []string{fmt.Sprint(id), w.above(id), w.number(9)}
	case "mail", "german", "prefix":
		return []string{"id", "name", "v"}, []string{w.id(12), w.text(), w.number(9)}
	case "text_key":
		return []string{"name", "v"}, []string{w.text(), w.number(9)}
	case "binary_key":
		return []string{"name", "b", "v"}, []string{w.text(), w.pick("x'00'", "x'0000'", "x'61'", "x'6100'", "x'20'", "NULL", "x'0001'"), w.number(9)}
	case "heap":
		return []string{"id", "name", "v"}, []string{w.number(2), w.text(), w.number(2)}
	case "no_primary":
		return []string{"id", "n", "v"}, []string{w.id(9), w.pick("NULL", "0", "-0.00", "1.5", "-1.5", "10"), w.number(9)}
	case "expression":
		return []string{"id", "v", "w"}, []string{w.id(9), w.number(3), w.number(3)}
	case "made":
		return []string{"id", "v"}, []string{w.id(9), w.number(20)}
	case "real_key":
		return []string{"f", "e", "v"}, []string{w.pick("0", "-0e0", "1.5", "2", "1e10"), w.pick("NULL", "'a'", "'b'", "'c'"), w.number(9)}
	case "times":
		return []string{"t", "y", "b", "v"}, []string{w.pick("'2020-01-01 00:00:00'", "'2020-01-01 00:00:00.001'", "'2020-01-01 00:00:00.0012'", "'1000-01-01'"),
			w.pick("NULL", "'2020-01-01'", "'2020-01-02'"), w.pick("NULL", "b'1'", "b'100000000'"), w.number(9)}
	default: // both_keys
		return []string{"a", "name", "v"}, []string{w.id(3), w.text(), w.number(9)}
	}
}

// statement is one that the leader may refuse.
func (w writer) statement() string {
	table := w.pick("parent", "parent", "child", "ward", "orphan", "node", "node", "mail", "text_key", "german", "binary_key", "heap", "no_primary", "prefix",
		"expression", "made", "real_key", "times", "both_keys")
	columns, values := w.row(table)
	at, set := w.IntN(len(columns)), w.IntN(len(columns))
	condition := columns[at] + " <=> " + values[at]
	_, others := w.row(table)
	switch w.IntN(5) {
	case 0, 1:
		return fmt.Sprintf("INSERT INTO d.%s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.Join(values, ", "))
	case 2:
		return fmt.Sprintf("DELETE FROM d.%s WHERE %s LIMIT 2", table, condition)
	case 3:
		if table == "node" {
			return fmt.Sprintf("UPDATE d.node SET p = IF(id < 3 OR v < 4, NULL, id - 3), v = %s WHERE %s LIMIT 2", others[2], condition)
		}
		return fmt.Sprintf("UPDATE d.%s SET %s = %s WHERE %s LIMIT 2", table, columns[set], others[set], condition)
	}
	return fmt.Sprintf("REPLACE INTO d.%s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.Join(values, ", "))
}

// change gives a table a unique key more, or takes it away.
func (w writer) change() []string {
	table := w.pick("mail", "german", "ward", "text_key", "heap", "child")
	return []string{w.pick("DO 0", "DELETE FROM d."+table), "ALTER TABLE d." + table + w.pick(" ADD UNIQUE extra (v)", " DROP INDEX extra", " ADD w INT FIRST", " DROP w")}
}

// writeAll has the leader commit transactions, whatever it refuses of them.
func writeAll(ctx context.Context, t *testing.T, leader *mysqltest.Server, r *rand.Rand) {
	t.Helper()
	conn, err := leader.DB().Conn(ctx)
	require.NoError(t, err)
	defer conn.Close()
	run := func(conn *sql.Conn, statement string) error {
		_, err := conn.ExecContext(ctx, statement)
		return err
	}
	for range *count {
		require.NoError(t, run(conn, fmt.Sprintf("SET SESSION binlog_row_image=%s, binlog_transaction_compression=%d, foreign_key_checks=%d",
			[]string{"FULL", "FULL", "FULL", "FULL", "MINIMAL", "NOBLOB"}[r.IntN(6)], r.IntN(8)/7, min(1, r.IntN(12)))))
		if r.IntN(150) == 0 {
			for _, statement := range (writer{r}).change() {
				_ = run(conn, statement) // it may be there already, or not
			}
		}
		require.NoError(t, run(conn, "BEGIN"))
		for range 1 + r.IntN(3) {
			_ = run(conn, writer{r}.statement()) // what it refuses it undoes
			if r.IntN(10) == 0 {
				require.NoError(t, run(conn, "SAVEPOINT s"))
			}
		}
		require.NoError(t, run(conn, "COMMIT"))
	}
}

// Whatever transactions a leader has committed one after the other, whatever kinds
// of keys their rows are in, and in whatever order their write sets allow, a
// follower applies them without a refusal and ends in the leader's data; so does
// one that applies them side by side.
func TestWhatIsIndependentIsAppliedInAnyOrder(t *testing.T) {
	for _, native := range []string{"OFF", "ON"} {
		t.Run("innodb_native_foreign_keys="+native, func(t *testing.T) {
			r := rand.New(rand.NewPCG(*seed, 0))
			c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed(), poorClock(), mysqltest.Setting("loose_innodb_native_foreign_keys", native),
				mysqltest.Setting("sql_mode", "''"))
			leader, follower := c.Leader, c.Followers[0]
			leader.MustExec(t, append([]string{"CREATE DATABASE d CHARACTER SET utf8mb4"}, tables...)...)
			prepared := len(binlogtest.Read(t, leader))
			writeAll(t.Context(), t, leader, r)
			all := binlogtest.Read(t, leader)
			s := openSession(t, follower)
			for _, tx := range all[:prepared] {
				require.NoError(t, s.Apply(t.Context(), tx))
			}
			passed := applyInAnyOrder(t, s, r, all[prepared:])
			t.Logf("%d transactions, %d of them before an earlier one", len(all)-prepared, passed)
			require.Greater(t, passed, *count/10, "the order is another one")

			relay := newRelay(all...)
			side := start(t, config(c.Followers[1], 16), c.Followers[1], relay)
			side.waitHead()
			t.Logf("%d retries, %d started early, clock: %s", side.Status().Retries, side.Status().Ahead, side.Status().Clock)
			mysqltest.AssertSameData(t, c.Servers()...)
		})
	}
}

// applyInAnyOrder applies the transactions one at a time, in an order that nothing
// but their write sets binds, and returns how many came before an earlier one.
func applyInAnyOrder(t *testing.T, s *session.Session, r *rand.Rand, all []*binlog.Transaction) (passed int) {
	t.Helper()
	const window = 64
	known := map[rowimage.TableName]*keys.Table{}
	sets := keys.Sets{Table: func(name rowimage.TableName) *keys.Table {
		if _, ok := known[name]; !ok {
			read, err := s.Keys(t.Context(), []rowimage.TableName{name})
			require.NoError(t, err)
			require.NotNil(t, read[name], name)
			known[name] = read[name]
		}
		return known[name]
	}}
	history := writeset.History{Size: writeset.DefaultSize}
	var order schedule.Schedule
	var running []schedule.Ticket
	changes := false // the last that was pushed changes tables
	for pushed, done := 0, 0; done < len(all); done++ {
		if changes && order.Len() == 0 {
			changes = false
			clear(known)
		}
		for ; pushed < len(all) && order.Len() < window && !changes; pushed++ {
			var set writeset.Set
			changes = !sets.Of(all[pushed], &set)
			sequence := int64(pushed + 1)
			last, ok := history.Next(sequence, &set)
			if !ok {
				last = sequence - 1
			}
			order.Push(schedule.Transaction{LastCommitted: last, SequenceNumber: sequence})
		}
		for {
			ticket, ok := order.Start()
			if !ok {
				break
			}
			running = append(running, ticket)
		}
		slices.Sort(running)
		i := len(running) - 1 - r.IntN(len(running))*r.IntN(2)
		ticket := running[i]
		running = slices.Delete(running, i, i+1)
		if oldest, _ := order.Oldest(); oldest < ticket {
			passed++
		}
		require.NoError(t, s.Apply(t.Context(), all[ticket]), "transaction %d", ticket)
		order.Done(ticket)
	}
	return passed
}

func openSession(t *testing.T, s *mysqltest.Server) *session.Session {
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
