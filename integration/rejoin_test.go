package integration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// A leader is killed while a commit waits for an acknowledgement that never came: when it is back, it has a transaction
// that nobody else has and no client was told of. It is quarantined, the transaction is kept in files, and once an
// operator says so it is undone and the instance follows.
func TestAnOldLeaderIsRewoundAndFollows(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed(), mysqltest.SemiSyncSource())
	b := startBaton(t, c.Servers(), set("durability.mode", "strict"), set("failover.mode", "automatic"), set("failover.window", "1s"))
	b.waitStatus("commits are protected", func(s state) bool { return s.Durability.State == "protected" })
	b.wait("the epoch is written down everywhere", func() (bool, string) {
		schema := c.Followers[1].Rows(t, "SELECT 1 FROM information_schema.tables WHERE table_schema = 'baton' AND table_name = 'epoch'")
		return len(schema) == 1 && c.Followers[1].Value(t, "SELECT COUNT(*) FROM baton.epoch") == "1", ""
	})
	c.Leader.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO d.t VALUES (1, 'kept')")

	b.kill9()
	lost := make(chan error, 1)
	go func() {
		_, err := c.Leader.DB().Exec("INSERT INTO d.t VALUES (2, 'never acknowledged')")
		lost <- err
	}()
	require.Eventually(t, func() bool {
		return c.Leader.Value(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for semi-sync ACK%'") == "1"
	}, patience, 20*time.Millisecond)
	require.NoError(t, c.Leader.Kill9())
	require.Error(t, <-lost, "the client must not be told of success")

	b.start()
	b.waitStatus("a follower leads", func(s state) bool { return s.Leader == "db2" || s.Leader == "db3" })
	require.NoError(t, c.Leader.Restart(t.Context()))
	b.waitState("db1", "quarantined")
	require.Equal(t, "1", c.Leader.Value(t, "SELECT @@super_read_only"), "it is fenced")
	b.waitEvent("instance-problem", "db1", "kept in")
	kept, err := filepath.Glob(filepath.Join(b.stateDir, "errant", "*", "errant.sql"))
	require.NoError(t, err)
	require.NotEmpty(t, kept)
	text, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	require.Contains(t, string(text), "never acknowledged")

	_, stderr, code := b.run("rejoin", "db1", "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "--rewind", "what to do is said")
	stdout, stderr, code := b.run("rejoin", "db1", "--rewind", "--yes")
	require.Equal(t, 0, code, stdout+stderr)
	b.waitState("db1", "streaming")

	leader := c.Servers()[int(strings.TrimPrefix(b.status().Leader, "db")[0]-'1')]
	leader.MustExec(t, "INSERT INTO d.t VALUES (3, 'after')")
	for _, s := range c.Servers() {
		mysqltest.WaitGTID(t, s, leader.GTIDExecuted(t), patience)
	}
	mysqltest.AssertSameData(t, c.Servers()...)
	require.Equal(t, "2", c.Leader.Value(t, "SELECT COUNT(*) FROM d.t"))
}
