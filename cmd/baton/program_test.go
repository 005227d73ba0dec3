package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCluster is the daemon's side of the API in these tests.
type fakeCluster struct {
	mu     sync.Mutex
	status admin.Status
	calls  []string
	err    error
}

func (c *fakeCluster) Status() admin.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

func (c *fakeCluster) called(format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
	return c.err
}

func (c *fakeCluster) Pause(_ context.Context, instance string) error {
	return c.called("pause %s", instance)
}

func (c *fakeCluster) Resume(_ context.Context, instance string) error {
	return c.called("resume %s", instance)
}

func (c *fakeCluster) Skip(_ context.Context, instance string, g gtid.GTID) error {
	return c.called("skip %s %s", instance, g)
}

func (c *fakeCluster) Reload(context.Context) (admin.Reloaded, error) { return admin.Reloaded{}, c.err }

func (c *fakeCluster) RelaySegments(context.Context) ([]admin.RelaySegment, error) {
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	set, _ := gtid.ParseSet(uuid + ":1-70")
	return []admin.RelaySegment{
		{Number: 1, Name: "relay.000001", Bytes: 256 << 20, Transactions: new(int64(70)), GTIDs: &set, Begun: &begun},
		{Number: 2, Name: "relay.000002", Bytes: 157, GTIDs: new(gtid.Set{}), Current: true},
	}, c.err
}

func (c *fakeCluster) RelayTransactions(_ context.Context, q admin.RelayQuery) iter.Seq2[admin.RelayTransaction, error] {
	err := c.called("dump %v %d %d", q.GTIDs, q.Segment, q.Limit)
	return func(yield func(admin.RelayTransaction, error) bool) {
		if err != nil {
			yield(admin.RelayTransaction{}, err)
			return
		}
		yield(admin.RelayTransaction{
			GTID: uuid + ":45", Time: new(time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)), Segment: 1, Bytes: 2048,
			Events: []admin.RelayEvent{
				{Type: "Gtid", Bytes: 80}, {Type: "Query", Bytes: 75, Query: "BEGIN"},
				{Type: "Table_map", Bytes: 60, Table: "shop.orders"}, {Type: "Write_rows", Bytes: 1802}, {Type: "Xid", Bytes: 31},
			},
		}, nil)
	}
}

// bench is a program, what it was given and what it printed.
type bench struct {
	program
	cluster  *fakeCluster
	events   *history.Store
	socket   string
	out, err bytes.Buffer
	loaded   []string // configuration files that run was called with
	findings []mysql.Finding
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, err := os.MkdirTemp("", "baton")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bench{socket: filepath.Join(dir, "a.sock"), cluster: &fakeCluster{status: pictures(t)["stopped"]}}
	b.program = program{
		build: admin.Build{Version: "1.2.0", Revision: "abc123", Go: "go1.26", Platform: "linux/amd64"},
		run: func(_ context.Context, cfg config.Config, file string) error {
			b.loaded = append(b.loaded, cfg.Cluster+" "+file)
			return nil
		},
		check: func(context.Context, config.Config) ([]mysql.Finding, error) { return b.findings, nil },
	}
	return b
}

// daemon starts the API's server.
func (b *bench) daemon(t *testing.T) {
	t.Helper()
	b.events = history.New(history.Config{Dir: t.TempDir()}, history.Deps{})
	require.NoError(t, b.events.Open(t.Context()))
	s := admin.New(admin.Config{Socket: b.socket}, admin.Deps{Cluster: b.cluster, Events: b.events})
	require.NoError(t, s.Open(t.Context()))
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, b.events.Close())
	})
}

// do runs a command line and returns the exit code.
func (b *bench) do(t *testing.T, args ...string) int {
	t.Helper()
	b.out.Reset()
	b.err.Reset()
	b.terminal.out, b.terminal.err = &b.out, &b.err
	if b.terminal.in == nil {
		b.terminal.in = strings.NewReader("")
	}
	return b.execute(t.Context(), args)
}

func (b *bench) configFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "shop.yaml")
	text := fmt.Sprintf("cluster: shop\nstate_dir: state\nmysql: {user: baton, password: x}\nleader: db1\n"+
		"instances:\n- {name: db1, address: 10.0.0.1:3306}\n- {name: db2, address: 10.0.0.2:3306}\nadmin: {socket: %s}\n", b.socket)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestUsageErrorsExitWith2AndSayWhatToDo(t *testing.T) {
	b := newBench(t)
	for line, wants := range map[string]string{
		"":                                    "which verb?",
		"stats":                               "did you mean status?",
		"frobnicate":                          "one of: check",
		"status --wacth --socket x":           "did you mean --watch?",
		"status --xyzzy":                      "unknown flag: --xyzzy",
		"status -z":                           "unknown shorthand flag",
		"status":                              "--socket PATH",
		"status extra --socket x":             `"extra"`,
		"status -o yaml --socket x":           "text or json",
		"run":                                 "--config FILE",
		"check":                               "--config FILE",
		"completion tcsh":                     `"tcsh"`,
		"completion":                          "bash",
		"status -o":                           "needs an argument",
		"pause a b --socket x":                "was given 2",
		"skip --socket x":                     "was given 0",
		"skip db2 --socket x":                 "--gtid GTID",
		"skip db2 --gtid nonsense --socket x": "--gtid: malformed",
		"skip db2 --socket x --gtid " + uuid + ":1": "--yes",
		"relay":                             "dump, ls",
		"relay dum":                         "did you mean dump?",
		"relay dump --gtid x --socket x":    "--gtid: malformed",
		"relay dump -n -1 --socket x":       "a number from 0",
		"events -n x --socket x":            "invalid argument",
		"events -n -1 --socket x":           "a number from 0",
		"version 1":                         `"1"`,
		"status --config=a --socket=b more": `"more"`,
	} {
		require.Equal(t, exitUsage, b.do(t, strings.Fields(line)...), "baton %s\n%s", line, &b.err)
		require.Contains(t, b.err.String(), wants, "baton "+line)
		require.Contains(t, b.err.String(), "--help", "baton "+line)
		require.Empty(t, b.out.String(), "baton "+line)
	}
}

func TestEveryVerbWithoutADaemonExitsWith3(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{
		"status", "status --watch", "pause db2", "resume db2", "skip db2 --yes --gtid " + uuid + ":1",
		"relay ls", "relay dump", "events", "events --follow",
	} {
		require.Equal(t, exitNoDaemon, b.do(t, append(strings.Fields(line), "--socket", b.socket)...), line)
		require.Contains(t, b.err.String(), b.socket, line)
		require.Contains(t, b.err.String(), "baton run", line)
	}
	file := b.configFile(t)
	require.Equal(t, exitNoDaemon, b.do(t, "status", "--config", file))
	require.Contains(t, b.err.String(), b.socket)
	require.Contains(t, b.err.String(), "baton run --config "+file)
	require.Contains(t, b.err.String(), "systemctl start baton@shop")
}

func TestAConfigurationThatIsNotThereIsAFailure(t *testing.T) {
	b := newBench(t)
	for _, verb := range []string{"status", "run", "check"} {
		require.Equal(t, exitFailed, b.do(t, verb, "--config", filepath.Join(t.TempDir(), "none.yaml")), verb)
		require.Contains(t, b.err.String(), "--config", verb)
	}
}

func TestRunLoadsTheConfiguration(t *testing.T) {
	b := newBench(t)
	file := b.configFile(t)
	require.Equal(t, exitDone, b.do(t, "run", "--config", file), b.err.String())
	require.Equal(t, []string{"shop " + file}, b.loaded)

	b.run = func(context.Context, config.Config, string) error {
		return errors.New("the state is locked by process 7")
	}
	require.Equal(t, exitFailed, b.do(t, "run", "--config", file))
	require.Contains(t, b.err.String(), "process 7")

	require.NoError(t, os.WriteFile(file, []byte("cluster: shop\nclutter: 1\n"), 0o600))
	require.Equal(t, exitFailed, b.do(t, "run", "--config", file))
	require.Contains(t, b.err.String(), "clutter")
}

func TestStatus(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	require.Equal(t, exitDone, b.do(t, "status", "--config", b.configFile(t)), b.err.String())
	want, err := os.ReadFile("testdata/status-stopped.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), b.out.String())

	require.Equal(t, exitDone, b.do(t, "status", "-o", "json", "--socket", b.socket))
	var s admin.Status
	require.NoError(t, json.Unmarshal(b.out.Bytes(), &s))
	require.Equal(t, admin.Text("db1"), s.Leader)
	require.Contains(t, b.out.String(), `"lag_seconds": null`)
}

func TestCommands(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	g := uuid + ":45"
	for _, line := range []string{"pause db2", "pause", "resume db2", "resume", "skip db2 --yes --gtid " + g} {
		require.Equal(t, exitDone, b.do(t, append(strings.Fields(line), "--socket", b.socket)...), b.err.String())
		require.Contains(t, b.out.String(), "baton ", "it says what comes next")
	}
	require.Equal(t, []string{"pause db2", "pause ", "resume db2", "resume ", "skip db2 " + g}, b.cluster.calls)

	b.cluster.err = &admin.Error{Code: admin.Refused, Message: "db1 leads: there is nothing to pause", Mend: "name a follower: db2, db3"}
	require.Equal(t, exitFailed, b.do(t, "pause", "db1", "--socket", b.socket))
	require.Equal(t, "baton: db1 leads: there is nothing to pause\n  to do: name a follower: db2, db3\n", b.err.String())
	require.Empty(t, b.out.String())
}

func TestSkipAsksOnATerminal(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	b.terminal.interacts = true
	g := uuid + ":45"
	for answer, code := range map[string]int{"y\n": exitDone, "YES\n": exitDone, "n\n": exitFailed, "\n": exitFailed, "": exitFailed} {
		b.cluster.calls = nil
		b.terminal.in = strings.NewReader(answer)
		require.Equal(t, code, b.do(t, "skip", "db2", "--gtid", g, "--socket", b.socket), "%q", answer)
		require.Contains(t, b.out.String(), "shop.orders", "it names what is lost")
		require.Contains(t, b.out.String(), "Duplicate entry")
		require.Contains(t, b.out.String(), g)
		require.Equal(t, code == exitDone, len(b.cluster.calls) == 1, "%q", answer)
	}
	require.Equal(t, exitFailed, b.do(t, "skip", "db9", "--gtid", g, "--socket", b.socket))
	require.Contains(t, b.err.String(), "db9")
}

func TestRelay(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	require.Equal(t, exitDone, b.do(t, "relay", "ls", "--socket", b.socket), b.err.String())
	requireGolden(t, "relay-ls.txt", b.out.String())
	require.Equal(t, exitDone, b.do(t, "relay", "dump", "--gtid", uuid+":45", "--segment", "1", "-n", "5", "--socket", b.socket), b.err.String())
	requireGolden(t, "relay-dump.txt", b.out.String())
	require.Equal(t, []string{"dump " + uuid + ":45 1 5"}, b.cluster.calls)
	for _, verb := range []string{"ls", "dump"} {
		require.Equal(t, exitDone, b.do(t, "relay", verb, "-o", "json", "--socket", b.socket))
		require.True(t, json.Valid(b.out.Bytes()))
	}
	b.cluster.err = &admin.Error{Code: admin.NotFound, Message: "there is no segment 9", Mend: "see `baton relay ls`"}
	require.Equal(t, exitFailed, b.do(t, "relay", "dump", "--segment", "9", "--socket", b.socket))
	require.Contains(t, b.err.String(), "to do: see")
}

func TestEvents(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b.events.Record(history.Event{Time: at, Kind: history.DaemonStarted, Message: "started"})
	b.events.Record(history.Event{
		Time: at.Add(time.Second), Level: history.Error, Kind: history.FollowerStopped, Instance: "db2", GTID: uuid + ":45",
		Message: "can't apply it: Duplicate entry '\x1b[31m'", Mend: "mend the row, then `baton resume db2`",
	})
	require.Equal(t, exitDone, b.do(t, "events", "--socket", b.socket), b.err.String())
	requireGolden(t, "events.txt", b.out.String())
	require.Equal(t, exitDone, b.do(t, "events", "-n", "1", "-o", "json", "--socket", b.socket))
	var e history.Event
	require.NoError(t, json.Unmarshal(b.out.Bytes(), &e))
	require.Equal(t, history.FollowerStopped, e.Kind)
}

func TestCheck(t *testing.T) {
	b := newBench(t)
	file := b.configFile(t)
	b.findings = []mysql.Finding{
		{Instance: "db1", Subject: "version", Level: mysql.OK, Message: "MySQL 9.7.4"},
		{Instance: "db2", Subject: "version", Level: mysql.OK, Message: "MySQL 9.7.4"},
		{Instance: "db2", Subject: "commit-sync", Level: mysql.Warn, Message: "sync_binlog is 0", Mend: "sync each commit", SQL: "SET PERSIST sync_binlog = 1"},
	}
	require.Equal(t, exitDone, b.do(t, "check", "--config", file), b.err.String())
	require.Contains(t, b.out.String(), "0 to mend, 1 to know, 2 ok")

	b.findings = append(b.findings, mysql.Finding{
		Instance: "db2", Subject: "binlog-format", Level: mysql.Error, Message: "binlog_format is STATEMENT",
		Mend: "let it log rows", SQL: "SET PERSIST binlog_format = ROW",
	}, mysql.Finding{
		Subject: "leader", Level: mysql.Error, Message: "nobody leads", Mend: "name one"})
	require.Equal(t, exitFailed, b.do(t, "check", "--config", file))
	requireGolden(t, "check.txt", b.out.String())
	require.Empty(t, b.err.String())

	require.Equal(t, exitFailed, b.do(t, "check", "-o", "json", "--config", file))
	var answer struct {
		OK       bool
		Findings []mysql.Finding
	}
	require.NoError(t, json.Unmarshal(b.out.Bytes(), &answer))
	require.False(t, answer.OK)
	require.Equal(t, b.findings, answer.Findings)
}

func TestVersion(t *testing.T) {
	b := newBench(t)
	require.Equal(t, exitDone, b.do(t, "version"))
	require.Equal(t, "baton 1.2.0 (abc123, go1.26, linux/amd64)\n", b.out.String())
	require.Equal(t, exitDone, b.do(t, "--version"))
	require.Equal(t, "baton 1.2.0 (abc123, go1.26, linux/amd64)\n", b.out.String())
	require.Equal(t, exitDone, b.do(t, "version", "-o", "json"))
	require.JSONEq(t, `{"version":"1.2.0","revision":"abc123","time":"","go":"go1.26","platform":"linux/amd64"}`, b.out.String())
}

func TestBuildOf(t *testing.T) {
	recorded := func(version string, settings ...debug.BuildSetting) func() (*debug.BuildInfo, bool) {
		return func() (*debug.BuildInfo, bool) {
			return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}, true
		}
	}
	nothing := func() (*debug.BuildInfo, bool) { return nil, false }
	require.Equal(t, "dev", buildOf("", "", "", nothing).Version)
	require.Equal(t, "dev", buildOf("", "", "", recorded("(devel)")).Version)
	require.Equal(t, "1.2.3", buildOf("", "", "", recorded("v1.2.3")).Version)
	b := buildOf("v1.0.0", "", "", recorded("v1.2.3",
		debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef"}, debug.BuildSetting{Key: "vcs.modified", Value: "true"},
		debug.BuildSetting{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}))
	require.Equal(t, []string{"1.0.0", "0123456789ab-dirty", "2026-01-02T03:04:05Z"}, []string{b.Version, b.Revision, b.Time})
	require.Equal(t, "fedcba", buildOf("v1.0.0", "fedcba", "", nothing).Revision)
}

func TestCompletion(t *testing.T) {
	b := newBench(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Equal(t, exitDone, b.do(t, "completion", shell))
		require.NotEmpty(t, b.out.String(), shell)
	}
	file := b.configFile(t)
	require.Equal(t, exitDone, b.do(t, "__complete", "resume", "--config", file, ""))
	require.Contains(t, b.out.String(), "db1\ndb2\n", "from the configuration")
	b.daemon(t)
	require.Equal(t, exitDone, b.do(t, "__complete", "resume", "--config", file, ""))
	require.Contains(t, b.out.String(), "db2\ndb3\n", "from the daemon, which knows who leads")
	require.NotContains(t, b.out.String(), "db1")
	require.Equal(t, exitDone, b.do(t, "__complete", "resume", "--config", file, "db2", ""))
	require.NotContains(t, b.out.String(), "db3")
	require.Equal(t, exitDone, b.do(t, "__complete", "status", "-o", ""))
	require.Contains(t, b.out.String(), "json")
}

func TestTheSocketIsFoundWhereTheDaemonOpensIt(t *testing.T) {
	for _, section := range []string{"", "admin: {socket: x.sock}\n", "admin: {socket: ../run/x.sock}\n", "admin: {socket: /tmp/x.sock}\n"} {
		file := filepath.Join(t.TempDir(), "shop.yaml")
		text := "cluster: shop\nstate_dir: /tmp/x\nmysql: {user: baton, password: x}\ninstances: [{name: db1, address: 10.0.0.1:3306}]\n"
		require.NoError(t, os.WriteFile(file, []byte(text+section), 0o600))
		cfg, err := config.Load(file)
		require.NoError(t, err)
		at, err := admin.Locate(file)
		require.NoError(t, err)
		require.Equal(t, cfg.Admin.Socket, at.Socket, section)
	}
}

func TestEachMistakeOfAConfigurationHasALine(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "x.yaml")
	require.NoError(t, os.WriteFile(file, []byte("cluster: shop\nclutter: 1\ncrutch: 2\n"), 0o600))
	require.Equal(t, exitFailed, b.do(t, "check", "--config", file))
	require.Contains(t, b.err.String(), file+":2: clutter")
	require.Contains(t, b.err.String(), "\n"+file+":3: crutch")
}

func TestHelpGoesToStandardOutput(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{"--help", "help", "status --help", "help skip", "relay dump -h"} {
		require.Equal(t, exitDone, b.do(t, strings.Fields(line)...), line)
		require.Contains(t, b.out.String(), "Usage:", line)
		require.Empty(t, b.err.String(), line)
	}
}
