package source_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/source"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/stretchr/testify/require"
)

// variety writes transactions of every shape that a binlog groups differently.
func variety(t testing.TB, s *mysqltest.Server) {
	t.Helper()
	s.MustExec(t,
		"INSERT INTO d.t (v) VALUES ('a'), ('b')",
		"UPDATE d.t SET v = 'c'",
		"FLUSH BINARY LOGS",
		"CREATE TABLE d.m (a INT) ENGINE=MyISAM",
		"INSERT INTO d.m VALUES (1)",
		"INSERT INTO d.t (v) VALUES (REPEAT('x', 20000000))", // continued in a second packet
		"CREATE TABLE d.s SELECT id FROM d.t",
		"FLUSH BINARY LOGS",
		"SET GLOBAL binlog_checksum = NONE",
		"DELETE FROM d.t WHERE id = 2",
		"SET GLOBAL binlog_checksum = CRC32",
		"INSERT INTO d.t (v) VALUES ('d')",
		"DROP TABLE d.m, d.s",
	)
	conn, err := s.DB().Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for _, statement := range []string{
		"XA START 'x'", "INSERT INTO d.t (v) VALUES ('xa')", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'",
		"SET SESSION binlog_transaction_compression = ON", "INSERT INTO d.t (v) VALUES (REPEAT('z', 100000))",
	} {
		_, err := conn.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

func TestRelayGetsTheBinlogByteForByte(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	variety(t, s)
	f := follow(t, config(), dialer(s.Addr()), &tape{})
	f.sameAsBinlog(t, s)
	variety(t, s)
	f.sameAsBinlog(t, s)

	st := f.Status()
	require.Equal(t, source.Streaming, st.State)
	require.Equal(t, s.UUID(t), st.LeaderUUID)
	require.False(t, st.SemiSync.Active)
	require.Empty(t, st.SemiSync.Problem, "nobody wants it")
	t.Run("position", func(t *testing.T) {
		row := s.Rows(t, "SHOW BINARY LOG STATUS")[0]
		eventually(t, "the end of the leader's binlog", func() bool {
			return f.Status().Position.String() == row[0]+":"+row[1]
		})
	})
}

func TestTLS(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	variety(t, s)
	f := follow(t, config(), dialer(s.Addr(), func(c *client.Conn) error { c.UseSSL(true); return nil }), &tape{})
	f.sameAsBinlog(t, s)
}

func TestStreamSurvives(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	proxy := mysqltest.StartProxy(t, s)
	f := follow(t, config(), dialer(proxy.Addr()), &tape{})
	f.caughtUp(t, s)

	t.Run("idleness", func(t *testing.T) {
		cfg := config()
		cfg.ServerID--
		cfg.ReadTimeout = 3 * cfg.Heartbeat
		f := follow(t, cfg, dialer(s.Addr()), &tape{})
		f.caughtUp(t, s)
		idle := f.Status()
		eventually(t, "heartbeats over several read timeouts", func() bool {
			return f.Status().LastEvent.Sub(idle.LastEvent) > 3*cfg.ReadTimeout
		})
		require.Equal(t, idle.Connections, f.Status().Connections)
	})

	t.Run("cuts in the middle of packets", func(t *testing.T) {
		for round := range 40 {
			proxy.CutAfter(rand.Int64N(50_000), mysqltest.ToClient)
			s.MustExec(t, fmt.Sprintf("INSERT INTO d.t (v) VALUES (REPEAT('%d', %d))", round%10, rand.IntN(20_000)),
				"INSERT INTO d.t (v) VALUES (REPEAT('y', 60000)), ('y')")
			eventually(t, "the cut", func() bool { return proxy.Cuts() > round })
		}
		require.NoError(t, proxy.Restore())
		f.sameAsBinlog(t, s)
		require.Positive(t, f.log.count(history.SourceLost))
	})

	t.Run("a proxy that is gone for a while", func(t *testing.T) {
		proxy.Cut()
		s.MustExec(t, "INSERT INTO d.t (v) VALUES ('gone')")
		eventually(t, "tried again", func() bool { return f.Status().Attempts > 3 })
		st := f.Status()
		require.Equal(t, source.Connecting, st.State)
		require.Contains(t, st.Error, "refused")
		require.Empty(t, st.Reason)
		lost := f.log.count(history.SourceLost)
		require.NoError(t, proxy.Restore())
		f.sameAsBinlog(t, s)
		require.Equal(t, lost, f.log.count(history.SourceLost), "said once")
	})

	t.Run("kill -9 of the leader", func(t *testing.T) {
		for range 3 {
			stop := make(chan struct{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					select {
					case <-stop:
						return
					default:
						_, _ = s.DB().ExecContext(context.Background(), "INSERT INTO d.t (v) VALUES (REPEAT('k', 5000))")
					}
				}
			}()
			n := f.Status().Transactions
			eventually(t, "load", func() bool { return f.Status().Transactions > n+20 })
			require.NoError(t, s.Kill9())
			close(stop)
			<-done
			eventually(t, "noticed", func() bool { return f.Status().State != source.Streaming })
			require.NoError(t, s.Restart(t.Context()))
		}
		f.sameAsBinlog(t, s)
	})
}

func TestFrozenLeaderIsNoticed(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	cfg := config()
	cfg.ReadTimeout = 4 * cfg.Heartbeat
	f := follow(t, cfg, dialer(s.Addr()), &tape{})
	f.caughtUp(t, s)
	require.NoError(t, s.Freeze())
	eventually(t, "noticed", func() bool { return f.Status().State == source.Connecting })
	require.Contains(t, f.Status().Error, "nothing for")
	require.NoError(t, s.Thaw())
	s.MustExec(t, "INSERT INTO d.t (v) VALUES ('awake')")
	f.sameAsBinlog(t, s)
}

func TestDamagedBytesAreAskedForAgain(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	flipper := startFlipper(t, s.Addr())
	f := follow(t, config(), dialer(flipper.addr()), &tape{})
	f.caughtUp(t, s)
	flipper.damage("needle-in-the-stream")
	s.MustExec(t, "INSERT INTO d.t (v) VALUES ('before')", "INSERT INTO d.t (v) VALUES ('needle-in-the-stream')")
	eventually(t, "the damage was found", func() bool { return strings.Contains(f.Status().Error, "checksum") })
	require.Empty(t, f.Status().Reason)
	flipper.heal()
	f.sameAsBinlog(t, s)
}

func TestRelayFailureStopsTheStreamUntilItIsWell(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	f := follow(t, config(), dialer(s.Addr()), &tape{})
	f.caughtUp(t, s)
	for name, fail := range map[string]func(error){
		"append": func(err error) { f.relay.with(func() { f.relay.appendFail = err }) },
		"sync":   func(err error) { f.relay.with(func() { f.relay.syncFail = err }) },
	} {
		t.Run(name, func(t *testing.T) {
			said := f.log.count(history.SourceStopped)
			fail(errDisk)
			s.MustExec(t, "INSERT INTO d.t (v) VALUES ('no room')")
			st := f.stopsWith(t, source.RelayFailed)
			require.Contains(t, st.Error, errDisk.Error())
			eventually(t, "tried again", func() bool { return f.Status().Attempts > 2 })
			fail(nil)
			f.sameAsBinlog(t, s)
			f.streams(t)
			require.Equal(t, said+1, f.log.count(history.SourceStopped), "said once")
		})
	}
}

func TestCloseKeepsWhatWasReceived(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	relay := &tape{}
	f := source.New(config(), source.Deps{Dial: dialer(s.Addr()), Relay: relay})
	done := make(chan error, 1)
	go func() { done <- f.Run(t.Context()) }()
	executed := gtid.MustParseSet(s.GTIDExecuted(t)).Subtract(unlogged(t, s))
	eventually(t, "caught up", func() bool { return relay.Durable().ContainsSet(executed) })

	open := relay.block(t)
	s.MustExec(t, "INSERT INTO d.t (v) VALUES ('1')")
	eventually(t, "the writer waits", relay.waiting)
	n := f.Status().Transactions
	s.MustExec(t, "INSERT INTO d.t (v) VALUES ('2')", "INSERT INTO d.t (v) VALUES ('3')")
	eventually(t, "received", func() bool { return f.Status().Transactions == n+2 })
	closed := make(chan struct{})
	go func() { defer close(closed); _ = f.Close() }()
	open()
	<-closed
	require.NoError(t, <-done)
	require.True(t, relay.Durable().ContainsSet(gtid.MustParseSet(s.GTIDExecuted(t)).Subtract(unlogged(t, s))))
	require.NoError(t, f.Close())
	require.ErrorIs(t, f.Run(t.Context()), source.ErrClosed)
	require.Equal(t, source.Stopped, f.Status().State)
}

func TestLifecycleWithoutLeader(t *testing.T) {
	unreachable := func(context.Context) (*client.Conn, error) { return nil, errDisk }
	require.Error(t, source.New(source.Config{}, source.Deps{Dial: unreachable, Relay: &tape{}}).Run(t.Context()))

	f := source.New(config(), source.Deps{Dial: unreachable, Relay: &tape{}})
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	require.ErrorIs(t, f.Run(t.Context()), source.ErrClosed)

	ctx, cancel := context.WithCancel(t.Context())
	hanging := func(ctx context.Context) (*client.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	f = source.New(config(), source.Deps{Dial: hanging, Relay: &tape{}})
	time.AfterFunc(10*time.Millisecond, cancel)
	require.NoError(t, f.Run(ctx))
	require.NoError(t, f.Close())
}

// Nothing is silent: the leader's heartbeats go on, and fill a packet that seems to be 8 MiB long.
func TestDamagedLengthIsNoticedOnAnIdleStream(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	flipper := startFlipper(t, s.Addr())
	cfg := config()
	cfg.ReadTimeout = 3 * cfg.Heartbeat
	f := follow(t, cfg, dialer(flipper.addr()), &tape{})
	f.caughtUp(t, s)
	flipper.damageALength()
	eventually(t, "the damage was found", func() bool { return strings.Contains(f.Status().Error, "a packet doesn't come to its end") })
	s.MustExec(t, "INSERT INTO d.t (v) VALUES ('after')")
	f.sameAsBinlog(t, s)
}

// A network so slow that a packet takes longer than the patience gets the time it needs, and a transaction of several such
// packets doesn't begin anew at each.
func TestSlowNetworkIsWaitedFor(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	proxy := mysqltest.StartProxy(t, s)
	cfg := config()
	cfg.ReadTimeout = 3 * cfg.Heartbeat
	f := follow(t, cfg, dialer(proxy.Addr()), &tape{})
	f.caughtUp(t, s)
	proxy.Slow(150_000)
	tx, err := s.DB().Begin()
	require.NoError(t, err)
	for range 3 {
		_, err = tx.Exec("INSERT INTO d.t (v) VALUES (REPEAT('s', 260000))")
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
	f.caughtUp(t, s)
	require.Positive(t, f.log.count(history.SourceLost), "a packet took longer than the patience")
	require.NoError(t, proxy.Restore())
	f.sameAsBinlog(t, s)
}
