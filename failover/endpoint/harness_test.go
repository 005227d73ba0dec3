package endpoint

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/batondb/baton/integration/mysqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that has to come by itself.
const patience = 30 * time.Second

// within is a bound that no client meets where all is well.
const within = time.Minute

// like is an endpoint of a route with room for everybody.
func like(route Route) Config {
	return Config{Listen: "127.0.0.1:0", Route: route, MaxLag: time.Second, MaxConnections: 100, MaxHeld: 100, HoldTimeout: within, ConnectTimeout: within}
}

// servers are db1, db2, …, each on its own.
func servers(t *testing.T, n int) (map[string]string, []*mysqltest.Server) {
	t.Helper()
	c := mysqltest.StartCluster(t, n-1, mysqltest.Relaxed())
	addresses := map[string]string{}
	for i, s := range c.Servers() {
		addresses[fmt.Sprint("db", i+1)] = s.Addr()
	}
	return addresses, c.Servers()
}

// open opens endpoints for the duration of the test.
func open(t *testing.T, instances map[string]string, configs ...Config) *Set {
	t.Helper()
	s := New(Deps{})
	require.NoError(t, s.Configure(t.Context(), configs, instances))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// address is where an endpoint listens.
func (s *Set) address(i int) string { return s.Status()[i].Listen }

// A session is a client's connection.
type session struct {
	*sql.Conn
	db *sql.DB
}

func (s *session) Close() error { return errors.Join(s.Conn.Close(), s.db.Close()) }

// connect connects as a client does.
func connect(ctx context.Context, address string) (*session, error) {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = "root", "tcp", address
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &session{conn, db}, nil
}

// client connects as a client does, for the duration of the test.
func client(t *testing.T, address string) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	conn, err := connect(ctx, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// at is the address of the server that a client was led to.
func at(t *testing.T, conn *session) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", value(t, conn, "SELECT @@port"))
}

func value(t *testing.T, conn *session, query string) string {
	t.Helper()
	var text string
	require.NoError(t, conn.QueryRowContext(t.Context(), query).Scan(&text))
	return text
}

// refused is the number and message of the error packet that a client gets.
func refused(t *testing.T, address string) *mysql.MySQLError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err := connect(ctx, address)
	var refusal *mysql.MySQLError
	require.ErrorAs(t, err, &refusal)
	return refusal
}

// dial is a client that speaks by hand.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	return conn
}

// await waits until something is so of the first endpoint.
func await(t *testing.T, s *Set, what string, so func(Status) bool) {
	t.Helper()
	require.Eventually(t, func() bool { return so(s.Status()[0]) }, patience, 5*time.Millisecond, what)
}

func networks(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}
