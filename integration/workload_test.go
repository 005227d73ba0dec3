package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// clients is how many write at the same time.
const clients = 6

// schema is what the workload writes to. ledger has no key: a transaction that is applied twice shows as a line that
// is there twice. keyless has duplicate rows besides, of which an UPDATE or DELETE touches only one.
var schema = []string{
	"CREATE DATABASE shop",
	"CREATE TABLE shop.ledger (client INT, seq INT)",
	"CREATE TABLE shop.keyless (n INT, note VARCHAR(40))",
	"CREATE TABLE shop.keyed (id BIGINT AUTO_INCREMENT PRIMARY KEY, n INT, note VARCHAR(40), data MEDIUMBLOB)",
	"CREATE TABLE shop.accounts (id INT PRIMARY KEY, balance BIGINT)",
	"CREATE TABLE shop.big (id BIGINT AUTO_INCREMENT PRIMARY KEY, data MEDIUMBLOB)",
	"INSERT INTO shop.accounts WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 40) SELECT i, 1000 FROM n",
	"INSERT INTO shop.keyless WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 200) SELECT i % 8, 'same' FROM n",
}

// workload writes to a leader, remembering what was acknowledged. A leader that fails is tried again.
type workload struct {
	leader *mysqltest.Server
	seed   uint64
	large  bool // also transactions of tens of megabytes

	seq   [clients]int
	acked [clients]map[int]bool
	total atomic.Int64 // acknowledged, since ever

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newWorkload(t testing.TB, leader *mysqltest.Server, seed uint64) *workload {
	t.Helper()
	leader.MustExec(t, schema...)
	w := &workload{leader: leader, seed: seed}
	for i := range w.acked {
		w.acked[i] = map[int]bool{}
	}
	t.Cleanup(w.stop)
	return w
}

// start has all clients write until stop.
func (w *workload) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	for i := range clients {
		w.seed++
		r := rand.New(rand.NewPCG(w.seed, uint64(i)))
		w.wg.Go(func() { w.client(ctx, i, r) })
	}
}

// stop ends the load. Transactions that are under way may be committed or not. It may be called twice.
func (w *workload) stop() {
	if w.cancel != nil {
		w.cancel()
		w.wg.Wait()
		w.cancel = nil
	}
}

// settle ends the load and waits until the leader has done what it was asked before: it goes on with a COMMIT whose
// client has left.
func (w *workload) settle(t testing.TB) {
	t.Helper()
	w.stop()
	require.Eventually(t, func() bool {
		return w.leader.Value(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE user = 'root' AND host LIKE '127.0.0.1:%'") == "0"
	}, patience, 5*time.Millisecond, "every client has left the leader")
}

// write has the load run until n more transactions are acknowledged.
func (w *workload) write(t testing.TB, n int64) {
	t.Helper()
	w.start()
	w.await(t, n)
	w.settle(t)
}

// await waits until n more transactions are acknowledged.
func (w *workload) await(t testing.TB, n int64) {
	t.Helper()
	goal := w.total.Load() + n
	require.Eventually(t, func() bool { return w.total.Load() >= goal }, patience, 5*time.Millisecond, "the load gets on")
}

func (w *workload) client(ctx context.Context, id int, r *rand.Rand) {
	conn, err := w.connect(ctx)
	for ctx.Err() == nil {
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
			conn, err = w.connect(ctx)
			continue
		}
		w.seq[id]++
		if err = w.step(ctx, conn, id, r); err == nil {
			w.acked[id][w.seq[id]] = true
			w.total.Add(1)
			continue
		}
		conn.close() // with whatever it has open
	}
	if err == nil {
		conn.close()
	}
}

// connect returns a connection of its own: what was begun on one that breaks is not gone on with on another.
func (w *workload) connect(ctx context.Context) (*connection, error) {
	c, err := mysql.ParseDSN(w.leader.DSN("root", ""))
	if err != nil {
		return nil, err
	}
	c.Logger = &mysql.NopLogger{} // a leader that is killed is no news
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	return &connection{conn, db}, nil
}

type connection struct {
	*sql.Conn
	db *sql.DB
}

func (c *connection) close() {
	c.Conn.Close() // it may be broken
	c.db.Close()
}

// step is one transaction of a client, with its line of the ledger.
func (w *workload) step(ctx context.Context, conn *connection, id int, r *rand.Rand) error {
	entry := fmt.Sprintf("INSERT INTO shop.ledger VALUES (%d, %d)", id, w.seq[id])
	what := r.IntN(1000)
	switch {
	case what < 15:
		if _, err := conn.ExecContext(ctx, ddl(id, r)); err != nil {
			return err
		}
		_, err := conn.ExecContext(ctx, entry)
		return err
	case what < 17 && w.large && id == 0:
		return transact(ctx, conn, entry, large(r)...)
	case what < 30:
		return transact(ctx, conn, entry, fmt.Sprintf("INSERT INTO shop.keyed (n, data) VALUES (%d, REPEAT(RANDOM_BYTES(1024), %d))", r.IntN(100), 100+r.IntN(300)))
	case what < 60:
		return transact(ctx, conn, entry, "DELETE FROM shop.keyed ORDER BY id LIMIT 5")
	}
	return transact(ctx, conn, entry, small(r)...)
}

// transact is everything in one transaction. (Commit of a sql.Tx knows no context, and would wait for ever where the
// leader does.)
func transact(ctx context.Context, conn *connection, entry string, statements ...string) error {
	for _, s := range append(append([]string{"START TRANSACTION"}, statements...), entry, "COMMIT") {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// small is some rows, mostly of tables without a key.
func small(r *rand.Rand) []string {
	n := r.IntN(8)
	switch r.IntN(5) {
	case 0:
		return []string{fmt.Sprintf("INSERT INTO shop.keyless VALUES (%d, 'same'), (%d, 'same'), (%d, 'other')", n, n, n)}
	case 1:
		return []string{fmt.Sprintf("UPDATE shop.keyless SET note = IF(note = 'same', 'other', 'same') WHERE n = %d LIMIT %d", n, 1+r.IntN(3))}
	case 2:
		return []string{fmt.Sprintf("DELETE FROM shop.keyless WHERE n = %d LIMIT %d", n, 1+r.IntN(4))}
	case 3:
		amount, from, to := r.IntN(50), 1+r.IntN(40), 1+r.IntN(40)
		return []string{
			fmt.Sprintf("UPDATE shop.accounts SET balance = balance - %d WHERE id = %d", amount, min(from, to)),
			fmt.Sprintf("UPDATE shop.accounts SET balance = balance + %d WHERE id = %d", amount, max(from, to)),
		}
	default:
		return []string{
			fmt.Sprintf("INSERT INTO shop.keyed (n, note) VALUES (%d, 'a'), (%d, 'b')", n, n),
			fmt.Sprintf("UPDATE shop.keyed SET n = n + 1, note = 'c' WHERE n = %d ORDER BY id LIMIT 2", n),
		}
	}
}

// large is a transaction of 10 to 40 MB.
func large(r *rand.Rand) []string {
	statements := []string{"DELETE FROM shop.big ORDER BY id LIMIT 10"}
	for range 10 + r.IntN(30) {
		statements = append(statements, "INSERT INTO shop.big (data) VALUES (REPEAT(RANDOM_BYTES(1024), 1000))")
	}
	return statements
}

// ddl changes a table of the client's own, or one that all write to.
func ddl(id int, r *rand.Rand) string {
	t := fmt.Sprintf("shop.own%d", id)
	switch r.IntN(6) {
	case 0:
		return "CREATE TABLE IF NOT EXISTS " + t + " (a INT PRIMARY KEY, b TEXT)"
	case 1:
		return "DROP TABLE IF EXISTS " + t
	case 2:
		return "CREATE TABLE IF NOT EXISTS " + t + " AS SELECT n, note FROM shop.keyless LIMIT 20"
	case 3:
		return fmt.Sprintf("CREATE OR REPLACE VIEW shop.v%d AS SELECT n, COUNT(*) FROM shop.keyless GROUP BY n HAVING n > %d", id, r.IntN(5))
	case 4:
		return fmt.Sprintf("ALTER TABLE shop.keyless ALTER COLUMN note SET DEFAULT '%d'", r.IntN(100))
	default:
		return fmt.Sprintf("ALTER TABLE shop.accounts COMMENT '%d'", r.IntN(100))
	}
}

// verify compares all servers: the same data and GTIDs, no line of the ledger twice, and none that was acknowledged
// missing. The load is stopped.
func (w *workload) verify(t testing.TB, servers ...*mysqltest.Server) {
	t.Helper()
	for _, s := range servers {
		twice := s.Rows(t, "SELECT client, seq, COUNT(*) FROM shop.ledger GROUP BY client, seq HAVING COUNT(*) > 1 LIMIT 5")
		require.Empty(t, twice, "%s has lines of the ledger twice: client, seq, times", s.Name)
		w.requireAcknowledged(t, s)
	}
	mysqltest.AssertSameData(t, servers...)
}

// requireAcknowledged fails the test if a server lacks what was acknowledged.
func (w *workload) requireAcknowledged(t testing.TB, s *mysqltest.Server) {
	t.Helper()
	has := map[string]bool{}
	for _, row := range s.Rows(t, "SELECT client, seq FROM shop.ledger") {
		has[strings.Join(row, "/")] = true
	}
	var lost []string
	for client, acked := range w.acked {
		for seq := range acked {
			if line := fmt.Sprintf("%d/%d", client, seq); !has[line] {
				lost = append(lost, line)
			}
		}
	}
	require.Empty(t, lost, "%s lacks what was acknowledged (client/seq)", s.Name)
}

// tidy forgets what is past, so that comparing stays quick however long the test runs.
func (w *workload) tidy(t testing.TB) {
	t.Helper()
	w.leader.MustExec(t, "TRUNCATE shop.ledger", "TRUNCATE shop.big", "DELETE FROM shop.keyed WHERE n % 2 = 0 OR data IS NOT NULL",
		"DELETE FROM shop.keyless WHERE note = 'other' LIMIT 300")
	for i := range w.acked {
		clear(w.acked[i])
	}
}

// opened waits until the leader, which boots read-only, takes writes, and has what baton writes there by itself.
func opened(t testing.TB, b *baton, leader *mysqltest.Server) {
	t.Helper()
	b.wait("the leader is writable and knows its epoch", func() (bool, string) {
		if leader.Value(t, "SELECT @@GLOBAL.read_only") != "0" ||
			leader.Value(t, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'baton' AND table_name = 'epoch'") == "0" {
			return false, ""
		}
		return leader.Value(t, "SELECT COUNT(*) FROM baton.epoch") == "1", ""
	})
}

// converged waits until every follower has what the leader has, and compares.
func converged(t testing.TB, b *baton, w *workload, leader *mysqltest.Server, followers ...*mysqltest.Server) {
	t.Helper()
	opened(t, b, leader)
	w.settle(t)
	set := leader.GTIDExecuted(t)
	for _, f := range followers {
		mysqltest.WaitGTID(t, f, set, patience)
	}
	w.verify(t, append([]*mysqltest.Server{leader}, followers...)...)
	b.waitStatus("every instance is streaming, nothing errant", func(s state) bool {
		for _, i := range s.Instances {
			if i.State != "streaming" || i.Errant != "" {
				return false
			}
		}
		return true
	})
}
