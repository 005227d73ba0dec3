package integration_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// Every secret is another one, so that what leaks is known by its text.
const (
	secretOfCluster = "cluster-Sesame-7f3a"
	secretOfDB2     = "db2-Sesame-19bc"
	secretThatFails = "wrong-Sesame-55d0"
	secretToRead    = "read-Sesame-0123456789"
	secretToCommand = "command-Sesame-0123456789"
)

// TestSecretsShowNowhere has a daemon with real passwords and tokens do what it does, some of it wrong, and looks for
// them in everything that comes out: log, verbs, API, metrics, profiles, history, state directory, hooks and processes.
func TestSecretsShowNowhere(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed(), mysqltest.SemiSyncSource())
	for i, s := range c.Servers() {
		password := secretOfCluster
		if i == 1 {
			password = secretOfDB2
		}
		require.NoError(t, s.ExecUnlogged(t.Context(), fmt.Sprintf("ALTER USER '%s'@'%%' IDENTIFIED BY '%s'", mysqltest.User, password)))
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	httpAddress := freeAddress(t)
	seen := filepath.Join(dir, "seen-by-hooks")
	tell := "(ps -ef; tr '\\0' '\\n' </proc/$PPID/cmdline; cat; env) 2>&1 | tee -a " + seen
	b := batonFor(t, c.Servers(), set("log.level", "debug"), set("admin.http", httpAddress), set("admin.tokens", []map[string]any{
		{"name": "reader", "file": file("reader.token", secretToRead)},
		{"name": "commander", "role": "command", "file": file("commander.token", secretToCommand)},
	}), set("hooks", map[string]any{"after_promote": []any{tell}, "before_promote": []any{tell + "; [ ! -e " + dir + "/fail ]"}}))
	delete(b.config["mysql"].(map[string]any), "password")
	b.env = []string{"BATON_MYSQL_PASSWORD=" + secretOfCluster}
	b.instances()[1]["password_file"] = file("db2.password", secretOfDB2)
	b.instances()[2]["password"] = secretThatFails
	b.start()
	b.waitStatus("commits are protected", func(s state) bool { return s.Durability.State == "protected" })
	b.waitState("db2", "streaming")
	b.waitState("db3", "unreachable")

	var out []string
	add := func(texts ...string) { out = append(out, texts...) }
	verb := func(args ...string) {
		stdout, stderr, _ := b.run(args...)
		add(stdout, stderr)
	}
	ask := func(method, path, token string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+httpAddress+path, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		add(string(text), fmt.Sprint(answer.Header))
		return answer.StatusCode
	}
	c.Leader.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fail"), nil, 0o600))
	_, stderr, code := b.run("switchover", "--yes", "--to", "db2")
	require.Equal(t, 1, code, "the hook fails, and its output is in the error")
	require.Contains(t, stderr, "BATON_HOOK=before_promote", "the environment of the hook reaches the error")
	add(stderr)
	require.NoError(t, os.Remove(filepath.Join(dir, "fail")))
	require.Equal(t, 200, ask(http.MethodPost, "/v1/pause?instance=db2", secretToCommand))
	require.Equal(t, 200, ask(http.MethodPost, "/v1/resume?instance=db2", secretToCommand))
	require.Equal(t, 403, ask(http.MethodPost, "/v1/pause", secretToRead))
	require.Equal(t, 401, ask(http.MethodGet, "/v1/status", "x"+secretToRead))
	for _, path := range []string{"/v1/status", "/v1/events?n=1000", "/metrics", "/health"} {
		require.Equal(t, 200, ask(http.MethodGet, path, secretToRead))
	}
	for _, path := range []string{"/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/v1/relay/segments", "/v1/relay/transactions"} {
		text, err := b.get(path)
		require.NoError(t, err)
		add(string(text))
	}
	b.waitState("db2", "streaming")
	stdout, stderr, code := b.run("switchover", "--yes", "--to", "db2")
	require.Equal(t, 0, code, stdout+stderr)
	verb("status")
	verb("status", "-o", "json")
	verb("events", "-n", "1000")
	verb("events", "-n", "1000", "-o", "json")
	verb("relay", "ls")
	verb("relay", "dump")
	verb("version")
	stdout, stderr, _ = b.check()
	add(stdout, stderr)
	require.Contains(t, stdout+stderr, "1045", "the server's own words about the wrong password are among it")
	// A file that can't be read any more, and one that is no configuration.
	set("admin.http", ":1")(b)
	add(b.reload())
	require.NoError(t, os.WriteFile(b.file, []byte("mysql: {user: baton, password: ["+secretOfCluster+"\n"), 0o600))
	add(b.hangup())
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", b.pid()))
	require.NoError(t, err)
	hooks, err := os.ReadFile(seen)
	require.NoError(t, err)
	require.Contains(t, string(hooks), "BATON_NEW_LEADER=db2")
	add(string(cmdline), string(hooks))
	b.stop()
	add(b.log())
	require.NoError(t, filepath.WalkDir(b.stateDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		add(string(text))
		return err
	}))

	all := strings.Join(out, "\n")
	for _, secret := range []string{secretOfCluster, secretOfDB2, secretThatFails, secretToRead, secretToCommand} {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))} {
			if at := strings.Index(all, form); at >= 0 {
				t.Errorf("a secret shows:\n%s", all[max(0, at-300):min(len(all), at+300)])
			}
		}
	}
}

// freeAddress is one of loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
