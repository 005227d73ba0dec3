package integration_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// withEndpoints gives the daemon an endpoint of each route.
func withEndpoints(changes ...map[string]any) option {
	leader := map[string]any{"listen": "127.0.0.1:0", "route": "leader"}
	followers := map[string]any{"listen": "127.0.0.1:0", "route": "followers"}
	for i, endpoint := range []map[string]any{leader, followers} {
		if i < len(changes) {
			for key, value := range changes[i] {
				endpoint[key] = value
			}
		}
	}
	return set("endpoints", []map[string]any{leader, followers})
}

// endpoint is a port of the daemon as its status tells.
type endpointState struct {
	Listen      string
	Route       string
	LeadsTo     string `json:"leads_to"`
	Holding     string
	Held        int
	HeldTotal   int `json:"held_total"`
	Connections map[string]int
	Opened      map[string]int
	Refused     map[string]int
}

func (b *baton) endpoints() []endpointState {
	b.t.Helper()
	body, err := b.get("/v1/status")
	require.NoError(b.t, err)
	var s struct{ Endpoints []endpointState }
	require.NoError(b.t, json.Unmarshal(body, &s))
	return s.Endpoints
}

// leading waits until clients are led to an instance, and returns where they connect.
func (b *baton) leading(instance string) (leader, followers string) {
	b.t.Helper()
	var e []endpointState
	b.wait("clients are led to "+instance, func() (bool, string) {
		e = b.endpoints()
		return e[0].LeadsTo == instance, e[0].Holding
	})
	return e[0].Listen, e[1].Listen
}

// following waits until clients may be led to followers.
func (b *baton) following(instances ...string) {
	b.t.Helper()
	b.wait(fmt.Sprint("clients who read are led to ", instances), func() (bool, string) {
		for _, name := range instances {
			if code, said := b.question("/v1/instances/" + name + "/follower"); code != http.StatusOK {
				return false, said
			}
		}
		return true, ""
	})
}

// anew writes through an endpoint, each transaction on a connection of its own, and takes no error for an answer.
type anew struct {
	t       *testing.T
	address string
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu      sync.Mutex
	acked   []string
	errors  []string
	longest time.Duration // that a transaction took, its connection included
}

func writeAnew(t *testing.T, address string, clients int) *anew {
	ctx, cancel := context.WithCancel(context.Background())
	w := &anew{t: t, address: address, cancel: cancel}
	for i := range clients {
		w.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				row, began := fmt.Sprintf("%d.%d", i, n), time.Now()
				err := w.write(row)
				w.note(row, time.Since(began), err)
			}
		})
	}
	t.Cleanup(func() { w.stop() })
	return w
}

// write is a connection with one transaction of two statements. The client library tries nothing again.
func (w *anew) write(row string) error {
	conn, err := client.Connect(w.address, "root", "", "")
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	for _, statement := range []string{"BEGIN", "INSERT INTO shop.anew (name) VALUES ('" + row + "')", "UPDATE shop.total SET n = n + 1", "COMMIT"} {
		if _, err := conn.Execute(statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func (w *anew) note(row string, took time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.longest = max(w.longest, took)
	if err != nil {
		w.errors = append(w.errors, row+": "+err.Error())
		return
	}
	w.acked = append(w.acked, row)
}

func (w *anew) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

func (w *anew) await(more int) {
	w.t.Helper()
	goal := w.count() + more
	require.Eventually(w.t, func() bool { return w.count() >= goal }, patience, 5*time.Millisecond, "the load gets on")
}

func (w *anew) stop() {
	w.cancel()
	w.wg.Wait()
}

func anewSchema(t *testing.T, leader *mysqltest.Server) {
	leader.MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.anew (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) UNIQUE)",
		"CREATE TABLE shop.total (n BIGINT)", "INSERT INTO shop.total VALUES (0)")
}

// TestSwitchoversCostNoClientAnError has clients that connect anew for each transaction, and a pool, write through the
// endpoint while the leadership goes round. The former see no error, the latter none of a server, and everything that
// they were told is there.
func TestSwitchoversCostNoClientAnError(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 2)
	b := startBaton(t, c.Servers(), withEndpoints())
	address, _ := b.leading("db1")
	anewSchema(t, c.Leader)
	w := writeAnew(t, address, 8)
	pool := writePooled(t, address, 4)
	names := []string{"db1", "db2", "db3"}
	const rounds = 6
	for i := range rounds {
		w.await(50)
		b.must("switchover", "--to", names[(i+1)%3], "--yes")
		w.await(50)
	}
	w.stop()
	pool.stop()
	t.Logf("%d transactions on connections of their own, the longest took %s; %d over the pool, %d of which lost their connection", len(w.acked), w.longest, pool.count, len(pool.errors))
	require.Empty(t, w.errors)
	for _, err := range pool.errors {
		require.ErrorIs(t, err, mysql.ErrInvalidConn, "a pool may lose a connection just as it uses it; nothing is refused in the middle")
	}
	require.Positive(t, b.endpoints()[0].HeldTotal, "no client had to wait in %d switchovers", rounds)

	last := c.Servers()[rounds%3]
	has := map[string]bool{}
	for _, row := range last.Rows(t, "SELECT name FROM shop.anew") {
		has[row[0]] = true
	}
	for _, row := range w.acked {
		require.True(t, has[row], "%s was acknowledged", row)
	}
	require.Equal(t, fmt.Sprint(len(has)), last.Value(t, "SELECT n FROM shop.total"))
}

// pooled writes through an endpoint over a pool whose connections rest between two transactions.
type pooled struct {
	db     *sql.DB
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	count  int
	errors []error
}

func writePooled(t *testing.T, address string, clients int) *pooled {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.Logger = "root", "tcp", address, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	p := &pooled{db: sql.OpenDB(connector), cancel: cancel}
	p.db.SetMaxIdleConns(clients)
	for i := range clients {
		p.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, err := p.db.Exec(fmt.Sprintf("INSERT INTO shop.anew (name) VALUES ('pool %d.%d')", i, n))
				if err == nil {
					_, err = p.db.Exec("UPDATE shop.total SET n = n + 1")
				}
				p.mu.Lock()
				p.count++
				if err != nil {
					p.errors = append(p.errors, err)
				}
				p.mu.Unlock()
				time.Sleep(120 * time.Millisecond) // longer than it takes to tell a resting connection from a busy one
			}
		})
	}
	t.Cleanup(p.stop)
	return p
}

func (p *pooled) stop() {
	p.cancel()
	p.wg.Wait()
	_ = p.db.Close()
}

func TestATransactionThatIsOpenIsFinishedBeforeASwitchover(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 1)
	b := startBaton(t, c.Servers(), withEndpoints(), set("switchover.drain_timeout", "20s"))
	address, _ := b.leading("db1")
	anewSchema(t, c.Leader)
	conn, err := client.Connect(address, "root", "", "")
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Execute("BEGIN")
	require.NoError(t, err)
	b.following("db2")
	over := make(chan string, 1)
	go func() {
		_, stderr, _ := b.run("switchover", "--to", "db2", "--yes")
		over <- stderr
	}()
	b.wait("clients are held", func() (bool, string) { return b.endpoints()[0].Holding != "", "" })
	_, err = conn.Execute("INSERT INTO shop.anew (name) VALUES ('in the middle of a switchover')")
	require.NoError(t, err)
	_, err = conn.Execute("COMMIT")
	require.NoError(t, err)
	require.Empty(t, <-over)
	require.Equal(t, "1", c.Followers[0].Value(t, "SELECT COUNT(*) FROM shop.anew"))
	require.Error(t, conn.Ping(), "then it was disconnected: it is of the former leader")
}

// TestAnUndoneSwitchoverLeadsClientsBack refuses the promotion by a hook.
func TestAnUndoneSwitchoverLeadsClientsBack(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 1)
	b := startBaton(t, c.Servers(), withEndpoints(), set("hooks.before_promote", []string{"exit 1"}))
	address, _ := b.leading("db1")
	anewSchema(t, c.Leader)
	w := writeAnew(t, address, 4)
	w.await(20)
	b.following("db2")
	_, stderr, code := b.run("switchover", "--to", "db2", "--yes")
	require.NotZero(t, code)
	require.Contains(t, stderr, "exit status 1")
	w.await(20)
	w.stop()
	require.Empty(t, w.errors)
	b.leading("db1")
}

// TestClientsWaitForAFailover kills the leader. Who was connected gets an error; who connects then waits for the new
// leader and gets none.
func TestClientsWaitForAFailover(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 1)
	b := startBaton(t, c.Servers(), withEndpoints(), set("failover.mode", "automatic"), set("failover.cooldown", "0s"))
	address, _ := b.leading("db1")
	anewSchema(t, c.Leader)
	opened(t, b, c.Leader)
	b.waitStatus("a failover would succeed", func(s state) bool { return s.Durability.State == "protected" && s.Forecast.Candidate == "db2" })
	before, err := client.Connect(address, "root", "", "")
	require.NoError(t, err)
	defer before.Close()
	require.NoError(t, c.Leader.Kill9())
	require.Error(t, before.Ping())
	w := writeAnew(t, address, 4)
	w.await(20)
	w.stop()
	require.Empty(t, w.errors)
	require.Equal(t, fmt.Sprint(len(w.acked)), c.Followers[0].Value(t, "SELECT COUNT(*) FROM shop.anew"))

	// The former leader starts again, fenced, and follows: nobody who writes is led there.
	require.NoError(t, c.Leader.Restart(t.Context()))
	b.following("db1")
	e := b.endpoints()[0]
	require.Equal(t, "db2", e.LeadsTo)
	require.Zero(t, e.Connections["db1"])
}

// TestALeaderThatRestartsFencedIsWaitedFor: it is led to again only when baton has made it writable.
func TestALeaderThatRestartsFencedIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 1)
	b := startBaton(t, c.Servers(), withEndpoints()) // failover.mode is manual
	address, _ := b.leading("db1")
	anewSchema(t, c.Leader)
	opened(t, b, c.Leader)
	b.wait("the leader would start fenced", func() (bool, string) {
		return c.Leader.Value(t, "SELECT COUNT(*) FROM performance_schema.persisted_variables WHERE VARIABLE_NAME = 'super_read_only' AND VARIABLE_VALUE = 'ON'") == "1", ""
	})
	require.NoError(t, c.Leader.Kill9())
	b.wait("clients are held", func() (bool, string) { return strings.Contains(b.endpoints()[0].Holding, "refuses connections"), "" })
	w := writeAnew(t, address, 4)
	require.NoError(t, c.Leader.Restart(t.Context()))
	w.await(10)
	w.stop()
	require.Empty(t, w.errors, "nobody was led to a leader that takes no writes")
}

func TestEndpointsAreReloaded(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	b := startBaton(t, c.Servers(), withEndpoints())
	address, goes := b.leading("db1")
	conn, err := client.Connect(address, "root", "", "")
	require.NoError(t, err)
	defer conn.Close()
	comes := unusedAddress(t)
	set("endpoints", []map[string]any{
		{"listen": "127.0.0.1:0", "route": "leader", "max_connections": 1}, {"listen": comes, "route": "leader"},
	})(b)
	said := b.reload()
	require.Contains(t, said, "endpoints["+comes+"]")
	require.NotContains(t, said, "next start")
	require.NoError(t, conn.Ping(), "the others' clients notice nothing")
	_, err = client.Connect(address, "root", "", "")
	require.ErrorContains(t, err, "Too many connections", "what was changed holds")
	require.Equal(t, fmt.Sprint(c.Leader.Port), portBehind(comes))
	require.Empty(t, portBehind(goes))

	set("endpoints", []map[string]any{{"listen": c.Followers[0].Addr(), "route": "leader"}})(b)
	b.instances()[1]["address"] = unusedAddress(t) // or the file would be refused for it
	said = b.reload()
	require.Contains(t, said, "not reloaded")
	require.Contains(t, said, "address already in use")
	require.NoError(t, conn.Ping())
	require.Equal(t, fmt.Sprint(c.Leader.Port), portBehind(comes))
}

// TestReadYourWrites reads on a follower what was written to the leader just before, by the GTID that the leader's
// session tells.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 2)
	b := startBaton(t, c.Servers(), withEndpoints())
	leader, followers := b.leading("db1")
	anewSchema(t, c.Leader)
	b.following("db2", "db3")
	writer, err := client.Connect(leader, "root", "", "", func(c *client.Conn) error {
		return c.SetCapability(gomysql.CLIENT_SESSION_TRACK)
	})
	require.NoError(t, err)
	defer writer.Close()
	reader, err := client.Connect(followers, "root", "", "")
	require.NoError(t, err)
	defer reader.Close()
	_, err = writer.Execute("SET SESSION session_track_gtids = OWN_GTID")
	require.NoError(t, err)
	for i := range 50 {
		result, err := writer.Execute(fmt.Sprintf("INSERT INTO shop.anew (name) VALUES ('%d')", i))
		require.NoError(t, err)
		require.NotNil(t, result.SessionTracking)
		gtid := result.SessionTracking.GTID
		require.NotEmpty(t, gtid, "the leader tells the transaction's GTID")
		waited, err := reader.Execute("SELECT WAIT_FOR_EXECUTED_GTID_SET('" + gtid + "', 10)")
		require.NoError(t, err)
		timedOut, err := waited.GetInt(0, 0)
		require.NoError(t, err)
		require.Zero(t, timedOut)
		found, err := reader.Execute(fmt.Sprintf("SELECT COUNT(*) FROM shop.anew WHERE name = '%d'", i))
		require.NoError(t, err)
		n, err := found.GetInt(0, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	}
}

// question asks the daemon as a load balancer does.
func (b *baton) question(path string) (code int, said string) {
	b.t.Helper()
	code, body, err := b.ask(path)
	require.NoError(b.t, err)
	return code, strings.TrimSpace(string(body))
}

// TestLoadBalancersAreToldWhoLeads asks what HAProxy, ProxySQL or a DNS server ask.
func TestLoadBalancersAreToldWhoLeads(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 2)
	b := startBaton(t, c.Servers())
	is := func(code int, path, says string) {
		t.Helper()
		b.wait(fmt.Sprint(path, " is ", code), func() (bool, string) {
			is, said := b.question(path)
			return is == code && strings.Contains(said, says), fmt.Sprint(is, " ", said)
		})
	}
	is(200, "/v1/instances/db1/leader", "it leads")
	is(503, "/v1/instances/db2/leader", "db1 leads")
	is(200, "/v1/instances/db2/follower?max_lag=5s", "it follows")
	is(503, "/v1/instances/db1/follower", "it leads")
	is(404, "/v1/instances/db9/leader", "no instance")
	is(400, "/v1/instances/db2/follower?max_lag=5", "no duration")
	is(400, "/v1/instances/db2/follower?lag=5s", "not known")
	is(200, "/v1/leader", c.Leader.Addr())

	b.must("pause", "db3")
	is(503, "/v1/instances/db3/follower", "paused")
	b.must("switchover", "--to", "db2", "--yes")
	is(200, "/v1/instances/db2/leader", "it leads")
	is(503, "/v1/instances/db1/leader", "db2 leads")
	is(200, "/v1/instances/db1/follower", "it follows")
	require.NoError(t, c.Followers[0].Kill9())
	is(503, "/v1/instances/db2/leader", "refuses connections")
	is(503, "/v1/leader", "refuses connections")
}
