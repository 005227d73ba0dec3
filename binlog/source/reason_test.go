package source_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/source"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/stretchr/testify/require"
)

// mended waits until a Source that was stopped streams by itself, and makes
// sure that the stop was said once.
func (f *following) mended(t testing.TB, s *mysqltest.Server) {
	t.Helper()
	tried := f.Status().Attempts
	eventually(t, "tried again", func() bool { st := f.Status(); return st.Attempts > tried+1 || st.State == source.Streaming })
	f.caughtUp(t, s)
	eventually(t, "streams", func() bool { return f.log.count(history.SourceConnected) == 1 })
	require.Equal(t, 1, f.log.count(history.SourceStopped), "said once")
	require.Empty(t, f.Status().Reason)
	require.Empty(t, f.Status().Mend)
}

// stopsAndGoesOn checks one cause that an operator mends.
func stopsAndGoesOn(t *testing.T, s *mysqltest.Server, cfg source.Config, user, password string, reason source.Reason, mend ...string) {
	t.Helper()
	f := follow(t, cfg, dialerAs(s.Addr(), user, password), &tape{})
	f.stopsWith(t, reason)
	tried := f.Status().Attempts
	eventually(t, "tried again", func() bool { return f.Status().Attempts > tried+1 })
	require.Equal(t, source.Stopped, f.Status().State)
	s.MustExec(t, mend...)
	f.mended(t, s)
}

func TestReasonsThatAnOperatorMends(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	s.MustExec(t, "CREATE USER u IDENTIFIED BY 'right'", "GRANT REPLICATION SLAVE ON *.* TO u")

	t.Run("wrong password", func(t *testing.T) {
		stopsAndGoesOn(t, s, config(), "u", "wrong", source.Credentials, "ALTER USER u IDENTIFIED BY 'wrong'")
	})
	t.Run("no such account", func(t *testing.T) {
		stopsAndGoesOn(t, s, config(), "nobody", "x", source.Credentials,
			"CREATE USER nobody IDENTIFIED BY 'x'", "GRANT REPLICATION SLAVE ON *.* TO nobody")
	})
	t.Run("expired password", func(t *testing.T) {
		s.MustExec(t, "ALTER USER u IDENTIFIED BY 'x' PASSWORD EXPIRE")
		stopsAndGoesOn(t, s, config(), "u", "x", source.Credentials, "ALTER USER u IDENTIFIED BY 'x'")
	})
	t.Run("locked account", func(t *testing.T) {
		s.MustExec(t, "ALTER USER u ACCOUNT LOCK")
		stopsAndGoesOn(t, s, config(), "u", "x", source.Credentials, "ALTER USER u ACCOUNT UNLOCK")
	})
	t.Run("missing privilege", func(t *testing.T) {
		s.MustExec(t, "REVOKE REPLICATION SLAVE ON *.* FROM u")
		stopsAndGoesOn(t, s, config(), "u", "x", source.Privileges, "GRANT REPLICATION SLAVE ON *.* TO u")
	})
	t.Run("binlog_format", func(t *testing.T) {
		s.MustExec(t, "SET GLOBAL binlog_format = MIXED")
		stopsAndGoesOn(t, s, config(), "u", "x", source.FormatNotRow, "SET GLOBAL binlog_format = ROW")
	})
	t.Run("gtid_mode", func(t *testing.T) {
		s.MustExec(t, "SET GLOBAL gtid_mode = ON_PERMISSIVE")
		stopsAndGoesOn(t, s, config(), "u", "x", source.GTIDOff, "SET GLOBAL gtid_mode = ON")
	})
	t.Run("our server_id is the leader's", func(t *testing.T) {
		cfg := config()
		cfg.ServerID = uint32(s.Port)
		stopsAndGoesOn(t, s, cfg, "u", "x", source.LeaderIsSelf, "SET GLOBAL server_id = 7")
	})
}

func TestLeaderWithoutBinlog(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Relaxed(), mysqltest.NoBinlog())
	s.MustCreateAccount(t)
	f := follow(t, config(), dialer(s.Addr()), &tape{})
	f.stopsWith(t, source.BinlogOff)
}

func TestPurgedBinlogs(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	relay := &tape{}
	f := follow(t, config(), dialer(s.Addr()), relay)
	f.caughtUp(t, s)
	require.NoError(t, f.Close())
	had := relay.Durable()

	s.MustExec(t, "INSERT INTO d.t (v) VALUES ('lost')", "FLUSH BINARY LOGS", "INSERT INTO d.t (v) VALUES ('kept')")
	executed := gtid.MustParseSet(s.GTIDExecuted(t))
	logs := s.Rows(t, "SHOW BINARY LOGS")
	var missing gtid.Set
	eventually(t, "the file of the stream that has ended is purged", func() bool {
		s.MustExec(t, "PURGE BINARY LOGS TO '"+logs[len(logs)-1][0]+"'")
		missing = unlogged(t, s).Subtract(had)
		return missing.Count() == 1
	})

	g := follow(t, config(), dialer(s.Addr()), relay)
	st := g.stopsWith(t, source.Purged)
	require.Contains(t, st.Error, missing.String())
	require.Equal(t, 1, g.log.count(history.SourceStopped))
	require.True(t, relay.Durable().Equal(had), "nothing was taken with a gap before it")

	relay.with(func() { relay.durable = relay.durable.Union(missing) })
	g.mended(t, s)
	require.True(t, relay.Durable().ContainsSet(executed.Subtract(missing)))
}

func TestLeaderThatLostItsTransactions(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	executed := gtid.MustParseSet(s.GTIDExecuted(t))
	uuid, err := gtid.ParseUUID(s.UUID(t))
	require.NoError(t, err)
	own := gtid.Source{UUID: uuid}

	t.Run("of its own", func(t *testing.T) {
		ahead := executed.Clone()
		ahead.AddInterval(own, gtid.Interval{First: executed.Last(own) + 1, Last: executed.Last(own) + 2})
		f := follow(t, config(), dialer(s.Addr()), &tape{durable: ahead})
		st := f.stopsWith(t, source.Diverged)
		require.Contains(t, st.Error, ahead.Subtract(executed).String())
		s.MustExec(t, "INSERT INTO d.t (v) VALUES ('1')", "INSERT INTO d.t (v) VALUES ('2')")
		eventually(t, "streams", func() bool { return f.Status().State == source.Streaming })
	})
	t.Run("of others", func(t *testing.T) {
		foreign := gtid.MustParseSet("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-5")
		f := follow(t, config(), dialer(s.Addr()), &tape{durable: executed.Union(foreign)})
		f.caughtUp(t, s)
		require.Equal(t, 1, f.log.count(history.InstanceProblem))
	})
}

// To ask again would skip it: the leader begins with a later file, whose
// Previous_gtids don't mention what has no GTID.
func TestAnonymousTransactionStopsForGood(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	f := follow(t, config(), dialer(s.Addr()), &tape{})
	f.caughtUp(t, s)
	had := f.relay.Durable()
	s.MustExec(t, "SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = OFF_PERMISSIVE",
		"INSERT INTO d.t (v) VALUES ('anonymous')",
		"SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = ON", "INSERT INTO d.t (v) VALUES ('later')")
	f.stopsWith(t, source.AnonymousTransaction)
	var calls atomic.Int32
	dial := dialer(s.Addr())
	cfg := config()
	cfg.ServerID--
	g := follow(t, cfg, func(ctx context.Context) (*client.Conn, error) { calls.Add(1); return dial(ctx) },
		&tape{durable: unlogged(t, s)})
	g.stopsWith(t, source.AnonymousTransaction)

	// Another one goes on meanwhile for several of the pauses after which these
	// would try again.
	cfg.ServerID--
	h := follow(t, cfg, dialer(s.Addr()), &tape{durable: gtid.MustParseSet(s.GTIDExecuted(t))})
	h.streams(t)
	began := h.Status().LastEvent
	eventually(t, "time passes", func() bool { return h.Status().LastEvent.Sub(began) > 3*cfg.Retry })
	require.EqualValues(t, 1, calls.Load())
	for _, x := range []*following{f, g} {
		require.Equal(t, source.AnonymousTransaction, x.Status().Reason)
		require.Equal(t, 1, x.log.count(history.SourceStopped), "said once")
	}
	require.True(t, f.relay.Durable().Equal(had))
}

func TestAnotherWithOurServerID(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	cfg := config()
	f := follow(t, cfg, dialer(s.Addr()), &tape{})
	f.caughtUp(t, s)
	f.streams(t)

	ctx, cancel := context.WithCancel(t.Context())
	other := source.New(cfg, source.Deps{Dial: dialer(s.Addr()), Relay: &tape{}})
	done := make(chan error, 1)
	go func() { done <- other.Run(ctx) }()
	f.stopsWith(t, source.DuplicateServerID)
	cancel()
	require.NoError(t, <-done)
	s.MustExec(t, "INSERT INTO d.t (v) VALUES ('x')")
	f.sameAsBinlog(t, s)
	f.streams(t)
}

// The leader keeps the thread of a connection that ended until it notices: a
// new one with the same identity ends it, and is not refused because of it.
func TestQuickReturnUnderTheSameServerID(t *testing.T) {
	s := leader(t, mysqltest.Relaxed())
	relay := &tape{}
	for range 10 {
		f := follow(t, config(), dialer(s.Addr()), relay)
		f.streams(t)
		s.MustExec(t, "INSERT INTO d.t (v) VALUES ('x')")
		f.caughtUp(t, s)
		require.Zero(t, f.log.count(history.SourceStopped))
		require.NoError(t, f.Close())
	}
	f := follow(t, config(), dialer(s.Addr()), relay)
	f.streams(t)
	eventually(t, "one dump thread is left", func() bool {
		return s.Value(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'") == "1"
	})
	row := s.Rows(t, "SHOW REPLICAS")
	require.Len(t, row, 1)
	require.Contains(t, row[0], "4000000000")
	// An administrator who ends the thread only makes it come back.
	s.MustExec(t, "KILL "+s.Value(t, "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"))
	eventually(t, "back", func() bool { return f.Status().Connections == 2 })
	require.Zero(t, f.log.count(history.SourceStopped))
}
