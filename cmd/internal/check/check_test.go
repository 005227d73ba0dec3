package check

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configOf is the configuration of the servers, db1 first.
func configOf(t *testing.T, servers ...*mysqltest.Server) config.Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "baton")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg := config.Default()
	cfg.Cluster = "shop"
	cfg.Admin.Socket = filepath.Join(dir, "a.sock")
	for i, s := range servers {
		cfg.Instances = append(cfg.Instances, config.Instance{
			Name: fmt.Sprint("db", i+1), Address: fmt.Sprint("127.0.0.1:", s.Port),
			MySQL: config.MySQL{User: mysqltest.User, Password: config.NewSecret(mysqltest.Password), TLS: cfg.MySQL.TLS},
		})
	}
	return cfg
}

func run(t *testing.T, cfg config.Config) []mysql.Finding {
	t.Helper()
	findings, err := Run(t.Context(), cfg)
	require.NoError(t, err)
	return findings
}

// of returns the findings of that level on an instance, by subject.
func of(findings []mysql.Finding, instance string, level mysql.Level) map[string]mysql.Finding {
	bySubject := map[string]mysql.Finding{}
	for _, f := range findings {
		if f.Instance == instance && f.Level == level {
			bySubject[f.Subject] = f
		}
	}
	return bySubject
}

func TestCheck(t *testing.T) {
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	follower := c.Followers[0]
	cfg := configOf(t, c.Servers()...)

	t.Run("two that can be written to", func(t *testing.T) {
		f := of(run(t, cfg), "", mysql.Error)[subjectLeader]
		require.Contains(t, f.Message, "db1, db2")
		require.Contains(t, f.Mend, "leader:")
	})
	cfg.Leader = "db1"
	t.Run("all is well", func(t *testing.T) {
		findings := run(t, cfg)
		for _, name := range []string{"", "db1", "db2"} {
			require.Empty(t, of(findings, name, mysql.Error))
		}
		require.Contains(t, of(findings, "db2", mysql.OK), mysql.SubjectVersion)
	})
	t.Run("clients come from baton's host", func(t *testing.T) {
		require.NotContains(t, of(run(t, cfg), "db1", mysql.Warn), mysql.SubjectHostBlocking)
		led := cfg
		led.Endpoints = []config.Endpoint{{Listen: "127.0.0.1:6446"}}
		require.Contains(t, of(run(t, led), "db1", mysql.Warn), mysql.SubjectHostBlocking)
	})
	t.Run("a follower was written to", func(t *testing.T) {
		follower.MustExec(t, "CREATE DATABASE errant")
		require.NotEmpty(t, of(run(t, cfg), "db2", mysql.Error)[mysql.SubjectErrant].Mend)
	})
	t.Run("the only one that can be written to", func(t *testing.T) {
		follower.MustExec(t, "SET GLOBAL read_only = ON")
		unnamed := cfg
		unnamed.Leader = ""
		require.Empty(t, of(run(t, unnamed), "", mysql.Error))
	})
	t.Run("the daemon knows better", func(t *testing.T) {
		wrong := cfg
		wrong.Leader = "db2"
		id, err := strconv.Atoi(follower.Value(t, "SELECT @@server_id"))
		require.NoError(t, err)
		startDaemon(t, cfg.Admin.Socket, admin.Status{Leader: "db1", Source: admin.Source{ServerID: uint32(id)}})
		findings := run(t, wrong)
		require.Contains(t, of(findings, "db2", mysql.Error)[mysql.SubjectServerID].Message, "baton itself")
		require.Contains(t, of(findings, "db2", mysql.Error), mysql.SubjectErrant, "db2 is judged as a follower")
	})
	t.Run("one is down", func(t *testing.T) {
		require.NoError(t, follower.Stop(t.Context()))
		findings := run(t, cfg)
		require.Contains(t, of(findings, "db2", mysql.Error), mysql.SubjectConnection)
		require.Empty(t, of(findings, "db1", mysql.Error))
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Run(ctx, cfg)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestNobodyLooksLikeTheLeader(t *testing.T) {
	i, f := leaderOf(config.Config{}, nil, []mysql.Member{{Name: "db1", Fault: &mysql.Fault{}}})
	require.Equal(t, -1, i)
	require.NotEmpty(t, f.Mend)
}

// startDaemon answers with a status on the socket.
func startDaemon(t *testing.T, socket string, s admin.Status) {
	t.Helper()
	server := admin.New(admin.Config{Socket: socket}, admin.Deps{Cluster: daemon{s}, Events: history.New(history.Config{}, history.Deps{})})
	require.NoError(t, server.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, server.Close()) })
}

// daemon has a status and takes no commands.
type daemon struct{ status admin.Status }

var errNoCommands = errors.New("no commands here")

func (d daemon) Status() admin.Status                                      { return d.status }
func (daemon) Pause(context.Context, string) error                         { return errNoCommands }
func (daemon) Resume(context.Context, string) error                        { return errNoCommands }
func (daemon) Skip(context.Context, string, gtid.GTID) error               { return errNoCommands }
func (daemon) Reload(context.Context) (admin.Reloaded, error)              { return admin.Reloaded{}, errNoCommands }
func (daemon) RelaySegments(context.Context) ([]admin.RelaySegment, error) { return nil, errNoCommands }

func (daemon) RelayTransactions(context.Context, admin.RelayQuery) iter.Seq2[admin.RelayTransaction, error] {
	return func(yield func(admin.RelayTransaction, error) bool) { yield(admin.RelayTransaction{}, errNoCommands) }
}
