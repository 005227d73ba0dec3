package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/batondb/baton/integration/mysqltest"
)

// A block is one of the manual's that somebody is to type, with what a comment before it says about it:
//
//	on NAME…            SQL for these servers
//	config              the configuration file
//	start, stop         of the daemon
//	sh CODE [TEXT]      a command, its exit code, and what it prints among other things
//	until NAME STATE    a command that is repeated until it shows this
//	switch NAME         a command after which that one leads
type block struct{ kind, about, text string }

func blocksOf(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	fences := strings.Count(string(text), "\n```") / 2
	var blocks []block
	for _, m := range regexp.MustCompile("<!-- walk: (\\w+)(.*) -->\n```\\w+\n((?s:.*?))```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block{m[1], strings.TrimSpace(m[2]), m[3]})
	}
	require.Len(t, blocks, fences, "every block of %s is walked through", file)
	return blocks
}

// TestGettingStartedIsWalkedThrough does what docs/getting-started.md says, on servers that replicate natively, while a
// client goes on writing.
func TestGettingStartedIsWalkedThrough(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 2)
	servers := map[string]*mysqltest.Server{}
	for i, s := range c.Servers() {
		servers[name(i)] = s
		// The account of the page is the one that is used.
		require.NoError(t, s.ExecUnlogged(t.Context(), "DROP USER '"+mysqltest.User+"'@'%'"))
	}
	const replicate = "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %d, SOURCE_USER = 'repl', SOURCE_PASSWORD = 'its-password', SOURCE_SSL = 1, SOURCE_AUTO_POSITION = 1"
	c.Leader.MustExec(t, "CREATE USER repl@'%' IDENTIFIED BY 'its-password'", "GRANT REPLICATION SLAVE ON *.* TO repl@'%'",
		"CREATE DATABASE d", "CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, n INT)",
		"CREATE DATABASE shop", "CREATE EVENT shop.nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DO DELETE FROM d.t WHERE FALSE")
	for _, f := range c.Followers {
		f.MustExec(t, fmt.Sprintf(replicate, c.Leader.Port), "START REPLICA", "SET GLOBAL read_only = ON")
	}
	b := batonFor(t, c.Servers())
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("choose-one\n"), 0o600))
	here := strings.NewReplacer("10.0.0.1:3306", servers["db1"].Addr(), "10.0.0.2:3306", servers["db2"].Addr(), "10.0.0.3:3306", servers["db3"].Addr(),
		"'10.0.0.%'", "'%'", "'10.0.0.1', SOURCE_PORT = 3306", "'127.0.0.1', SOURCE_PORT = "+strconv.Itoa(c.Leader.Port),
		"/etc/baton/shop.yaml", b.file, "/var/lib/baton/shop", b.stateDir, "/etc/baton/shop.password", password)

	w := &writer{servers: servers, leader: "db1"}
	w.start(t)
	for _, block := range blocksOf(t, "../docs/getting-started.md") {
		t.Log(block.kind, block.about)
		text := here.Replace(block.text)
		switch block.kind {
		case "on":
			for server := range strings.FieldsSeq(block.about) {
				runSession(t, servers[server], text)
			}
		case "config":
			b.config = map[string]any{}
			require.NoError(t, yaml.Unmarshal([]byte(text), &b.config))
			set("admin.socket", b.socket)(b)
			b.writeConfig()
		case "start":
			b.start()
		case "stop":
			b.stop()
		case "sh":
			code, says, _ := strings.Cut(block.about, " ")
			stdout, stderr, got := b.command(strings.Fields(text)[1:]...)
			require.Equal(t, code, strconv.Itoa(got), "%s\n%s%s", text, stdout, stderr)
			require.Contains(t, stdout, says)
		case "until":
			instance, state, _ := strings.Cut(block.about, " ")
			b.wait(block.about, func() (bool, string) {
				stdout, stderr, _ := b.command(strings.Fields(text)[1:]...)
				return regexp.MustCompile(`(?m)^\W*` + instance + `\b.*\b` + state + `\b`).MatchString(stdout), stdout + stderr
			})
		case "switch":
			w.pause(func() {
				stdout, stderr, code := b.command(strings.Fields(text)[1:]...)
				require.Equal(t, 0, code, stdout+stderr)
				w.leader = block.about
			})
		default:
			t.Fatalf("no such kind of a block: %s", block.kind)
		}
	}
	rows := w.stop(t)
	require.Greater(t, rows, 100)
	for _, s := range c.Servers() {
		mysqltest.WaitGTID(t, s, c.Leader.GTIDExecuted(t), patience)
		require.Equal(t, strconv.Itoa(rows), s.Value(t, "SELECT COUNT(*) FROM d.t"), "every write that succeeded is on %s once", s.Name)
		require.Equal(t, "0", s.Value(t, "SELECT COUNT(*) FROM mysql.user WHERE user = 'baton'"))
		require.Equal(t, "0", s.Value(t, "SELECT COUNT(*) FROM performance_schema.persisted_variables WHERE variable_name LIKE '%read_only'"))
	}
	mysqltest.AssertSameData(t, c.Servers()...)
	for _, f := range c.Followers {
		require.Equal(t, "ON", f.Value(t, "SELECT service_state FROM performance_schema.replication_applier_status"))
	}
}

// runSession runs the statements of a block in one session, as a client does.
func runSession(t *testing.T, s *mysqltest.Server, text string) {
	t.Helper()
	conn, err := s.DB().Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for statement := range strings.SplitSeq(text, ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			_, err := conn.ExecContext(t.Context(), statement)
			require.NoError(t, err, "%s: %s", s.Name, statement)
		}
	}
}

// A writer inserts a row after the other on the leader. Each has to succeed.
type writer struct {
	servers map[string]*mysqltest.Server
	leader  string // changed by the function of pause only

	mu    sync.Mutex
	rows  int
	err   error
	done  chan struct{}
	ended sync.WaitGroup
}

func (w *writer) start(t *testing.T) {
	w.done = make(chan struct{})
	w.ended.Go(func() {
		for {
			select {
			case <-w.done:
				return
			default:
			}
			w.mu.Lock()
			_, err := w.servers[w.leader].DB().Exec("INSERT INTO d.t (n) VALUES (1)")
			if err != nil {
				w.err = fmt.Errorf("write %d: %w", w.rows+1, err)
				w.mu.Unlock()
				return
			}
			w.rows++
			w.mu.Unlock()
		}
	})
	t.Cleanup(func() { w.stop(t) })
}

// pause keeps the writer from writing while change runs, as a client that follows the leader would be.
func (w *writer) pause(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *writer) stop(t *testing.T) int {
	select {
	case <-w.done:
	default:
		close(w.done)
	}
	w.ended.Wait()
	require.NoError(t, w.err, "a client is disturbed")
	return w.rows
}
