package conformance

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// runner runs the steps of one file.
type runner struct {
	t *testing.T
	*stage
	marks    marks
	sessions map[string]*sql.Conn
	pools    []*sql.DB
	current  string

	// What was said of the next statement.
	wantError, wantValue, until string
	repeat                      int

	stops       string          // what baton's followers are to stop with
	differs     string          // how baton's followers are to differ
	nativeStops string          // the error number that the native replica is to stop with
	nativeDiff  string          // how the native replica is to differ
	astray      bool            // the native replica left something out in this file
	skipped     map[string]bool // transactions that baton's followers were told to skip
	images      bool            // the row images are compared
	checks      int
	checked     string // the leader's gtid_executed at the last check
}

// destructive finds statements that take a difference away.
var destructive = regexp.MustCompile(`(?is)^\s*(DROP|TRUNCATE|REVOKE|ALTER\s+TABLE\b.*\b(DROP|TRUNCATE|DISCARD|EXCHANGE)\b)`)

// run runs all steps. The file has to leave nothing behind.
func (st *stage) run(t *testing.T, steps []step) {
	t.Helper()
	r := &runner{t: t, stage: st, sessions: map[string]*sql.Conn{}, current: "main", images: true, skipped: map[string]bool{}, marks: st.mark(t)}
	defer r.close()
	for _, s := range steps {
		r.step(s)
	}
	r.check("the end")
	left := st.leader.Rows(t, "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema', 'baton')")
	require.Empty(t, left, "a file drops what it made")
	if err := st.compareImages(t, r.marks, r.skipped); r.images {
		require.NoError(t, err)
	} else {
		require.Error(t, err, "the images are said to differ, and don't any more")
	}
	t.Logf("%d steps, %d comparisons", len(steps), r.checks)
}

func (r *runner) close() {
	for _, conn := range r.sessions {
		conn.Close()
	}
	for _, pool := range r.pools {
		pool.Close()
	}
}

func (r *runner) step(s step) {
	r.t.Helper()
	switch s.directive {
	case "":
		r.statement(s)
	case "connection":
		r.connect(s)
	case "end":
		require.NoError(r.t, r.sessions[s.text].Close(), s)
		delete(r.sessions, s.text)
	case "check":
		r.check(s.String())
	case "error":
		r.wantError = s.text
	case "gives":
		r.wantValue = s.text
	case "until":
		r.until = s.text
	case "repeat":
		var err error
		r.repeat, err = strconv.Atoi(s.text)
		require.NoError(r.t, err, s)
	case "restart", "kill":
		r.bounce(s)
	case "stops":
		r.stops = s.text
		r.awaitFollowers(r.t.Context(), r.leader.GTIDExecuted(r.t), s.String())
		r.stops = ""
	case "followers":
		for _, f := range append(slices.Clone(r.chain.feeds), &feed{Server: r.native.Server}) {
			require.NoError(r.t, f.ExecUnlogged(r.t.Context(), s.text), "%s: on %s", s, f.Name)
		}
	case "native":
		r.expectOfNative(s)
	case "differs":
		r.differs = s.text
	case "images":
		r.images = false
	}
}

func (r *runner) expectOfNative(s step) {
	what, text, _ := strings.Cut(s.text, " ")
	switch what {
	case "stops":
		r.nativeStops = text
	case "differs":
		r.nativeDiff = text
	case "same":
		r.nativeDiff = ""
	default:
		r.t.Fatalf("%s: the native replica stops, differs or is the same", s)
	}
}

// connect goes on in another session.
func (r *runner) connect(s step) {
	r.t.Helper()
	words := strings.Fields(s.text)
	r.current = words[0]
	if len(words) == 3 && r.sessions[r.current] == nil {
		r.open(words[1], words[2])
	}
}

// session is the session at hand.
func (r *runner) session() *sql.Conn {
	r.t.Helper()
	if r.sessions[r.current] == nil {
		r.open("root", "")
	}
	return r.sessions[r.current]
}

func (r *runner) open(user, password string) {
	r.t.Helper()
	c := driver.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = user, password, "unix", r.leader.Socket
	c.AllowAllFiles, c.AllowNativePasswords = true, true
	c.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(c)
	require.NoError(r.t, err)
	pool := sql.OpenDB(connector)
	r.pools = append(r.pools, pool)
	r.sessions[r.current], err = pool.Conn(r.t.Context())
	require.NoError(r.t, err, "connect as %s", user)
}

// statement runs a statement on the leader.
func (r *runner) statement(s step) {
	r.t.Helper()
	if destructive.MatchString(s.text) {
		r.check("before " + s.String())
	}
	text := strings.ReplaceAll(s.text, "$DIR", r.dir)
	times := max(r.repeat, 1)
	wantError, wantValue, until := r.wantError, r.wantValue, r.until
	r.wantError, r.wantValue, r.until, r.repeat = "", "", "", 0
	for range times {
		value, err := r.query(text)
		for deadline := time.Now().Add(patience); until != "" && value != until && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
			value, err = r.query(text)
		}
		if wantError != "" {
			my, ok := errors.AsType[*driver.MySQLError](err)
			require.True(r.t, ok, "%s: it has to fail with %s, not with %v", s, wantError, err)
			require.Equal(r.t, wantError, strconv.Itoa(int(my.Number)), "%s: %v", s, err)
			continue
		}
		require.NoError(r.t, err, s)
		if want := wantValue + until; want != "" {
			require.Equal(r.t, want, value, s)
		}
	}
}

// query runs a statement and returns the first value of its result, as text, "NULL" for NULL.
func (r *runner) query(text string) (string, error) {
	rows, err := r.session().QueryContext(r.t.Context(), text)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	first := sql.NullString{String: "NULL", Valid: true}
	found := ""
	for n := 0; rows.Next(); n++ {
		into := make([]any, len(columns))
		into[0] = &first
		for i := 1; i < len(columns); i++ {
			into[i] = new(sql.RawBytes)
		}
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		if n == 0 {
			if found = first.String; !first.Valid {
				found = "NULL"
			}
		}
	}
	return found, rows.Err()
}

// bounce restarts or kills something.
func (r *runner) bounce(s step) {
	r.t.Helper()
	words := strings.Fields(s.text)
	var opts []mysqltest.Option
	for _, option := range words[1:] {
		name, value, _ := strings.Cut(option, "=")
		opts = append(opts, mysqltest.Setting(name, value))
	}
	var servers []*mysqltest.Server
	switch words[0] {
	case "daemon":
		r.chain.stop()
		r.chain.start()
		return
	case "leader":
		// Its sessions are gone with it.
		for _, conn := range r.sessions {
			conn.Close()
		}
		clear(r.sessions)
		if s.directive == "restart" {
			r.endStreams()
		}
		servers = append(servers, r.leader)
	case "follower":
		servers = append(servers, r.native.Server)
		for _, f := range r.chain.feeds {
			servers = append(servers, f.Server)
		}
	default:
		r.t.Fatalf("%s: what is that?", s)
	}
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, server := range servers {
		wg.Go(func() {
			if s.directive == "kill" {
				errs[i] = server.Kill9()
			}
			errs[i] = errors.Join(errs[i], server.Restart(r.t.Context(), opts...))
		})
	}
	wg.Wait()
	require.NoError(r.t, errors.Join(errs...), s)
	r.native.resume()
	for _, f := range r.chain.feeds {
		f.tryAgain()
	}
}

// endStreams ends what reads the leader's binlog: a server that stops in order waits ten seconds for that. It comes back by
// itself.
func (r *runner) endStreams() {
	r.t.Helper()
	r.native.MustExec(r.t, "STOP REPLICA IO_THREAD")
	for _, row := range r.leader.Rows(r.t, "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'") {
		_, _ = r.leader.DB().ExecContext(r.t.Context(), "KILL "+row[0]) // it may have gone already
	}
}

// check waits until all have what the leader has, and compares.
func (r *runner) check(where string) {
	r.t.Helper()
	set := r.leader.GTIDExecuted(r.t)
	if set == r.checked && r.nativeStops == "" {
		return
	}
	r.checks++
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	r.awaitFollowers(ctx, set, where)
	r.awaitNative(ctx, set, where)
	r.compare(ctx, where)
	r.checked = set
}

// awaitFollowers waits until baton's followers have the set.
func (r *runner) awaitFollowers(ctx context.Context, set, where string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, f := range r.chain.feeds {
		r.await(ctx, f, set, where)
	}
}

// await waits until a follower of baton's has the set, or has stopped as it should and was told to skip.
func (r *runner) await(ctx context.Context, f *feed, set, where string) {
	r.t.Helper()
	stopped := false
	for ctx.Err() == nil {
		if has(ctx, f.Server, set) {
			require.True(r.t, r.stops == "" || stopped, "%s: %s doesn't stop, as it should with: %s", where, f.Name, r.stops)
			return
		}
		failure := f.failure()
		if failure == nil {
			continue
		}
		if r.stops == "" || !strings.Contains(failure.Message, r.stops) {
			r.t.Fatalf("%s: %s stops: %s\n%s\n%s", where, f.Name, failure.Message, failure.Mend, r.transaction(r.t, failure.GTID.String()))
		}
		stopped, r.skipped[failure.GTID.String()] = true, true
		require.NotEmpty(r.t, failure.Mend, where)
		require.NoError(r.t, f.applier.Skip(ctx, failure.GTID), where)
	}
	r.t.Fatalf("%s: %s lacks %s of the leader's transactions; its applier: %+v", where, f.Name,
		f.Value(r.t, "SELECT GTID_SUBTRACT(?, @@GLOBAL.gtid_executed)", set), f.applier.Status())
}

// has waits a moment for a server to have the set.
func has(ctx context.Context, s *mysqltest.Server, set string) bool {
	var timedOut int
	err := s.DB().QueryRowContext(ctx, "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 0.2)", set).Scan(&timedOut)
	return err == nil && timedOut == 0
}

func (r *runner) awaitNative(ctx context.Context, set, where string) {
	r.t.Helper()
	stopped := false
	for ctx.Err() == nil {
		if has(ctx, r.native.Server, set) {
			require.True(r.t, r.nativeStops == "" || stopped, "%s: the native replica doesn't stop, as it is said to with %s", where, r.nativeStops)
			r.nativeStops = ""
			return
		}
		code, transaction := r.native.stopped()
		if transaction == "" {
			continue
		}
		if !r.astray && code != r.nativeStops {
			r.t.Fatalf("%s: the native replica stops with %s at %s\n%s", where, code, transaction, r.transaction(r.t, transaction))
		}
		stopped, r.astray = true, true
		r.native.skip(transaction)
	}
	r.t.Fatalf("%s: the native replica lacks some of %s", where, set)
}

// compare compares all with the leader, but for a native replica that has left something out in this file: that shows at
// the file's end.
func (r *runner) compare(ctx context.Context, where string) {
	r.t.Helper()
	others := []*mysqltest.Server{r.native.Server}
	for _, f := range r.chain.feeds {
		others = append(others, f.Server)
	}
	for i, err := range mysqltest.CompareEach(ctx, r.leader, others...) {
		switch {
		case i > 0:
			r.judge(err, r.differs, others[i].Name, where)
		case !r.astray || where == "the end":
			r.judge(err, r.nativeDiff, "the native replica", where)
		}
	}
}

// judge compares what a comparison found with what the file says. At its end nothing may differ.
func (r *runner) judge(err error, wanted, who, where string) {
	r.t.Helper()
	switch {
	case wanted == "" || where == "the end":
		require.NoError(r.t, err, "%s: %s", where, who)
	case err == nil:
		r.t.Fatalf("%s: %s is the same, and said to differ: %s", where, who, wanted)
	case !strings.Contains(err.Error(), wanted):
		r.t.Fatalf("%s: %s differs otherwise than by %q: %v", where, who, wanted, err)
	}
}

// transaction shows what the leader's binlog holds of a transaction.
func (st *stage) transaction(t *testing.T, id string) string {
	t.Helper()
	for _, row := range st.leader.Rows(t, "SHOW BINARY LOGS") {
		var text []string
		for _, e := range st.leader.Rows(t, "SHOW BINLOG EVENTS IN '"+row[0]+"'") {
			if strings.Contains(e[5], "'"+id+"'") || len(text) > 0 && !strings.Contains(e[5], "GTID_NEXT") {
				text = append(text, "  "+strings.Join(e[2:], "  "))
			} else if len(text) > 0 {
				break
			}
		}
		if len(text) > 0 {
			return "in the leader's binlog:\n" + strings.Join(text, "\n")
		}
	}
	return "(not in the leader's binlogs)"
}
