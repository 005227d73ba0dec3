package endpoint

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// coming is a client that connects meanwhile.
type coming struct {
	led chan string // where it was led to
	err chan error
}

func come(t *testing.T, address string) coming {
	c := coming{make(chan string, 1), make(chan error, 1)}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		conn, err := connect(ctx, address)
		if err != nil {
			c.err <- err
			return
		}
		defer conn.Close()
		var port string
		if err := conn.QueryRowContext(ctx, "SELECT @@port").Scan(&port); err != nil {
			c.err <- err
			return
		}
		c.led <- "127.0.0.1:" + port
	}()
	return c
}

func (c coming) requireLed(t *testing.T, to string) {
	t.Helper()
	select {
	case led := <-c.led:
		require.Equal(t, to, led)
	case err := <-c.err:
		require.NoError(t, err)
	}
}

func TestClientsAreHeldWhileTheBatonPasses(t *testing.T) {
	instances, _ := servers(t, 2)
	s := open(t, instances, like(ToLeader), like(ToFollowers))
	heldOne := func(held int) {
		t.Helper()
		await(t, s, "clients are held", func(st Status) bool { return st.Held == held })
	}
	first := come(t, s.address(0))
	heldOne(1)
	s.Lead("db1")
	first.requireLed(t, instances["db1"])
	heldOne(0)

	stays := client(t, s.address(0))
	s.Hold("the baton passes")
	second, third := come(t, s.address(0)), come(t, s.address(0))
	reader := come(t, s.address(1))
	heldOne(2)
	require.Equal(t, "1", value(t, stays, "SELECT 1"), "who is connected stays")
	s.Lead("db2")
	second.requireLed(t, instances["db2"])
	third.requireLed(t, instances["db2"])
	reader.requireLed(t, instances["db2"])
	require.EqualValues(t, 3, s.Status()[0].HeldTotal)

	t.Run("undone, the former leader leads on and nobody is disconnected", func(t *testing.T) {
		stays := client(t, s.address(0))
		s.Hold("the baton passes")
		c := come(t, s.address(0))
		heldOne(1)
		s.Lead("db2")
		c.requireLed(t, instances["db2"])
		require.Equal(t, "1", value(t, stays, "SELECT 1"))
	})
}

func TestALeaderThatDoesntGreetIsWaitedFor(t *testing.T) {
	instances, mysqlds := servers(t, 2)
	cfg := like(ToLeader)
	cfg.ConnectTimeout = within
	s := open(t, instances, cfg)
	s.Lead("db1")
	t.Run("until somebody else leads: it is frozen", func(t *testing.T) {
		require.NoError(t, mysqlds[0].Freeze())
		c := come(t, s.address(0))
		await(t, s, "the client is on its way", func(Status) bool { return s.loadOf("db1") == 1 })
		s.Hold("the leader is dead")
		await(t, s, "the client is held", func(st Status) bool { return st.Held == 1 })
		s.Lead("db2")
		c.requireLed(t, instances["db2"])
		require.NoError(t, mysqlds[0].Thaw())
	})
	t.Run("until it is back: it restarts", func(t *testing.T) {
		require.NoError(t, mysqlds[1].Kill9())
		c := come(t, s.address(0))
		await(t, s, "the client waits", func(st Status) bool { return st.Held == 1 })
		require.NoError(t, mysqlds[1].Restart(t.Context()))
		c.requireLed(t, instances["db2"])
	})
}

func (s *Set) loadOf(instance string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads[instance].open
}

func TestHoldingHasBounds(t *testing.T) {
	instances, _ := servers(t, 1)
	short, few, none := like(ToLeader), like(ToLeader), like(ToLeader)
	short.HoldTimeout, few.MaxHeld, none.HoldTimeout = 50*time.Millisecond, 1, 0
	s := open(t, instances, short, few, none)
	s.Hold("the baton passes")
	t.Run("in time", func(t *testing.T) {
		refusal := refused(t, s.address(0))
		require.EqualValues(t, cannotConnect, refusal.Number)
		require.Equal(t, "baton: nobody can be led to within 50ms: the baton passes", refusal.Message)
		require.EqualValues(t, 1, s.Status()[0].Refused[NobodyLeads])
		require.Zero(t, s.Status()[0].Held)
	})
	t.Run("in number", func(t *testing.T) {
		c := come(t, s.address(1))
		require.Eventually(t, func() bool { return s.Status()[1].Held == 1 }, patience, time.Millisecond)
		refusal := refused(t, s.address(1))
		require.EqualValues(t, tooManyConnections, refusal.Number)
		require.EqualValues(t, 1, s.Status()[1].Refused[TooManyHeld])
		s.Lead("db1")
		c.requireLed(t, instances["db1"])
		s.Hold("the baton passes")
	})
	t.Run("nobody", func(t *testing.T) {
		refusal := refused(t, s.address(2))
		require.EqualValues(t, cannotConnect, refusal.Number)
		require.Zero(t, s.Status()[2].HeldTotal)
	})
}

func TestAClientThatGoesAwayIsHeldNoLonger(t *testing.T) {
	s := open(t, map[string]string{}, like(ToLeader))
	for name, leave := range map[string]func(*net.TCPConn) error{
		"in order": (*net.TCPConn).Close,
		"abruptly": func(c *net.TCPConn) error { return joined(c.SetLinger(0), c.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, s.address(0))
			await(t, s, "it is held", func(st Status) bool { return st.Held == 1 })
			require.NoError(t, leave(conn.(*net.TCPConn)))
			await(t, s, "it is held no longer", func(st Status) bool { return st.Held == 0 })
		})
	}
}

func joined(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestTheEndIsTold(t *testing.T) {
	s := open(t, map[string]string{}, like(ToLeader))
	c := come(t, s.address(0))
	await(t, s, "it is held", func(st Status) bool { return st.Held == 1 })
	address := s.address(0)
	require.NoError(t, s.Close())
	err := <-c.err
	require.ErrorContains(t, err, "1053")
	require.ErrorContains(t, err, "baton is being stopped")
	_, err = net.Dial("tcp", address)
	require.Error(t, err)
	require.Error(t, s.Configure(t.Context(), []Config{like(ToLeader)}, nil), "it isn't opened again")
	require.NoError(t, s.Close())
}

func TestEndpointsChangeBesideEachOther(t *testing.T) {
	instances, _ := servers(t, 1)
	stays, goes := like(ToLeader), like(ToLeader)
	stays.Listen, goes.Listen = freeAddress(t), freeAddress(t)
	s := open(t, instances, goes, stays)
	s.Lead("db1")
	staying, going := client(t, stays.Listen), client(t, goes.Listen)

	t.Run("one that can't be opened changes nothing", func(t *testing.T) {
		taken, new := like(ToLeader), like(ToLeader)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		taken.Listen, new.Listen = l.Addr().String(), freeAddress(t)
		err = s.Configure(t.Context(), []Config{new, taken}, instances)
		require.ErrorContains(t, err, taken.Listen)
		require.Len(t, s.Status(), 2)
		require.Equal(t, "1", value(t, going, "SELECT 1"))
		_, err = net.Dial("tcp", new.Listen)
		require.Error(t, err, "what was opened for it is closed again")
	})
	t.Run("one goes, one is changed, one comes", func(t *testing.T) {
		changed, comes := stays, like(ToLeader)
		changed.MaxConnections = 1
		require.NoError(t, s.Configure(t.Context(), []Config{comes, changed}, instances))
		require.Equal(t, "1", value(t, staying, "SELECT 1"), "what is changed keeps its clients")
		require.EqualValues(t, tooManyConnections, refused(t, stays.Listen).Number)
		require.Equal(t, instances["db1"], at(t, client(t, s.address(0))))
		require.Error(t, going.PingContext(t.Context()))
		_, err := net.Dial("tcp", goes.Listen)
		require.Error(t, err)
	})
	t.Run("an instance goes", func(t *testing.T) {
		require.NoError(t, s.Configure(t.Context(), []Config{stays}, map[string]string{"db2": instances["db1"]}))
		require.Eventually(t, func() bool { return staying.PingContext(t.Context()) != nil }, patience, time.Millisecond)
	})
}

// freeAddress is an address that is likely still free a moment later.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// TestAClientThatSpeaksFirstIsNotReadBeforeItsTime: what it sends while it is held is the server's to judge.
func TestAClientThatSpeaksFirstIsNotReadBeforeItsTime(t *testing.T) {
	instances, _ := servers(t, 1)
	s := open(t, instances, like(ToLeader))
	conn := dial(t, s.address(0))
	_, err := conn.Write([]byte("hello"))
	require.NoError(t, err)
	await(t, s, "it is held", func(st Status) bool { return st.Held == 1 })
	s.Lead("db1")
	g, err := readGreeting(conn)
	require.NoError(t, err)
	require.NotZero(t, g.connection)
	_, err = io.ReadAll(conn)
	require.NoError(t, err, "the server ends it")
}
