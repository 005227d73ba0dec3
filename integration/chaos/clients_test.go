package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

const (
	clientCount  = 6
	accountCount = 24
	opening      = 1000 // what each account holds at first

	findTimeout = time.Second // until an instance has said whether it takes writes
)

// patienceOf is how long a client waits for an answer. Some give up soon, and write elsewhere; the others are there
// still when a leader that was thought dead has something to say.
func patienceOf(client int) time.Duration {
	if client%2 == 0 {
		return 2 * time.Second
	}
	return 20 * time.Second
}

// tables are what the clients write to. Every row says whose it is and its number there. ledger has no key, so that a
// transfer that is applied twice shows twice; the ids of list show the order.
var tables = []string{
	"CREATE DATABASE chaos",
	"CREATE TABLE chaos.accounts (id INT PRIMARY KEY, balance BIGINT)",
	"CREATE TABLE chaos.ledger (client INT, n INT, payer INT, payee INT, amount INT, origin CHAR(36))",
	"CREATE TABLE chaos.list (id BIGINT AUTO_INCREMENT PRIMARY KEY, client INT, n INT, origin CHAR(36))",
	fmt.Sprintf("INSERT INTO chaos.accounts WITH RECURSIVE a(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM a WHERE i < %d) SELECT i, %d FROM a", accountCount, opening),
}

// outcome is what a client knows of a transaction.
type outcome int

const (
	acknowledged outcome = iota
	unknown              // its COMMIT was sent, and there was no answer
	aborted              // it can't have been committed
)

// attempt is a transaction of a client.
type attempt struct {
	client, n  int
	server     string // uuid
	sent, told time.Time
	outcome    outcome
}

// clients write to whoever takes writes, as applications do that know all instances, and remember what they were told.
type clients struct {
	t     testing.TB
	nodes []*node
	seed  uint64

	mu       sync.Mutex
	attempts []attempt // since the last forget, each client's in its order
	next     [clientCount]int
	total    atomic.Int64 // acknowledged, since ever
	errors   map[string]int

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newClients(c *cluster, seed uint64) *clients {
	w := &clients{t: c.t, nodes: c.nodes, seed: seed, errors: map[string]int{}}
	c.t.Cleanup(w.stop)
	return w
}

// start has all clients write until stop.
func (w *clients) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	for id := range clientCount {
		w.seed++
		r := rand.New(rand.NewPCG(w.seed, uint64(id)))
		w.wg.Go(func() { w.write(ctx, id, r) })
	}
}

// stop ends the load: what is under way is finished or given up as unknown. It may be called twice.
func (w *clients) stop() {
	if w.cancel != nil {
		w.cancel()
		w.wg.Wait()
		w.cancel = nil
	}
}

// await waits until n more transactions are acknowledged.
func (w *clients) await(n int64) {
	w.t.Helper()
	goal := w.total.Load() + n
	require.Eventually(w.t, func() bool { return w.total.Load() >= goal }, patience, 5*time.Millisecond, "the clients get on")
}

// write is the life of a client.
func (w *clients) write(ctx context.Context, id int, r *rand.Rand) {
	var conn *connection
	failed := ""
	for ctx.Err() == nil {
		if conn == nil {
			if conn = w.find(ctx, failed); conn == nil {
				time.Sleep(20 * time.Millisecond)
				continue
			}
		}
		err := w.transact(conn, id, r)
		if err != nil {
			failed = conn.server
			conn.close()
			conn = nil
			w.mu.Lock()
			w.errors[err.Error()]++
			w.mu.Unlock()
			continue
		}
		failed = ""
		time.Sleep(time.Duration(5+r.IntN(20)) * time.Millisecond)
	}
	if conn != nil {
		conn.close()
	}
}

// transact does a client's next transaction: a transfer, or one line more in its list.
func (w *clients) transact(conn *connection, id int, r *rand.Rand) error {
	w.mu.Lock()
	w.next[id]++
	a := attempt{client: id, n: w.next[id], server: conn.server, outcome: aborted}
	w.mu.Unlock()
	err := conn.transact(a.statements(r), &a)
	w.mu.Lock()
	w.attempts = append(w.attempts, a)
	w.mu.Unlock()
	if a.outcome == acknowledged {
		w.total.Add(1)
	}
	return err
}

func (a attempt) statements(r *rand.Rand) []string {
	if r.IntN(2) == 0 {
		return []string{fmt.Sprintf("INSERT INTO chaos.list (client, n, origin) VALUES (%d, %d, @@server_uuid)", a.client, a.n)}
	}
	payer, payee, amount := 1+r.IntN(accountCount), 1+r.IntN(accountCount), 1+r.IntN(50)
	move := []string{
		fmt.Sprintf("UPDATE chaos.accounts SET balance = balance - %d WHERE id = %d", amount, payer),
		fmt.Sprintf("UPDATE chaos.accounts SET balance = balance + %d WHERE id = %d", amount, payee),
	}
	if payee < payer { // no deadlocks
		move[0], move[1] = move[1], move[0]
	}
	return append(move, fmt.Sprintf("INSERT INTO chaos.ledger VALUES (%d, %d, %d, %d, %d, @@server_uuid)", a.client, a.n, payer, payee, amount))
}

// connection is one of a client's own.
type connection struct {
	db     *sql.DB
	conn   *sql.Conn
	server string
}

func (c *connection) close() {
	c.conn.Close() // it may be broken
	c.db.Close()
}

// refusals are the server's errors that say that a COMMIT did nothing: read_only, super_read_only.
var refusals = map[uint16]bool{1290: true, 1836: true}

// transact runs statements in one transaction, and notes what became of it.
func (c *connection) transact(statements []string, a *attempt) error {
	ctx, cancel := context.WithTimeout(context.Background(), patienceOf(a.client))
	defer cancel()
	for _, s := range append([]string{"START TRANSACTION"}, statements...) {
		if _, err := c.conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	a.sent = time.Now()
	_, err := c.conn.ExecContext(ctx, "COMMIT")
	a.told = time.Now()
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case err == nil:
		a.outcome = acknowledged
	case !ok || !refusals[refused.Number]:
		a.outcome = unknown
	}
	return err
}

// find asks all instances, and returns a connection to one that takes writes: another than the one that failed last if
// there is one. nil if none does.
func (w *clients) find(ctx context.Context, failed string) *connection {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	answers := make(chan *connection, len(w.nodes))
	for _, n := range w.nodes {
		go func() { answers <- connect(ctx, n.forClients.Addr(), true) }()
	}
	var found *connection
	for range w.nodes {
		answer := <-answers
		switch {
		case answer == nil:
		case found == nil:
			found = answer
		case found.server == failed:
			found.close()
			found = answer
		default:
			answer.close()
		}
	}
	return found
}

// connect returns a connection to a server; nil if it doesn't answer, or takes no writes where that is wanted.
func connect(ctx context.Context, address string, writable bool) *connection {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = "app", "app", "tcp", address
	cfg.Timeout, cfg.InterpolateParams = findTimeout, true
	cfg.Logger = &mysql.NopLogger{} // a leader that is killed is no news
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil
	}
	c := &connection{db: sql.OpenDB(connector)}
	if c.conn, err = c.db.Conn(ctx); err != nil {
		c.db.Close()
		return nil
	}
	var readOnly bool
	err = c.conn.QueryRowContext(ctx, "SELECT @@read_only, @@server_uuid").Scan(&readOnly, &c.server)
	if err != nil || readOnly && writable {
		c.close()
		return nil
	}
	return c
}

// history returns what was attempted since the last forget.
func (w *clients) history() []attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]attempt(nil), w.attempts...)
}

// firstElsewhere is when a transaction was first acknowledged by another server whose COMMIT was sent after a moment.
func (w *clients) firstElsewhere(after time.Time, not string) (told time.Time, ok bool) {
	for _, a := range w.history() {
		if a.outcome == acknowledged && a.server != not && a.sent.After(after) && (!ok || a.told.Before(told)) {
			told, ok = a.told, true
		}
	}
	return told, ok
}

// forget empties the tables, so that a round is checked as quickly as the one before. The clients are stopped.
func (w *clients) forget(leader *node) {
	leader.MustExec(w.t, "TRUNCATE chaos.ledger", "TRUNCATE chaos.list", fmt.Sprintf("UPDATE chaos.accounts SET balance = %d", opening))
	w.attempts = nil
}
