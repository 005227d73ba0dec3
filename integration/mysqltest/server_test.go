package mysqltest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartedServerIsReadyToReplicate(t *testing.T) {
	s := Start(t)
	require.Equal(t, [][]string{{"ON", "ON", "ROW", "1", "1", "1"}}, s.Rows(t, `SELECT @@gtid_mode, @@enforce_gtid_consistency,
		@@binlog_format, @@log_replica_updates, @@sync_binlog, @@innodb_flush_log_at_trx_commit`))
	require.Empty(t, s.GTIDExecuted(t))
	require.NotEmpty(t, s.UUID(t))
	require.NotEqual(t, "0", s.Value(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE command = 'Query'"))
	require.NotEqual(t, "0", s.Value(t, "SELECT COUNT(*) FROM performance_schema.threads"))
	require.Equal(t, "1", s.Value(t, "SELECT COUNT(*) FROM performance_schema.log_status"))
}

func TestDataSurvivesKillStopAndRestart(t *testing.T) {
	ctx := context.Background()
	s := Start(t, Name("survivor"))
	uuid, port := s.UUID(t), s.Port
	s.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "INSERT INTO d.t VALUES (1)")
	require.NoError(t, s.Kill9())
	require.False(t, s.Alive())
	require.NoError(t, s.Restart(ctx))
	s.MustExec(t, "INSERT INTO d.t VALUES (2)", "SET PERSIST max_connections = 77")
	require.NoError(t, s.Stop(ctx))
	require.NoError(t, s.Restart(ctx, Setting("binlog_row_image", "MINIMAL")))
	require.Equal(t, "2", s.Value(t, "SELECT COUNT(*) FROM d.t"))
	require.Equal(t, "77", s.Value(t, "SELECT @@max_connections"))
	require.Equal(t, "MINIMAL", s.Value(t, "SELECT @@binlog_row_image"))
	require.Equal(t, uuid+":1-4", s.GTIDExecuted(t))
	require.Equal(t, port, s.Port)
}

// openAt is root's pool at a TCP address.
func openAt(t *testing.T, addr string) *sql.DB {
	t.Helper()
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.Logger = "root", "tcp", addr, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestFrozenServerAnswersOnlyWhenThawed(t *testing.T) {
	s := Start(t, Relaxed())
	require.NoError(t, s.Freeze())
	answered := make(chan error, 1)
	go func() { answered <- s.DB().Ping() }()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.Error(t, s.DB().PingContext(ctx))
	require.True(t, s.Alive())
	select {
	case err := <-answered:
		t.Fatalf("a frozen server answered: %v", err)
	default:
	}
	require.NoError(t, s.Thaw())
	require.NoError(t, <-answered)
	require.NoError(t, s.Freeze())
	require.NoError(t, s.Restart(t.Context()), "a frozen server can be restarted")
	require.NoError(t, s.Freeze())
	require.NoError(t, s.Kill9(), "a frozen server can be killed")
}

func TestDataDirectoryCanBeCopiedAndReused(t *testing.T) {
	ctx := t.Context()
	a := Start(t, Relaxed(), Name("a"))
	a.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "INSERT INTO d.t VALUES (1)")
	require.NoError(t, a.Stop(ctx))
	b := Start(t, Relaxed(), Name("b"), CopyOf(a.DataDir))
	c := Start(t, Relaxed(), Name("c"), InDataDir(a.DataDir))
	AssertSameData(t, b, c)
	require.NotEqual(t, b.UUID(t), c.UUID(t))
	require.NoError(t, c.Close())
	require.DirExists(t, a.DataDir)
	require.NoDirExists(t, c.dir)
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	_, err := Launch(t.Context(), t.TempDir(), Name("wrong"), Setting("no_such_variable", "1"))
	require.ErrorContains(t, err, "start wrong")
	require.ErrorContains(t, err, "no_such_variable")
}

func TestTakenPortIsNamedOrAvoided(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, err = Launch(t.Context(), t.TempDir(), Port(listener.Addr().(*net.TCPAddr).Port))
	require.ErrorIs(t, err, errPortTaken)

	s := Start(t, Relaxed())
	require.NoError(t, s.Kill9())
	_, err = Launch(t.Context(), t.TempDir(), Port(s.Port))
	require.ErrorIs(t, err, errPortTaken, "the port of a server that is down stays its own")
}

func TestLongFolderStillHasAShortSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	s, err := Launch(t.Context(), dir, Relaxed())
	require.NoError(t, err)
	require.Less(t, len(s.Socket), 107)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.NoFileExists(t, s.Socket)
}

func TestTLSAndOtherSettings(t *testing.T) {
	s := Start(t, Relaxed(), NoBinlog(), ServerID(7), Name("odd"))
	require.Equal(t, [][]string{{"0", "7"}}, s.Rows(t, "SELECT @@log_bin, @@server_id"))
	require.NoError(t, s.CreateAccount(t.Context(), "secure", "word"))
	db, err := sql.Open("mysql", s.DSN("secure", "word")+"?tls=skip-verify")
	require.NoError(t, err)
	defer db.Close()
	var name, cipher string
	require.NoError(t, db.QueryRow("SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher))
	require.NotEmpty(t, cipher)
}

func TestAServersOwnClockIsSetWhileItRuns(t *testing.T) {
	s := Start(t, OwnClock(), Relaxed())
	ahead := func() time.Duration {
		now, err := time.Parse("2006-01-02 15:04:05", s.Value(t, "SELECT UTC_TIMESTAMP()"))
		require.NoError(t, err)
		return time.Until(now).Round(time.Minute)
	}
	require.Zero(t, ahead())
	for _, offset := range []time.Duration{5 * time.Hour, -30 * time.Hour} {
		require.NoError(t, s.SetClock(offset))
		eventually(t, func() bool { return ahead() == offset }, "the clock is set")
	}
	require.NoError(t, s.Restart(t.Context()))
	require.Equal(t, -30*time.Hour, ahead(), "also when it starts again")
}

// Run as a child, it starts a server, says where, and is killed.
func TestNothingStaysBehindAKilledProcess(t *testing.T) {
	if os.Getenv("MYSQLTEST_CHILD") != "" {
		dir := filepath.Join(os.Getenv("MYSQLTEST_CHILD"), "all")
		c, err := LaunchCluster(t.Context(), dir, 1, Relaxed(), inTestFolder(dir))
		require.NoError(t, err)
		fmt.Printf("pid=%d\n", c.Followers[0].Pid())
		select {}
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "MYSQLTEST_CHILD="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var pid int
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "pid=%d", &pid)
	}
	require.NotZero(t, pid)
	require.NoError(t, syscall.Kill(pid, 0))
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, "the server ends")
	eventually(t, func() bool {
		left, err := os.ReadDir(dir)
		return err == nil && len(left) == 0
	}, "all folders go")
}
