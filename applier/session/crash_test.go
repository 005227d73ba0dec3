package session_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/stretchr/testify/require"
)

const patience = 60 * time.Second

// cutOff is a follower that lacks a few transactions of a leader, on a table of
// equal rows without a key, where one too many or too few shows.
type cutOff struct {
	t                *testing.T
	leader, follower *mysqltest.Server
	executed         gtid.Set
	lacking          []*binlog.Transaction
}

func newCutOff(t *testing.T) *cutOff {
	t.Helper()
	c := &cutOff{t: t}
	c.leader, c.follower = pair(t)
	c.leader.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.n (a INT, b VARCHAR(10))", "CREATE TABLE d.k (id INT PRIMARY KEY, v INT)",
		"INSERT INTO d.k VALUES (1, 0)", "INSERT INTO d.n VALUES (1, 'x'), (1, 'x'), (1, 'x'), (1, 'x')")
	s := open(t, c.follower)
	applyInBatches(t, s, c.leader, 1)
	var err error
	c.executed, err = s.Executed(t.Context())
	require.NoError(t, err)
	c.leader.MustExec(t, "INSERT INTO d.n VALUES (1, 'x'), (1, 'x')", "DELETE FROM d.n LIMIT 1", "UPDATE d.n SET b = 'y' WHERE b = 'x' LIMIT 1", "UPDATE d.k SET v = v + 1")
	for _, tx := range binlogtest.Read(t, c.leader) {
		if !c.executed.Contains(tx.GTID) {
			c.lacking = append(c.lacking, tx)
		}
	}
	require.Len(t, c.lacking, 4)
	return c
}

// seated is a session with a seat.
func (c *cutOff) seated() *session.Session {
	c.t.Helper()
	s := open(c.t, c.follower)
	require.NoError(c.t, s.Sit(c.t.Context(), 0))
	return s
}

// restart kills the server and starts it again.
func (c *cutOff) restart() {
	c.t.Helper()
	require.NoError(c.t, c.follower.Kill9())
	require.NoError(c.t, c.follower.Restart(c.t.Context()))
}

// goOn is what an applier does after whatever happened.
func (c *cutOff) goOn(want int64) {
	c.t.Helper()
	s := open(c.t, c.follower)
	require.NoError(c.t, s.Alone(c.t.Context()))
	require.NoError(c.t, s.Sit(c.t.Context(), 0))
	require.NoError(c.t, s.Settle(c.t.Context()))
	executed, err := s.Executed(c.t.Context())
	require.NoError(c.t, err)
	var rest []*binlog.Transaction
	for _, tx := range c.lacking {
		if !executed.Contains(tx.GTID) {
			rest = append(rest, tx)
		}
	}
	require.Len(c.t, rest, int(want), "what is still lacking")
	if len(rest) > 0 {
		b := batchOf(executed, rest...)
		b.Settle = true
		require.NoError(c.t, s.ApplyBatch(c.t.Context(), b))
	}
	mysqltest.AssertSameData(c.t, c.leader, c.follower)
	require.NoError(c.t, s.Tidy(c.t.Context()))
	require.Equal(c.t, "0", c.follower.Value(c.t, "SELECT COUNT(*) FROM baton.progress"))
}

// A batch that is cut off before its commit never was; one that is cut off after
// it is found by what was committed with it. Either way nothing is lacking or
// there twice, whether the follower died or whoever applied to it.
func TestABatchIsWholeWhereverItIsCutOff(t *testing.T) {
	// blocked has the batch hang at a row of that table, which a client has locked.
	blocked := func(c *cutOff, table string) (release func(), done chan error) {
		holder, err := c.follower.DB().Begin()
		require.NoError(t, err)
		_, err = holder.Exec("SELECT * FROM " + table + " FOR UPDATE")
		require.NoError(t, err)
		s := c.seated()
		done = make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- s.ApplyBatch(ctx, batchOf(c.executed, c.lacking...)) }()
		require.Eventually(t, func() bool {
			return c.follower.Value(t, "SELECT COUNT(*) FROM performance_schema.data_lock_waits") != "0"
		}, patience, 10*time.Millisecond)
		return func() { cancel(); _ = holder.Rollback() }, done
	}
	for where, table := range map[string]string{"at the last row": "d.k", "while it says what it was": "baton.progress"} {
		t.Run("the follower is killed "+where, func(t *testing.T) {
			c := newCutOff(t)
			release, done := blocked(c, table)
			c.restart()
			require.Error(t, <-done)
			release()
			c.goOn(4)
		})
	}
	t.Run("the applier goes away before the commit", func(t *testing.T) {
		c := newCutOff(t)
		release, done := blocked(c, "d.k")
		defer release()
		// The server still carries the batch out, and would commit it later.
		s := open(t, c.follower)
		require.NoError(t, s.Alone(t.Context()))
		require.Error(t, <-done)
		require.Equal(t, "0", c.follower.Value(t, "SELECT COUNT(*) FROM performance_schema.metadata_locks WHERE object_type = 'USER LEVEL LOCK'"))
		release()
		c.goOn(4)
	})
	for _, killed := range []bool{true, false} {
		who := map[bool]string{true: "the follower is killed", false: "the applier goes away"}[killed]
		t.Run(who+" after the commit", func(t *testing.T) {
			c := newCutOff(t)
			s := c.seated()
			require.NoError(t, s.ApplyBatch(t.Context(), batchOf(c.executed, c.lacking...)))
			if killed {
				c.restart()
			} else {
				s.Close()
			}
			executed := gtid.MustParseSet(c.follower.Value(t, "SELECT @@global.gtid_executed"))
			require.Equal(t, c.executed.String(), executed.String(), "nothing has told gtid_executed")
			c.goOn(0)
		})
		t.Run(who+" after gtid_executed was told", func(t *testing.T) {
			c := newCutOff(t)
			s := c.seated()
			b := batchOf(c.executed, c.lacking...)
			b.Settle = true
			require.NoError(t, s.ApplyBatch(t.Context(), b))
			if killed {
				c.restart()
			} else {
				s.Close()
			}
			c.goOn(0)
		})
		t.Run(who+" between two batches of which the first is committed", func(t *testing.T) {
			c := newCutOff(t)
			s := c.seated()
			require.NoError(t, s.ApplyBatch(t.Context(), batchOf(c.executed, c.lacking[:2]...)))
			if killed {
				c.restart()
			} else {
				s.Close()
			}
			c.goOn(2)
		})
	}
	t.Run("the next is not sent before it is its turn", func(t *testing.T) {
		c := newCutOff(t)
		s := c.seated()
		b := batchOf(c.executed, c.lacking...)
		b.Turn = func(context.Context) error { return context.Canceled }
		require.ErrorIs(t, s.ApplyBatch(t.Context(), b), context.Canceled)
		require.False(t, s.Lost())
		c.goOn(4)
	})
}

// What baton.progress says is believed only where it fits what the follower has
// executed and comes from this server; else nothing is changed.
func TestProgressThatDoesNotFitIsRefused(t *testing.T) {
	c := newCutOff(t)
	s := c.seated()
	require.NoError(t, s.ApplyBatch(t.Context(), batchOf(c.executed, c.lacking...)))
	good := c.follower.Rows(t, "SELECT server_uuid, executed, gtids FROM baton.progress")[0]
	before := c.follower.Value(t, "SELECT @@global.gtid_executed")
	set := func(uuid, executed, gtids string) {
		require.NoError(t, c.follower.ExecUnlogged(t.Context(), fmt.Sprintf("UPDATE baton.progress SET server_uuid = '%s', executed = '%s', gtids = '%s'", uuid, executed, gtids)))
	}
	const other = "11111111-2222-3333-4444-555555555555"
	for reason, row := range map[string][3]string{
		"the row is that of the server": {other, good[1], good[2]},
		"which came before":             {good[0], good[1] + "," + other + ":1-5", good[2]},
		"a batch is added as a whole":   {good[0], good[1], good[1] + "," + good[2]},
	} {
		set(row[0], row[1], row[2])
		var unfit *session.ProgressError
		require.ErrorAs(t, s.Settle(t.Context()), &unfit)
		require.Contains(t, unfit.Error(), reason)
		require.Contains(t, unfit.Mend(), "baton.progress")
		require.Equal(t, before, c.follower.Value(t, "SELECT @@global.gtid_executed"))
	}
	set(other, good[1], good[1]) // of another server, and nothing that is lacking
	require.NoError(t, s.Settle(t.Context()))
	set(good[0], good[1], good[2])
	c.goOn(0)
}
