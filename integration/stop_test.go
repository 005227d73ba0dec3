package integration_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// stopTimeout is how long an orderly stop may take, whatever hangs: TimeoutStopSec of the unit, after which systemd
// kills.
const stopTimeout = time.Minute

// stopping is a daemon that is stopped while something is in its way, again and again.
type stopping struct {
	*testing.T
	*mysqltest.Cluster
	b     *baton
	proxy *mysqltest.Proxy // to the leader
}

// hold takes locks on a server, in a transaction of its own, until release.
func (s stopping) hold(server *mysqltest.Server, statements ...string) (release func()) {
	s.Helper()
	conn, err := server.DB().Conn(s.Context())
	require.NoError(s, err)
	for _, statement := range statements {
		_, err := conn.ExecContext(s.Context(), statement)
		require.NoError(s, err)
	}
	return func() {
		_, err := conn.ExecContext(context.WithoutCancel(s.Context()), "ROLLBACK")
		require.NoError(s, err)
		_, err = conn.ExecContext(context.WithoutCancel(s.Context()), "UNLOCK TABLES")
		require.NoError(s, err)
		require.NoError(s, conn.Close())
	}
}

// update changes the row that is locked, on the leader.
func (s stopping) update() { s.Leader.MustExec(s, "UPDATE d.t SET n = n + 1 WHERE id = 1") }

// waits waits until a server answers a question about itself with 1 or more.
func (s stopping) waits(server *mysqltest.Server, question string) {
	s.Helper()
	s.b.wait(question, func() (bool, string) {
		n := server.Value(s, question)
		return n != "0", n
	})
}

// order gives an order to hand over, and returns when that is at a step.
func (s stopping) order(step string, verb ...string) {
	s.Helper()
	answered := make(chan string, 1)
	go func() {
		stdout, stderr, _ := s.b.run(append(verb, "--yes")...)
		answered <- stdout + stderr
	}()
	s.b.wait("a hand-over is at the step "+step, func() (bool, string) {
		select {
		case said := <-answered:
			s.Fatalf("baton %v came to its end: %s", verb, said)
		default:
		}
		answer, err := s.b.get("/v1/status")
		if err != nil {
			return false, err.Error()
		}
		var status struct {
			HandOver struct{ Step string } `json:"hand_over"`
		}
		require.NoError(s, json.Unmarshal(answer, &status))
		return status.HandOver.Step == step, string(answer)
	})
}

func (s stopping) freeze(servers ...*mysqltest.Server) (thaw func()) {
	for _, server := range servers {
		require.NoError(s, server.Freeze())
	}
	return func() {
		for _, server := range servers {
			require.NoError(s, server.Thaw())
		}
	}
}

// Whatever hangs when baton is told to end, it ends in order; and what it had begun, it or the next start undoes.
func TestDaemonStopsWhateverHangs(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed(), mysqltest.SemiSyncSource())
	c.Leader.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, n INT)", "INSERT INTO d.t VALUES (1, 0)")
	s := stopping{T: t, Cluster: c, proxy: mysqltest.StartProxy(t, c.Leader)}
	s.b = startBaton(t, c.Servers(), at(0, s.proxy.Addr()), set("durability.mode", "strict"),
		set("switchover.timeout", "10m"), set("switchover.drain_timeout", "10m"))
	for _, trouble := range []struct {
		name string
		// hang puts something in the way, and returns what takes it out again.
		hang func() (mend func())
	}{
		{"every server is frozen", func() func() {
			thaw := s.freeze(c.Servers()...)
			time.Sleep(time.Duration(rand.IntN(700)) * time.Millisecond)
			return thaw
		}},
		{"the leader is connected to again and again", func() func() {
			s.proxy.Stall(mysqltest.ToClient)
			s.b.waitStatus("the stream is dead", func(st state) bool { return st.Source.State != "connected" })
			return func() { require.NoError(t, s.proxy.Restore()) }
		}},
		{"an applier waits for a row", func() func() {
			release := s.hold(c.Followers[0], "BEGIN", "SELECT * FROM d.t FOR UPDATE")
			s.update()
			s.waits(c.Followers[0], "SELECT COUNT(*) FROM performance_schema.data_lock_waits")
			return release
		}},
		{"an applier waits for a table", func() func() {
			release := s.hold(c.Followers[0], "LOCK TABLES d.t READ")
			c.Leader.MustExec(t, "ALTER TABLE d.t COMMENT = 'another'")
			s.waits(c.Followers[0], "SELECT COUNT(*) FROM performance_schema.metadata_locks WHERE LOCK_STATUS = 'PENDING'")
			return release
		}},
		{"the leader is being frozen", func() func() {
			release := s.hold(c.Leader, "LOCK TABLES d.t WRITE")
			s.order("freeze", "switchover")
			s.waits(c.Leader, "SELECT COUNT(*) FROM performance_schema.processlist WHERE info LIKE '%baton: freeze%' AND id <> CONNECTION_ID()")
			return release
		}},
		{"the leader hangs while it is being frozen", func() func() {
			release := s.hold(c.Leader, "LOCK TABLES d.t WRITE")
			s.order("freeze", "switchover")
			thaw := s.freeze(c.Leader)
			return func() { thaw(); release() }
		}},
		{"a hook doesn't end", func() func() {
			s.order("drain", "switchover")
			return func() {}
		}},
		{"the candidate of a failover hangs before it has all", func() func() {
			s.b.waitStatus("commits are protected", func(st state) bool { return st.Durability.State == "protected" })
			release := s.hold(c.Followers[0], "BEGIN", "SELECT * FROM d.t FOR UPDATE")
			s.update()
			s.proxy.Cut()
			s.b.waitStatus("the leader is missed", func(st state) bool { return st.instance("db1").State == "unreachable" })
			s.order("drain", "failover", "--to", "db2")
			thaw := s.freeze(c.Followers...)
			return func() { thaw(); release(); require.NoError(t, s.proxy.Restore()) }
		}},
	} {
		t.Log(trouble.name)
		set("hooks", map[string]any{})(s.b)
		if trouble.name == "a hook doesn't end" {
			set("hooks.before_promote", []string{"sleep 600"})(s.b)
		}
		s.b.stop()
		s.b.start()
		s.follows()
		mend := trouble.hang()
		s.b.stop()
		mend()
		s.b.start()
		s.follows()
	}
}

// follows waits until the leader takes writes and all follow it.
func (s stopping) follows() {
	s.Helper()
	s.b.waitStatus("all follow", func(st state) bool {
		return st.Leader == "db1" && st.instance("db2").State == "streaming" && st.instance("db3").State == "streaming"
	})
	s.b.wait("the leader takes writes", func() (bool, string) {
		readOnly := s.Leader.Value(s, "SELECT @@GLOBAL.read_only")
		return readOnly == "0", readOnly
	})
	s.update()
	for _, f := range s.Followers {
		mysqltest.WaitGTID(s, f, s.Leader.GTIDExecuted(s), patience)
	}
}
