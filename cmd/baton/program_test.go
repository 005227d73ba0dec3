package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestUsageErrorsExitWith2AndSayWhatToDo(t *testing.T) {
	b := newBench(t)
	for line, wants := range map[string]string{
		"":                                    "which verb?",
		"stats":                               "did you mean status?",
		"frobnicate":                          "one of: check",
		"help stats":                          "did you mean status?",
		"help status db2":                     `"db2"`,
		"status --watch=2s --socket x":        "takes no value",
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
		"switchover --socket x":                     "add --yes",
		"switchover --timeout 0s --yes --socket x":  "--timeout",
		"switchover --timeout soon --socket x":      "such as 30s",
		"switchover db2 --socket x":                 "did you mean --to db2?",
		"failover db2 --socket x":                   "did you mean --to db2?",
		"switchover --allow-loss --socket x":        "unknown flag",
		"failover --socket x":                       "add --yes",
		"failover --alow-loss --socket x":           "did you mean --allow-loss?",
		"rejoin --socket x":                         "was given 0",
		"rejoin db1 --rewind --socket x":            "add --yes",
		"switchover":                                "--socket PATH",
		"relay":                                     "dump, ls",
		"relay dum":                                 "did you mean dump?",
		"relay dump --gtid x --socket x":            "--gtid: malformed",
		"relay dump -n -1 --socket x":               "a number from 0",
		"events -n x --socket x":                    "such as 20",
		"events -n -1 --socket x":                   "a number from 0",
		"version 1":                                 `"1"`,
		"status --config=a --socket=b more":         `"more"`,
	} {
		require.Equal(t, exitUsage, b.do(t, strings.Fields(line)...), "baton %s\n%s", line, &b.err)
		require.Contains(t, b.err.String(), wants, "baton "+line)
		require.Contains(t, b.err.String(), "--help", "baton "+line)
		require.Empty(t, b.out.String(), "baton "+line)
	}
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
	require.Contains(t, b.out.String(), "failover\n")
	require.Equal(t, exitDone, b.do(t, "__complete", "switchover", "--config", file, "--to", ""))
	require.Contains(t, b.out.String(), "db2\ndb3\n")
	require.NotContains(t, b.out.String(), "failover")
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

func TestCheckSaysWhatItWaitsFor(t *testing.T) {
	b := newBench(t)
	asked := make(chan struct{})
	b.check = func(context.Context, config.Config) ([]mysql.Finding, error) { <-asked; return b.findings, nil }
	said := &written{}
	b.terminal.shows, b.terminal.out, b.terminal.err = true, &b.out, said
	done := make(chan int)
	go func() { done <- b.execute(t.Context(), []string{"check", "--config", b.configFile(t)}) }()
	require.Eventually(t, func() bool { return strings.Contains(said.String(), "asking the instances") }, time.Minute, 10*time.Millisecond)
	close(asked)
	require.Equal(t, exitDone, <-done)
}

func TestEveryVerbHasAnExample(t *testing.T) {
	b := newBench(t)
	for _, verb := range []string{"run", "check", "status", "switchover", "failover", "rejoin", "pause", "resume", "skip", "events", "relay dump"} {
		require.Equal(t, exitDone, b.do(t, append(strings.Fields(verb), "--help")...))
		_, examples, _ := strings.Cut(b.out.String(), "\nExamples:\n")
		require.Contains(t, examples, "  baton "+verb, verb)
		for line := range strings.Lines(b.out.String()) {
			require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 110, "%s: %s", verb, line)
		}
	}
}

func TestTheOnlyConfigurationOfAMachineNeedNotBeNamed(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	dir := t.TempDir()
	b.configFolder = dir
	require.Equal(t, exitUsage, b.do(t, "status"), "there is none")
	put := func(name string) {
		text, err := os.ReadFile(b.configFile(t))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	put("shop.yaml")
	put("baton.example.yaml")
	put("shop.password")
	require.Equal(t, exitDone, b.do(t, "status"), b.err.String())
	require.Contains(t, b.out.String(), "shop: db1 leads")
	require.Equal(t, exitDone, b.do(t, "check"), b.err.String())
	require.Equal(t, exitDone, b.do(t, "__complete", "switchover", "--to", ""))
	require.Contains(t, b.out.String(), "db2")
	require.Equal(t, exitUsage, b.do(t, "run"), "what is started is named")
	put("bank.yaml")
	for _, verb := range []string{"status", "check", "switchover"} {
		require.Equal(t, exitUsage, b.do(t, verb))
		require.Contains(t, b.err.String(), "there are "+filepath.Join(dir, "bank.yaml")+", "+filepath.Join(dir, "shop.yaml"), verb)
	}
	b.configFolder = filepath.Join(dir, "nowhere")
	require.Equal(t, exitUsage, b.do(t, "status"))
	require.Contains(t, b.err.String(), "--config FILE")
}

func TestManualPagesOfAllVerbsAreWritten(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t)
	require.Equal(t, exitDone, b.do(t, "man", dir))
	for _, verb := range []string{"baton", "baton-run", "baton-switchover", "baton-relay-dump"} {
		text, err := os.ReadFile(filepath.Join(dir, verb+".1"))
		require.NoError(t, err)
		require.Contains(t, string(text), ".SH NAME")
		require.NotContains(t, string(text), "Auto generated", "a date of today would make other bytes each day")
	}
	require.Equal(t, exitUsage, b.do(t, "man"))
}
