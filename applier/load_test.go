package applier_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// load has clients write on the leader, side by side, count transactions each,
// with DDL and new binlog files among them.
func load(t testing.TB, leader *mysqltest.Server, clients, count int) {
	t.Helper()
	leader.MustExec(t, "CREATE DATABASE IF NOT EXISTS l", "CREATE TABLE IF NOT EXISTS l.k (id INT PRIMARY KEY, v INT, s VARCHAR(200), KEY (v))",
		"CREATE TABLE IF NOT EXISTS l.n (a INT, b VARCHAR(20))", "INSERT IGNORE INTO l.k (id, v) SELECT a.n * 10 + b.n, 0 FROM "+
			"(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5) a, "+
			"(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) b")
	leader.DB().SetMaxIdleConns(clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for n := range count {
				if err := writeOnce(t.Context(), leader, i, n); err != nil {
					t.Errorf("load: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func writeOnce(ctx context.Context, leader *mysqltest.Server, client, n int) error {
	a, b := rand.IntN(60), rand.IntN(60)
	statements := []string{
		fmt.Sprintf("UPDATE l.k SET v = v + 1, s = REPEAT('%c', %d) WHERE id = %d", 'a'+byte(client), rand.IntN(200), a),
		fmt.Sprintf("INSERT INTO l.n VALUES (%d, 'x'), (%d, 'x')", a%3, a%3),
	}
	switch n % 20 {
	case 3, 9, 15:
		statements = []string{fmt.Sprintf("DELETE FROM l.n WHERE a = %d LIMIT 1", b%3)}
	case 5:
		statements = []string{fmt.Sprintf("UPDATE l.n SET b = CONCAT(b, 'y') WHERE a = %d AND LENGTH(b) < 5 LIMIT 2", b%3)}
	case 11:
		statements = []string{fmt.Sprintf("CREATE TABLE l.c%d_%d (id INT PRIMARY KEY)", client, n), fmt.Sprintf("INSERT INTO l.c%d_%d VALUES (1), (2)", client, n)}
	case 13:
		statements = []string{fmt.Sprintf("ALTER TABLE l.c%d_%d ADD COLUMN x INT DEFAULT %d", client, n-2, n), fmt.Sprintf("UPDATE l.c%d_%d SET x = 1 WHERE id = 1", client, n-2)}
	case 19:
		statements = []string{fmt.Sprintf("DROP TABLE l.c%d_%d", client, n-8)}
	case 17:
		if client == 0 {
			statements = []string{"FLUSH BINARY LOGS"}
		}
	}
	for {
		err := inTransaction(ctx, leader, statements)
		var my *mysql.MySQLError
		if errors.As(err, &my) && (my.Number == 1213 || my.Number == 1205) {
			continue
		}
		return err
	}
}

func inTransaction(ctx context.Context, s *mysqltest.Server, statements []string) error {
	tx, err := s.DB().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// What several clients did at the same time on the leader arrives in followers
// that apply it side by side, whatever the number of sessions, through new
// binlog files and restarts of the leader.
func TestBusyLeaderIsFollowed(t *testing.T) {
	c := mysqltest.StartCluster(t, 4, mysqltest.Relaxed())
	relay := newRelay()
	var subjects []*subject
	for i, follower := range c.Followers {
		cfg := config(follower, []int{1, 4, 16, 16}[i])
		cfg.LeaderOrder = i == 3
		subjects = append(subjects, start(t, cfg, follower, relay))
	}
	for range 2 {
		load(t, c.Leader, 8, 40)
		require.NoError(t, c.Leader.Restart(t.Context()))
		relay.follow(t, c.Leader)
	}
	for _, s := range subjects {
		s.waitHead()
		require.Nil(t, s.Status().Failure)
	}
	mysqltest.AssertSameData(t, c.Servers()...)
}

// In leader order no client ever sees a transaction without those before it.
func TestLeaderOrderIsVisible(t *testing.T) {
	leader, follower := pair(t)
	leader.MustExec(t, "CREATE TABLE d.o (id INT PRIMARY KEY)")
	for i := 1; i <= 300; i++ {
		leader.MustExec(t, fmt.Sprintf("INSERT INTO d.o VALUES (%d)", i))
	}
	relay := newRelay()
	relay.follow(t, leader)
	cfg := config(follower, 16)
	cfg.LeaderOrder = true
	s := start(t, cfg, follower, relay)
	require.Eventually(t, func() bool {
		return follower.Value(t, "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'o'") == "1"
	}, patience, time.Millisecond)
	for seen := ""; seen != "300"; {
		row := follower.Rows(t, "SELECT COUNT(*), COALESCE(MAX(id), 0) FROM d.o")[0]
		require.Equal(t, row[0], row[1], "a later transaction is visible before an earlier one")
		seen = row[0]
	}
	s.waitHead()
}

// The follower and its connections are killed at random moments; nothing is
// skipped, nothing repeated, and the applier goes on by itself. The table without
// a key, full of equal rows, would show what is applied twice.
func TestKillsNeitherSkipNorRepeat(t *testing.T) {
	leader, follower := pair(t)
	relay := newRelay()
	relay.follow(t, leader)
	cfg := config(follower, 8)
	s := start(t, cfg, follower, relay)
	for round := range *rounds {
		load(t, leader, 6, 30)
		before := s.Status().Applied
		relay.follow(t, leader)
		target := before + int64(rand.IntN(150))
		s.waitFor("some applied", func(st applier.Status) bool { return st.Applied >= target })
		if round%2 == 0 {
			require.NoError(t, follower.Kill9())
			require.NoError(t, follower.Restart(t.Context()))
		} else {
			for _, row := range follower.Rows(t, "SELECT id FROM information_schema.processlist WHERE user = ?", mysqltest.User) {
				if rand.IntN(2) == 0 {
					_, _ = follower.DB().Exec("KILL " + row[0]) // it may have gone already
				}
			}
		}
		s.waitHead()
	}
	require.Nil(t, s.Status().Failure)
	mysqltest.AssertSameData(t, leader, follower)
}
