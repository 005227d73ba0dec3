package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// Clients find on a new leader what they had on the old one: no id that a row had is given out again, events run, there
// alone, and whoever was not trusted to create triggers isn't. The two can never be written to at once.
func TestANewLeaderIsAsTheOldOneWas(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	leader, follower := c.Leader, c.Followers[0]
	leader.MustExec(t, "SET GLOBAL log_bin_trust_function_creators = OFF", "SET GLOBAL event_scheduler = ON",
		"CREATE DATABASE d", "CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)", "CREATE TABLE d.ticks (at TIMESTAMP(6) PRIMARY KEY, server CHAR(36))",
		"INSERT INTO d.t (v) VALUES (1), (2), (3), (4), (5)", "DELETE FROM d.t WHERE id > 3",
		"CREATE USER app@'%' IDENTIFIED BY 'a'", "GRANT ALL ON d.* TO app@'%'")
	b := startBaton(t, c.Servers(), set("durability.mode", "async"))
	b.waitState("db2", "streaming")
	leader.MustExec(t, "CREATE EVENT d.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO d.ticks VALUES (NOW(6), @@server_uuid)")

	for i, to := range []*mysqltest.Server{follower, leader} {
		from := c.Servers()[i]
		done := watchWriters(t, to, from)
		b.must("switchover", "--to", fmt.Sprintf("db%d", 2-i), "--yes")
		done()
		old := from.Value(t, "SELECT @@server_uuid")
		ticks := to.Value(t, "SELECT COUNT(*) FROM d.ticks WHERE server = ?", old)
		result, err := to.DB().Exec("INSERT INTO d.t (v) VALUES (0)")
		require.NoError(t, err)
		id, err := result.LastInsertId()
		require.NoError(t, err)
		require.Greater(t, id, int64(5+i), "an id that a row had")
		require.Eventually(t, func() bool {
			return to.Value(t, "SELECT COUNT(*) FROM d.ticks WHERE server = @@server_uuid AND at > NOW(6) - INTERVAL 1 SECOND") != "0"
		}, patience, poll, "events run on the new leader")
		require.Equal(t, ticks, to.Value(t, "SELECT COUNT(*) FROM d.ticks WHERE server = ?", old), "and on the old one no more")

		require.Equal(t, []string{"0", "1"}[i], to.Value(t, "SELECT @@log_bin_trust_function_creators"), "as on the former leader")
		err = createTrigger(t, to)
		if i == 0 {
			require.ErrorContains(t, err, "1419")
			to.MustExec(t, "SET GLOBAL log_bin_trust_function_creators = ON")
			b.waitState("db1", "streaming")
		} else {
			require.NoError(t, err)
		}
	}
	mysqltest.WaitGTID(t, follower, leader.GTIDExecuted(t), patience)
	for _, in := range b.status().Instances {
		require.Empty(t, in.Errant, in.Name)
	}
}

// watchWriters watches, until done, that a former leader is read-only whenever the new one isn't: who leads is what
// ProxySQL and others tell by that.
func watchWriters(t *testing.T, to, from *mysqltest.Server) (done func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			var fromOn, toOn bool
			err := to.DB().QueryRowContext(ctx, "SELECT @@read_only").Scan(&toOn)
			if err == nil {
				err = from.DB().QueryRowContext(ctx, "SELECT @@read_only").Scan(&fromOn)
			}
			if err == nil && !toOn && !fromOn {
				t.Error("both can be written to")
				return
			}
		}
	})
	return func() { cancel(); watching.Wait() }
}

// createTrigger is what an account does that has all privileges on a schema.
func createTrigger(t *testing.T, s *mysqltest.Server) error {
	t.Helper()
	db, err := sql.Open("mysql", s.DSN("app", "a"))
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("CREATE TRIGGER d.tr BEFORE INSERT ON d.t FOR EACH ROW SET NEW.v = 7")
	return err
}
