package endpoint

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClientsAreLedByRoute(t *testing.T) {
	instances, _ := servers(t, 3)
	refusing := like(ToFollowers)
	refusing.RefuseWithoutFollower = true
	s := open(t, instances, like(ToLeader), like(ToFollowers), refusing)
	s.Lead("db1")

	require.Equal(t, instances["db1"], at(t, client(t, s.address(0))))
	t.Run("to the leader while no follower is known", func(t *testing.T) {
		require.Equal(t, instances["db1"], at(t, client(t, s.address(1))))
		refusal := refused(t, s.address(2))
		require.EqualValues(t, cannotConnect, refusal.Number)
		require.Equal(t, "baton: no follower is to be read from: there are no followers", refusal.Message)
	})
	t.Run("to the follower that qualifies", func(t *testing.T) {
		s.Observe([]Follower{{Name: "db2", Lag: time.Minute}, {Name: "db3"}})
		for range 3 {
			require.Equal(t, instances["db3"], at(t, client(t, s.address(1))))
		}
	})
	t.Run("to the one with fewer clients", func(t *testing.T) {
		s.Observe([]Follower{{Name: "db2"}, {Name: "db3"}})
		led := map[string]int{}
		for range 6 {
			led[at(t, client(t, s.address(1)))]++
		}
		require.Equal(t, map[string]int{instances["db2"]: 3, instances["db3"]: 3}, led)
	})
	t.Run("why none qualifies", func(t *testing.T) {
		s.Observe([]Follower{{Name: "db2", Lag: time.Minute}, {Name: "db3", Problem: "it is paused"}})
		refusal := refused(t, s.address(2))
		require.Contains(t, refusal.Message, "db2: it is 1m0s behind, more than 1s; db3: it is paused")
		require.EqualValues(t, 2, s.Status()[2].Refused[NoFollower])
	})
}

func TestTheNextFollowerIsTriedWhenOneDoesntGreet(t *testing.T) {
	instances, mysqlds := servers(t, 3)
	patient := like(ToFollowers)
	patient.ConnectTimeout = 200 * time.Millisecond
	s := open(t, instances, patient)
	s.Lead("db1")
	s.Observe([]Follower{{Name: "db2"}, {Name: "db3"}})

	t.Run("it is frozen: the kernel accepts for it", func(t *testing.T) {
		require.NoError(t, mysqlds[1].Freeze())
		for range 2 {
			require.Equal(t, instances["db3"], at(t, client(t, s.address(0))))
		}
		require.NoError(t, mysqlds[1].Thaw())
	})
	t.Run("it has no room", func(t *testing.T) {
		mysqlds[2].MustExec(t, "SET GLOBAL max_connections = 1")
		require.Eventually(t, func() bool { return at(t, client(t, s.address(0))) == instances["db2"] }, patience, time.Millisecond,
			"a server without room says so instead of greeting")
		mysqlds[2].MustExec(t, "SET GLOBAL max_connections = 100")
	})
	t.Run("it is gone", func(t *testing.T) {
		require.NoError(t, mysqlds[1].Kill9())
		for range 2 {
			require.Equal(t, instances["db3"], at(t, client(t, s.address(0))))
		}
	})
	t.Run("all are gone", func(t *testing.T) {
		require.NoError(t, mysqlds[2].Kill9())
		require.Equal(t, instances["db1"], at(t, client(t, s.address(0))))
	})
}

func TestWhatTheLeaderSaysInsteadOfAGreetingReachesTheClient(t *testing.T) {
	instances, mysqlds := servers(t, 1)
	s := open(t, instances, like(ToLeader))
	s.Lead("db1")
	mysqlds[0].MustExec(t, "SET GLOBAL max_connections = 1")
	// One may come besides, with CONNECTION_ADMIN.
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		conn, err := connect(ctx, s.address(0))
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
		return err != nil && strings.Contains(err.Error(), "1040")
	}, patience, time.Millisecond)
	require.NotZero(t, s.Status()[0].Refused[InstanceError])
}

// TestTheServersOwnClientReadsARefusal has MySQL's client library read what is in the place of a greeting.
func TestTheServersOwnClientReadsARefusal(t *testing.T) {
	_, mysqlds := servers(t, 1)
	cfg := like(ToLeader)
	cfg.HoldTimeout = 0
	s := open(t, map[string]string{}, cfg)
	s.Hold("the baton passes")
	host, port, _ := strings.Cut(s.address(0), ":")
	out, err := exec.Command(mysqlds[0].Installation.Mysql, "--no-defaults", "--protocol=tcp", "-h", host, "-P", port, "-u", "root", "-e", "SELECT 1").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "ERROR 2003 (HY000): baton: nobody can be led to: the baton passes")
}

func TestLimitsOfClients(t *testing.T) {
	instances, _ := servers(t, 1)
	few, others := like(ToLeader), like(ToLeader)
	few.MaxConnections = 2
	others.Allow = networks("192.0.2.0/24", "2001:db8::/32")
	s := open(t, instances, few, others)
	s.Lead("db1")

	t.Run("by number", func(t *testing.T) {
		first := client(t, s.address(0))
		client(t, s.address(0))
		require.Equal(t, 2, s.Status()[0].Connections["db1"])
		refusal := refused(t, s.address(0))
		require.EqualValues(t, tooManyConnections, refusal.Number)
		require.Contains(t, refusal.Message, "2")
		require.EqualValues(t, 1, s.Status()[0].Refused[TooMany])
		require.NoError(t, first.Close())
		await(t, s, "the client has left", func(st Status) bool { return st.Connections["db1"] == 1 })
		require.Eventually(t, func() bool {
			conn, err := connect(t.Context(), s.address(0))
			if err == nil {
				t.Cleanup(func() { _ = conn.Close() })
			}
			return err == nil
		}, patience, time.Millisecond, "there is room again")
	})
	t.Run("by address", func(t *testing.T) {
		refusal := refused(t, s.address(1))
		require.EqualValues(t, hostNotPrivileged, refusal.Number)
		require.Contains(t, refusal.Message, "127.0.0.1")
		require.EqualValues(t, 1, s.Status()[1].Refused[NotAllowed])
	})
}

// TestAProxyHeaderSaysWhereTheClientIs leads from one endpoint, which sends the header as it would to a server that
// understands it, to another, which takes it as it would from a load balancer, to a server.
func TestAProxyHeaderSaysWhereTheClientIs(t *testing.T) {
	instances, _ := servers(t, 1)
	back := like(ToLeader)
	back.AcceptProxy, back.Allow = networks("127.0.0.0/8"), networks("192.0.2.0/24")
	behind := open(t, instances, back)
	behind.Lead("db1")
	front := like(ToLeader)
	front.SendProxy = true
	s := open(t, map[string]string{"db1": behind.address(0)}, front)
	s.Lead("db1")

	t.Run("it counts for allow", func(t *testing.T) {
		refusal := refused(t, s.address(0))
		require.EqualValues(t, hostNotPrivileged, refusal.Number)
		require.Contains(t, refusal.Message, "127.0.0.1", "of the client of the first endpoint")
		require.EqualValues(t, 1, behind.Status()[0].Refused[NotAllowed])
		require.EqualValues(t, 1, s.Status()[0].Refused[InstanceError])
	})
	t.Run("a client from there is let in", func(t *testing.T) {
		conn := dial(t, behind.address(0))
		_, err := conn.Write(header(t, "192.0.2.1:1234", "192.0.2.9:6446"))
		require.NoError(t, err)
		g, err := readGreeting(conn)
		require.NoError(t, err)
		require.NotZero(t, g.connection)
	})
	t.Run("it has to come", func(t *testing.T) {
		conn := dial(t, behind.address(0))
		_, err := conn.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		require.NoError(t, err)
		g, err := readGreeting(conn)
		require.NoError(t, err)
		require.Contains(t, g.refused, "PROXY")
		require.EqualValues(t, 1, behind.Status()[0].Refused[BadHeader])
	})
	t.Run("whole through both", func(t *testing.T) {
		back.Allow = networks("127.0.0.0/8")
		require.NoError(t, behind.Configure(t.Context(), []Config{back}, instances))
		require.Equal(t, instances["db1"], at(t, client(t, s.address(0))))
	})
}
