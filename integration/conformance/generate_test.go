package conformance

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

var (
	seed     = flag.Uint64("seed", 0, "seed of TestGenerated; 0: a random one, which is printed")
	budget   = flag.Duration("budget", 4*time.Second, "how long TestGenerated makes statements up")
	sessions = flag.Int("sessions", 4, "sessions of TestGenerated; with 1, a seed gives the same statements again")
)

// roundTime is how long the sessions run between two comparisons.
const roundTime = time.Second

// TestGenerated has several sessions do at random what a leader can do, DDL under load among it, with foreign keys and
// triggers between tables of all types. It can run for hours:
//
//	go test ./integration/conformance -run TestGenerated -budget 2h -timeout 0
func TestGenerated(t *testing.T) {
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	t.Logf("-seed %d", from)
	st, _ := newFollowers(t, 2)
	rounds, statements, failed := 0, 0, 0
	for deadline := time.Now().Add(*budget); rounds == 0 || time.Now().Before(deadline); rounds++ {
		g := &generated{t: t, stage: st, r: rand.New(rand.NewPCG(from, uint64(rounds))), round: rounds}
		g.run()
		if t.Failed() {
			t.Fatalf("round %d of -seed %d -sessions %d", rounds+1, from, *sessions)
		}
		statements += len(g.said)
		failed += g.failed
	}
	t.Logf("%d rounds, %d statements, of which the leader refused %d", rounds, statements, failed)
	require.Less(t, failed*3, statements*2, "too many statements fail to be worth making up")
}

// generated is one round in a schema of its own.
type generated struct {
	t *testing.T
	*stage
	r      *rand.Rand
	round  int
	schema []string
	tables []*table

	mu     sync.Mutex
	said   []string // every statement, by whom, in the order of their ends
	failed int
}

func (g *generated) run() {
	marks := g.mark(g.t)
	g.leader.MustExec(g.t, "CREATE DATABASE g")
	g.define()
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(g.t.Context(), roundTime)
	defer cancel()
	for id := range *sessions {
		r := rand.New(rand.NewPCG(g.r.Uint64(), uint64(id)))
		pool, conn := g.connect()
		wg.Go(func() { g.session(ctx, id, r, pool, conn) })
	}
	wg.Wait()
	g.check()
	if g.t.Failed() {
		return
	}
	defer func() {
		if g.t.Failed() {
			g.t.Log(g.history(""))
		}
	}()
	require.NoError(g.t, g.compareImages(g.t, marks, nil))
	g.leader.MustExec(g.t, "DROP DATABASE g")
}

// define creates tables that refer to each other, and triggers.
func (g *generated) define() {
	pool, conn := g.connect()
	defer pool.Close()
	defer conn.Close()
	run := func(statement string) bool {
		_, err := conn.ExecContext(g.t.Context(), statement)
		if err == nil {
			g.schema = append(g.schema, statement)
		}
		return err == nil
	}
	for i := 0; len(g.tables) < 4; i++ {
		// Some are more than the server takes: too long a key, say.
		if made, statement := makeTable(g.r, fmt.Sprint("t", i), g.tables); run(statement) {
			g.tables = append(g.tables, made)
		}
	}
	for i := range 4 {
		on, other := g.tables[g.r.IntN(4)], g.tables[g.r.IntN(4)]
		if on != other {
			run(makeTrigger(g.r, i, on, other))
		}
	}
}

// connect opens a session whose default database is the schema.
func (g *generated) connect() (*sql.DB, *sql.Conn) {
	g.t.Helper()
	c := driver.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = "root", "unix", g.leader.Socket, "g"
	c.Params = map[string]string{"lock_wait_timeout": "2", "innodb_lock_wait_timeout": "1"}
	connector, err := driver.NewConnector(c)
	require.NoError(g.t, err)
	pool := sql.OpenDB(connector)
	conn, err := pool.Conn(g.t.Context())
	require.NoError(g.t, err)
	return pool, conn
}

// session runs transactions until ctx ends.
func (g *generated) session(ctx context.Context, id int, r *rand.Rand, pool *sql.DB, conn *sql.Conn) {
	defer pool.Close()
	defer conn.Close()
	for n := id; ctx.Err() == nil; n += *sessions {
		for _, statement := range transactionOf(r, g.tables, n) {
			_, err := conn.ExecContext(g.t.Context(), statement)
			g.note(fmt.Sprintf("/* %d */ %s", id, statement), err)
		}
		// An XA transaction that failed would keep the session from all else.
		if _, err := conn.ExecContext(g.t.Context(), fmt.Sprintf("XA ROLLBACK 'x%d'", n)); err == nil {
			g.note(fmt.Sprintf("/* %d */ XA ROLLBACK 'x%d'", id, n), nil)
		}
	}
	// What is left open is rolled back when the session ends.
}

func (g *generated) note(statement string, err error) {
	if err != nil {
		if _, ok := errors.AsType[*driver.MySQLError](err); !ok {
			g.t.Errorf("%s: %v", statement, err)
		}
		statement += " -- " + err.Error()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said = append(g.said, statement)
	if err != nil {
		g.failed++
	}
}

// check compares all servers, and on a difference says what led to it.
func (g *generated) check() {
	set := g.leader.GTIDExecuted(g.t)
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	servers := []*mysqltest.Server{g.leader}
	for _, f := range g.chain.feeds {
		servers = append(servers, f.Server)
		for !has(ctx, f.Server, set) {
			failure := f.failure()
			if failure == nil && ctx.Err() == nil {
				continue
			}
			g.t.Errorf("%s doesn't get on: %+v", f.Name, f.applier.Status())
			if failure == nil {
				g.t.Error(g.history(""))
				return
			}
			g.t.Errorf("%s stops: %s\n%s\n%s", f.Name, failure.Message, g.transaction(g.t, failure.GTID.String()), g.history(failure.Message))
			return
		}
	}
	if _, err := mysqltest.CompareAll(ctx, servers...); err != nil {
		g.t.Errorf("%v\n%s", err, g.history(err.Error()))
	}
}

// namesTable finds which table an error is about.
var namesTable = regexp.MustCompile("\\bg`?\\.`?(\\w+)")

// history is the definitions and the last statements, those that name the table of the error if it names one.
func (g *generated) history(about string) string {
	const most = 60
	said := g.said
	if match := namesTable.FindStringSubmatch(about); match != nil {
		said = slices.DeleteFunc(slices.Clone(said), func(s string) bool { return !strings.Contains(s, match[1]) })
	}
	lines := slices.Concat([]string{"CREATE DATABASE g; USE g;"}, g.schema, []string{"-- the last statements:"}, said[max(0, len(said)-most):])
	for i, line := range lines {
		if len(line) > 1000 {
			lines[i] = line[:1000] + "…"
		}
	}
	return strings.Join(lines, "\n")
}
