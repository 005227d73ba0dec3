package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

const patience = 30 * time.Second

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 5*time.Millisecond, what)
}

// A clientele are clients of a server that commit rows and remember what was
// acknowledged to them.
type clientele struct {
	t       *testing.T
	server  *mysqltest.Server
	account string
	wg      sync.WaitGroup
	ctx     context.Context

	mu           sync.Mutex
	acknowledged []int
	failed       map[int]error
}

// clients are ended with the test. An account with CONNECTION_ADMIN is one that
// read_only doesn't stop.
func clients(t *testing.T, s *mysqltest.Server, account string) *clientele {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &clientele{t: t, server: s, account: account, ctx: ctx, failed: map[int]error{}}
	t.Cleanup(func() { cancel(); c.wg.Wait() })
	return c
}

func (c *clientele) open() *sql.DB {
	cfg, err := driver.ParseDSN(c.server.DSN(c.account, "client"))
	require.NoError(c.t, err)
	cfg.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(cfg)
	require.NoError(c.t, err)
	return sql.OpenDB(connector)
}

// commit commits a row on a connection of its own, once.
func (c *clientele) commit(id int) {
	c.wg.Go(func() {
		db := c.open()
		defer db.Close()
		_, err := db.ExecContext(c.ctx, "INSERT INTO shop.orders VALUES (?)", id)
		c.note(id, err)
	})
}

// begin leaves a transaction open and returns how to commit it.
func (c *clientele) begin(id int) (commit func()) {
	db := c.open()
	c.t.Cleanup(func() { db.Close() })
	tx, err := db.BeginTx(c.ctx, nil)
	require.NoError(c.t, err)
	_, err = tx.Exec("INSERT INTO shop.orders VALUES (?)", id)
	require.NoError(c.t, err)
	return func() { c.wg.Go(func() { c.note(id, tx.Commit()) }) }
}

// keepCommitting commits rows from id on, coming back after every error, until
// the test ends.
func (c *clientele) keepCommitting(id int) {
	c.wg.Go(func() {
		db := c.open()
		defer db.Close()
		db.SetMaxIdleConns(0)
		for ; c.ctx.Err() == nil; id++ {
			_, err := db.ExecContext(c.ctx, "INSERT INTO shop.orders VALUES (?)", id)
			c.note(id, err)
		}
	})
}

func (c *clientele) note(id int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.acknowledged = append(c.acknowledged, id)
	} else {
		c.failed[id] = err
	}
}

func (c *clientele) told() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int(nil), c.acknowledged...)
}

// errorOf is what a client was told, nil while it was told nothing.
func (c *clientele) errorOf(id int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed[id]
}

func waiters(t *testing.T, s *mysqltest.Server) int {
	t.Helper()
	n, err := mysql.Waiters(t.Context(), s.DB())
	require.NoError(t, err)
	return n
}

// waitingLeader is a leader whose commits wait for an acknowledgement, which
// nobody ever sends: whatever is acknowledged to a client there is a lie.
func waitingLeader(t *testing.T) *mysqltest.Server {
	t.Helper()
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	s.MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY)",
		"CREATE USER client IDENTIFIED BY 'client'", "GRANT ALL ON shop.* TO client",
		"CREATE USER boss IDENTIFIED BY 'client'", "GRANT ALL ON *.* TO boss")
	require.NoError(t, mysql.SetUpSemiSync(t.Context(), open(t, targetOf(s)), mysql.SemiSyncSettings{}))
	return s
}

func TestFencingALeaderAcknowledgesNothing(t *testing.T) {
	s := waitingLeader(t)
	before := gtid.MustParseSet(s.GTIDExecuted(t))
	some, boss := clients(t, s, "client"), clients(t, s, "boss")
	for id := range 5 {
		some.commit(id)
		boss.commit(100 + id)
	}
	late := boss.begin(50)
	eventually(t, "ten wait", func() bool { return waiters(t, s) == 10 })
	for n := range 4 {
		some.keepCommitting(1000 * (n + 1))
		boss.keepCommitting(1000 * (n + 5))
	}
	late()
	var steps []string
	r, err := mysql.FenceLeader(t.Context(), targetOf(s), mysql.FenceOptions{Step: func(name, detail string) {
		steps = append(steps, name)
		t.Logf("%s: %s", name, detail)
	}})
	require.NoError(t, err)
	require.Equal(t, []string{"refuse writes", "end connections", "switch semi-sync off", "fenced"}, steps)
	require.False(t, r.Already)
	require.GreaterOrEqual(t, r.Ended, 11)
	require.GreaterOrEqual(t, r.Released.Count(), int64(10))
	require.True(t, r.GTIDExecuted.ContainsSet(r.Released))
	require.Equal(t, r.GTIDExecuted, before.Union(r.Released))
	require.Equal(t, "11", s.Value(t, "SELECT CONCAT(@@read_only, @@super_read_only)"))
	require.Equal(t, "0", s.Value(t, "SELECT @@rpl_semi_sync_source_enabled"))

	again, err := mysql.FenceLeader(t.Context(), targetOf(s), mysql.FenceOptions{})
	require.NoError(t, err)
	require.True(t, again.Already)
	require.Zero(t, again.Ended, "readers may stay on a fenced server")
	require.Equal(t, r.GTIDExecuted, again.GTIDExecuted, "nothing was added")
	require.Equal(t, r.GTIDExecuted.String(), s.GTIDExecuted(t))
	require.Empty(t, some.told())
	require.Empty(t, boss.told())
	for id := range 5 {
		eventually(t, fmt.Sprintf("client %d is told", id), func() bool { return some.errorOf(id) != nil && boss.errorOf(100+id) != nil })
	}
}
