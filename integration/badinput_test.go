package integration_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// settings is everything that can be changed on a server.
type settings map[string]string

func settingsOf(t testing.TB, s *mysqltest.Server) settings {
	t.Helper()
	all := settings{}
	for _, row := range s.Rows(t, "SHOW GLOBAL VARIABLES") {
		all[row[0]] = row[1]
	}
	// What MySQL itself moves.
	for _, moving := range []string{"gtid_owned", "innodb_thread_sleep_delay"} {
		delete(all, moving)
	}
	all["gtid_executed"] = s.GTIDExecuted(t)
	for _, row := range s.Rows(t, "SELECT user, host FROM mysql.user") {
		all["account "+row[0]+"@"+row[1]] = ""
	}
	for _, row := range s.Rows(t, "SELECT variable_name, variable_value FROM performance_schema.persisted_variables") {
		all["persisted "+row[0]] = row[1]
	}
	return all
}

// changed names what differs.
func (s settings) changed(now settings) []string {
	var names []string
	for name := range maps.Keys(now) {
		if old, ok := s[name]; !ok || old != now[name] {
			names = append(names, name+": "+old+" -> "+now[name])
		}
	}
	slices.Sort(names)
	return names
}

// bad is what somebody got wrong on an instance.
type bad struct {
	instance string
	state    string // in the status
	says     string // in check, status, log and events alike
	mend     string // likewise
}

// refuse has `baton check`, and then a daemon, refuse the instance, leaving the servers as they are.
func (want bad) refuse(t *testing.T, b *baton, untouched ...*mysqltest.Server) {
	t.Helper()
	var before []settings
	for _, s := range untouched {
		before = append(before, settingsOf(t, s))
	}
	want.checked(t, b)
	b.start()
	want.told(t, b)
	for i, s := range untouched {
		require.Empty(t, before[i].changed(settingsOf(t, s)), "changed on %s", s.Name)
	}
}

// checked has `baton check` say it.
func (want bad) checked(t *testing.T, b *baton) {
	t.Helper()
	out, stderr, code := b.check()
	require.Equal(t, 1, code, "%s%s", out, stderr)
	errors := linesWith(strings.Join(linesWith(out, "  error  "), ""), want.says)
	require.Len(t, errors, 1, "check says it in one line:\n%s", out)
	require.Contains(t, out, want.mend)
}

// told has the status, the events and the log of the daemon say it.
func (want bad) told(t *testing.T, b *baton) {
	t.Helper()
	got := b.waitStatus(want.instance+" is refused", func(s state) bool {
		i := s.instance(want.instance)
		return i.State == want.state && strings.Contains(i.Error, want.says)
	}).instance(want.instance)
	require.Contains(t, got.Mend, want.mend)
	require.NotContains(t, got.Error, "\n")
	b.wait("an event says it", func() (bool, string) {
		for _, e := range b.events() {
			if e.Instance == want.instance && strings.Contains(e.Message, want.says) && strings.Contains(e.Mend, want.mend) && e.Level == "error" {
				return true, ""
			}
		}
		return false, ""
	})
	require.NotEmpty(t, linesWith(b.log(), want.says), "the log says it")
}

func linesWith(text, part string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) || strings.Contains(line, strings.ReplaceAll(part, `"`, `\"`)) {
			found = append(found, line)
		}
	}
	return found
}

func TestBadLeader(t *testing.T) {
	t.Parallel()
	follower := mysqltest.Start(t, mysqltest.Name("follower"), mysqltest.Relaxed())
	follower.MustCreateAccount(t)
	for _, c := range []struct {
		name string
		opts []mysqltest.Option
		bad  bad
	}{
		{"without GTIDs", []mysqltest.Option{mysqltest.Setting("gtid_mode", "OFF"), mysqltest.Setting("enforce_gtid_consistency", "OFF")},
			bad{"db1", "stopped", "gtid_mode=OFF", "gtid_mode = ON"}},
		{"with statements instead of rows", []mysqltest.Option{mysqltest.Setting("binlog_format", "STATEMENT")},
			bad{"db1", "stopped", "binlog_format=STATEMENT", "binlog_format = ROW"}},
		{"without a binlog", []mysqltest.Option{mysqltest.NoBinlog()},
			bad{"db1", "stopped", "log_bin=OFF", "skip-log-bin"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			leader := mysqltest.Start(t, append(c.opts, mysqltest.Name("leader"), mysqltest.Relaxed())...)
			leader.MustCreateAccount(t)
			leader.MustExec(t, "CREATE DATABASE d")
			b := batonFor(t, []*mysqltest.Server{leader, follower})
			c.bad.refuse(t, b, leader, follower)
			require.Contains(t, b.status().instance("db2").Error, "before the leader can be read from")
		})
	}
}

// Each of these befalls one follower of two, in one cluster; the other goes on all the while.
func TestBadFollower(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	leader, f, other := c.Leader, c.Followers[0], c.Followers[1]
	w := newWorkload(t, leader, 10)
	w.write(t, 20)
	start := func(t *testing.T, opts ...option) *baton { return batonFor(t, c.Servers(), opts...) }
	goesOn := func(t *testing.T) {
		t.Helper()
		w.write(t, 20)
		mysqltest.WaitGTID(t, other, leader.GTIDExecuted(t), patience)
	}

	t.Run("wrong credentials", func(t *testing.T) {
		b := start(t)
		b.instances()[1]["password"] = "wrong"
		bad{"db2", "unreachable", "Access denied for user 'baton'", "check mysql.user and its password"}.refuse(t, b, f)
		goesOn(t)
		b.stop()
	})
	t.Run("the leader's server_id", func(t *testing.T) {
		id := f.Value(t, "SELECT @@GLOBAL.server_id")
		f.MustExec(t, "SET GLOBAL server_id = "+leader.Value(t, "SELECT @@GLOBAL.server_id"))
		b := start(t)
		bad{"db2", "stopped", "is also that of db1", "SET PERSIST server_id"}.refuse(t, b, f)
		goesOn(t)
		f.MustExec(t, "SET GLOBAL server_id = "+id)
		b.must("resume", "db2")
		converged(t, b, w, leader, f, other)
		b.stop()
	})
	t.Run("another follower's server_id", func(t *testing.T) {
		id := other.Value(t, "SELECT @@GLOBAL.server_id")
		other.MustExec(t, "SET GLOBAL server_id = "+f.Value(t, "SELECT @@GLOBAL.server_id"))
		b := start(t)
		bad{"db3", "stopped", "is also that of db2", "SET PERSIST server_id"}.refuse(t, b, other)
		w.write(t, 20)
		mysqltest.WaitGTID(t, f, leader.GTIDExecuted(t), patience)
		other.MustExec(t, "SET GLOBAL server_id = "+id)
		b.must("resume", "db3")
		converged(t, b, w, leader, f, other)
		b.stop()
	})
	t.Run("the same server twice", func(t *testing.T) {
		b := start(t)
		b.config["instances"] = append(b.instances(), map[string]any{"name": "db4", "address": strings.Replace(leader.Addr(), "127.0.0.1", "localhost", 1)})
		bad{"db4", "stopped", "db1 and db4 are the same server", "remove one of them"}.refuse(t, b, leader)
		goesOn(t)
		require.Equal(t, "0", leader.Value(t, "SELECT @@GLOBAL.read_only"))
		b.stop()
	})
	t.Run("another leader's follower", func(t *testing.T) {
		elsewhere := mysqltest.Start(t, mysqltest.Name("elsewhere"), mysqltest.Relaxed())
		elsewhere.MustCreateAccount(t)
		f.MustExec(t, "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT="+elsewhere.Value(t, "SELECT @@port")+
			", SOURCE_USER='"+mysqltest.User+"', SOURCE_PASSWORD='"+mysqltest.Password+"', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", "START REPLICA")
		b := start(t)
		bad{"db2", "stopped", "the server replicates from 127.0.0.1", "STOP REPLICA; RESET REPLICA ALL"}.refuse(t, b, f)
		goesOn(t)
		f.MustExec(t, "STOP REPLICA", "RESET REPLICA ALL")
		b.must("resume", "db2")
		converged(t, b, w, leader, f, other)
		b.stop()
	})
	t.Run("errant transactions", func(t *testing.T) {
		f.MustExec(t, "CREATE DATABASE errant")
		set := f.UUID(t) + ":1"
		b := start(t)
		says := "transaction " + set + " that neither the leader nor the relay has (errant)"
		before := settingsOf(t, f)
		bad{"db2", "quarantined", says, "empty transaction"}.checked(t, b)
		b.start()
		// The daemon has looked at what they are.
		bad{"db2", "quarantined", says, "they can't be undone"}.told(t, b)
		require.Empty(t, before.changed(settingsOf(t, f)))
		require.Equal(t, set, b.status().instance("db2").Errant)
		goesOn(t)
		// As check says: undone there, and known to the leader as one that did nothing.
		require.NoError(t, f.ExecUnlogged(context.Background(), "DROP DATABASE errant"))
		leader.MustExec(t, "SET GTID_NEXT='"+set+"'; COMMIT; SET GTID_NEXT='AUTOMATIC'")
		b.waitState("db2", "streaming")
		converged(t, b, w, leader, f, other)

		// One that comes while it is being applied to.
		f.MustExec(t, "CREATE DATABASE errant")
		b.waitState("db2", "quarantined")
		goesOn(t)
		require.NoError(t, f.ExecUnlogged(context.Background(), "DROP DATABASE errant"))
		leader.MustExec(t, "SET GTID_NEXT='"+f.UUID(t)+":2'; COMMIT; SET GTID_NEXT='AUTOMATIC'")
		b.must("resume", "db2") // or a little later by itself, as before
		converged(t, b, w, leader, f, other)
		b.stop()
	})
	t.Run("what it lacks is purged", func(t *testing.T) {
		mysqltest.WaitGTID(t, other, leader.GTIDExecuted(t), patience)
		purge(t, leader)
		empty := mysqltest.Start(t, mysqltest.Name("empty"), mysqltest.Relaxed())
		empty.MustCreateAccount(t)
		b := batonFor(t, []*mysqltest.Server{leader, empty, other})
		bad{"db2", "needs-seed", "it lacks ", "seed it anew"}.refuse(t, b, empty)
		w.write(t, 20)
		mysqltest.WaitGTID(t, other, leader.GTIDExecuted(t), patience)
		b.stop()
	})
}
