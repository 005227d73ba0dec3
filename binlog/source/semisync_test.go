package source_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/source"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/stretchr/testify/require"
)

// semiSyncLeader waits for us however long, as mode strict has it.
func semiSyncLeader(t testing.TB, options ...mysqltest.Option) *mysqltest.Server {
	t.Helper()
	s := leader(t, append(options, mysqltest.Relaxed(), mysqltest.SemiSyncSource(),
		mysqltest.Setting("rpl_semi_sync_source_timeout", "4294967295"))...)
	return s
}

func semiSyncConfig() source.Config {
	cfg := config()
	cfg.SemiSync = true
	return cfg
}

func switchOn(t testing.TB, s *mysqltest.Server) {
	s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_enabled = ON")
}

// A commit is one INSERT on its way.
type commit struct{ done chan error }

func startCommit(s *mysqltest.Server, value string) *commit {
	c := &commit{done: make(chan error, 1)}
	go func() {
		_, err := s.DB().ExecContext(context.Background(), "INSERT INTO d.t (v) VALUES ('"+value+"')")
		c.done <- err
	}()
	return c
}

func (c *commit) waits() bool { return len(c.done) == 0 }

func (c *commit) returns(t testing.TB) {
	t.Helper()
	eventually(t, "the commit returns", func() bool { return !c.waits() })
	require.NoError(t, <-c.done)
}

// waiters is the number of sessions that wait for an acknowledgement.
func waiters(t testing.TB, s *mysqltest.Server) int {
	t.Helper()
	n, err := strconv.Atoi(s.Value(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for semi-sync ACK%'"))
	require.NoError(t, err)
	return n
}

func waitForWaiters(t testing.TB, s *mysqltest.Server, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d sessions wait for an acknowledgement", n), func() bool { return waiters(t, s) == n })
}

func TestCommitReturnsOnlyWhenDurable(t *testing.T) {
	for name, options := range map[string][]client.Option{
		"plain": nil,
		"TLS":   {func(c *client.Conn) error { c.UseSSL(true); return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			s := semiSyncLeader(t)
			switchOn(t, s)
			f := follow(t, semiSyncConfig(), dialer(s.Addr(), options...), &tape{})
			f.caughtUp(t, s)
			require.True(t, f.Status().SemiSync.Active)

			before := f.Status().Transactions
			open := f.relay.block(t)
			first := startCommit(s, "first")
			eventually(t, "the relay syncs", f.relay.waiting)
			waitForWaiters(t, s, 1)
			acks := f.Status().SemiSync.Acknowledgements
			var more []*commit
			for i := range 20 {
				more = append(more, startCommit(s, strconv.Itoa(i)))
			}
			// They are in the stream, and so in the queue behind the fsync that hangs.
			eventually(t, "received", func() bool { return f.Status().Transactions == before+21 })
			require.True(t, first.waits())
			require.Equal(t, acks, f.Status().SemiSync.Acknowledgements)
			syncs := 0
			f.relay.with(func() { syncs = f.relay.syncs })
			open()
			first.returns(t)
			for _, c := range more {
				c.returns(t)
			}
			f.relay.with(func() { require.LessOrEqual(t, f.relay.syncs-syncs, 21) })
			require.Less(t, f.Status().SemiSync.Acknowledgements-acks, uint64(21), "one acknowledgement covers several commits")
			f.sameAsBinlog(t, s)
			require.Equal(t, "0", s.Rows(t, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_no_tx'")[0][1], "none went unprotected")
		})
	}
}

func TestFailedSyncAcknowledgesNothing(t *testing.T) {
	s := semiSyncLeader(t)
	switchOn(t, s)
	f := follow(t, semiSyncConfig(), dialer(s.Addr()), &tape{})
	f.caughtUp(t, s)
	startCommit(s, "well").returns(t)

	f.relay.with(func() { f.relay.syncFail = errDisk })
	c := startCommit(s, "no room")
	f.stopsWith(t, source.RelayFailed)
	acks := f.Status().SemiSync.Acknowledgements
	tried := f.Status().Attempts
	eventually(t, "tried again", func() bool { return f.Status().Attempts > tried+3 })
	require.True(t, c.waits())
	require.Equal(t, acks, f.Status().SemiSync.Acknowledgements)

	f.relay.with(func() { f.relay.syncFail = nil })
	c.returns(t)
	startCommit(s, "well again").returns(t)
	f.sameAsBinlog(t, s)
}

// The stream is cut when transactions are durable and their acknowledgement
// isn't sent: nobody sends them again, and only a position beyond them frees
// the clients.
func TestWaitersOfAnEarlierConnectionAreFreed(t *testing.T) {
	s := semiSyncLeader(t)
	switchOn(t, s)
	proxy := mysqltest.StartProxy(t, s)
	f := follow(t, semiSyncConfig(), dialer(proxy.Addr()), &tape{})
	f.caughtUp(t, s)

	for _, rotated := range []bool{false, true} {
		t.Run(fmt.Sprintf("rotated=%t", rotated), func(t *testing.T) {
			if rotated {
				s.MustExec(t, "FLUSH BINARY LOGS")
			}
			before := f.Status().Transactions
			open := f.relay.block(t)
			commits := []*commit{startCommit(s, "a")}
			eventually(t, "the relay syncs", f.relay.waiting)
			commits = append(commits, startCommit(s, "b"), startCommit(s, "c"))
			eventually(t, "received", func() bool { return f.Status().Transactions == before+3 })
			acks := f.Status().SemiSync.Acknowledgements
			proxy.Cut()
			open()
			eventually(t, "durable", func() bool {
				ok := false
				f.relay.with(func() { ok = len(f.relay.appended) == 0 && f.relay.inSync == 0 })
				return ok && f.Status().State != source.Streaming
			})
			for _, c := range commits {
				require.True(t, c.waits())
			}
			t.Logf("%d acknowledgements were lost", f.Status().SemiSync.Acknowledgements-acks)
			require.NoError(t, proxy.Restore())
			for _, c := range commits {
				c.returns(t)
			}
			f.sameAsBinlog(t, s)
		})
	}

	t.Run("by another process", func(t *testing.T) {
		open := f.relay.block(t)
		c := startCommit(s, "d")
		eventually(t, "the relay syncs", f.relay.waiting)
		waitForWaiters(t, s, 1)
		proxy.Cut()
		open()
		require.NoError(t, f.Close())
		require.Equal(t, 1, waiters(t, s))
		again := follow(t, semiSyncConfig(), dialer(s.Addr()), &tape{durable: f.relay.Durable()})
		c.returns(t)
		again.streams(t)
	})
}

// A position of another server, or of a binlog that was reset, must never be
// acknowledged: it could free clients whose transactions the relay lacks.
func TestPositionsOfAnotherLeaderAreNotAcknowledged(t *testing.T) {
	old := semiSyncLeader(t)
	for range 5 {
		old.MustExec(t, "FLUSH BINARY LOGS")
	}
	switchOn(t, old)
	relay := &tape{}
	f := follow(t, semiSyncConfig(), dialer(old.Addr()), relay)
	f.caughtUp(t, old)
	startCommit(old, "x").returns(t)
	require.NoError(t, f.Close())

	s := semiSyncLeader(t)
	switchOn(t, s)
	c := startCommit(s, "waits")
	waitForWaiters(t, s, 1)
	open := relay.block(t)
	g := follow(t, semiSyncConfig(), dialer(s.Addr()), relay)
	eventually(t, "the relay syncs", relay.waiting)
	require.Equal(t, 1, waiters(t, s))
	require.True(t, c.waits())
	open()
	c.returns(t)
	require.True(t, relay.Durable().ContainsSet(gtid.MustParseSet(s.GTIDExecuted(t)).Subtract(unlogged(t, s))))
	require.NoError(t, g.Close())
}

func TestSemiSyncThatTheLeaderLacks(t *testing.T) {
	t.Run("switched on and off later", func(t *testing.T) {
		s := semiSyncLeader(t)
		f := follow(t, semiSyncConfig(), dialer(s.Addr()), &tape{})
		f.caughtUp(t, s)
		st := f.Status().SemiSync
		require.False(t, st.Active)
		require.Contains(t, st.Problem, "off on the leader")
		require.NotEmpty(t, st.Mend)
		switchOn(t, s)
		eventually(t, "noticed", func() bool { return f.Status().SemiSync.Active })
		startCommit(s, "x").returns(t)
		require.Equal(t, uint64(1), f.Status().Connections)
		s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
		eventually(t, "noticed", func() bool { return !f.Status().SemiSync.Active })
		f.sameAsBinlog(t, s)
	})
	t.Run("plugin installed later", func(t *testing.T) {
		s := leader(t, mysqltest.Relaxed())
		f := follow(t, semiSyncConfig(), dialer(s.Addr()), &tape{})
		f.caughtUp(t, s)
		require.Contains(t, f.Status().SemiSync.Problem, "no semi-sync plugin")
		s.MustExec(t, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
			"SET GLOBAL rpl_semi_sync_source_timeout = 4294967295", "SET GLOBAL rpl_semi_sync_source_enabled = ON")
		startCommit(s, "x").returns(t)
		eventually(t, "noticed", func() bool { return f.Status().SemiSync.Active })
		f.sameAsBinlog(t, s)
	})
	t.Run("timed out before we came", func(t *testing.T) {
		s := semiSyncLeader(t, mysqltest.Setting("rpl_semi_sync_source_timeout", "1"))
		s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_timeout = 1")
		switchOn(t, s)
		startCommit(s, "unprotected").returns(t)
		s.MustExec(t, "SET GLOBAL rpl_semi_sync_source_timeout = 4294967295")
		f := follow(t, semiSyncConfig(), dialer(s.Addr()), &tape{})
		eventually(t, "protected again", func() bool {
			return s.Rows(t, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_status'")[0][1] == "ON"
		})
		startCommit(s, "protected").returns(t)
		f.sameAsBinlog(t, s)
	})
}
