package integration_test

import (
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/server"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// mariaDB is no database: it greets and logs in as MariaDB does, tells the variables that MariaDB 11.8 has of those it
// is asked for, and gives MariaDB's error for the ones that only MySQL has.
type mariaDB struct {
	server.EmptyHandler
	addr string

	mu    sync.Mutex
	asked []string // every statement, in order
}

const mariaDBVersion = "11.8.3-MariaDB-0+deb13u1 from Debian"

var mariaDBVariables = [][]any{
	{"binlog_checksum", "CRC32"}, {"binlog_expire_logs_seconds", "864000"}, {"binlog_format", "MIXED"}, {"binlog_row_image", "FULL"},
	{"binlog_row_metadata", "NO_LOG"}, {"expire_logs_days", "10.000000"}, {"innodb_flush_log_at_trx_commit", "1"},
	{"log_bin", "ON"}, {"log_bin_trust_function_creators", "OFF"}, {"log_slave_updates", "OFF"}, {"lower_case_table_names", "0"},
	{"max_allowed_packet", "16777216"}, {"read_only", "OFF"}, {"rpl_semi_sync_master_enabled", "OFF"}, {"rpl_semi_sync_slave_enabled", "OFF"},
	{"server_id", "11"}, {"sync_binlog", "0"}, {"version", mariaDBVersion}, {"version_comment", "-- Please help get to 10k stars at https://github.com/MariaDB/Server"},
}

// setsSession is a SET of variables of the session only.
var setsSession = regexp.MustCompile(`^SET (\w+ ?= ?[^,@]*('[^']*')?(, ?)?)+$`)

func startMariaDB(t testing.TB) *mariaDB {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &mariaDB{addr: listener.Addr().String()}
	accounts := server.NewInMemoryAuthenticationHandler(mysql.AUTH_NATIVE_PASSWORD)
	require.NoError(t, accounts.AddUser(mysqltest.User, mysqltest.Password))
	as := server.NewServer(mariaDBVersion, mysql.DEFAULT_COLLATION_ID, mysql.AUTH_NATIVE_PASSWORD, nil, nil)
	var wg sync.WaitGroup
	var open []net.Conn
	wg.Go(func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			open = append(open, raw)
			m.mu.Unlock()
			wg.Go(func() {
				defer raw.Close()
				conn, err := as.NewCustomizedConn(raw, accounts, m)
				for err == nil && !conn.Closed() {
					err = conn.HandleCommand()
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		m.mu.Lock()
		for _, c := range open {
			c.Close()
		}
		m.mu.Unlock()
		wg.Wait()
	})
	return m
}

// HandleQuery implements [server.Handler].
func (m *mariaDB) HandleQuery(query string) (*mysql.Result, error) {
	m.mu.Lock()
	m.asked = append(m.asked, strings.Clone(query))
	m.mu.Unlock()
	switch {
	case setsSession.MatchString(query):
		return &mysql.Result{}, nil
	case strings.HasPrefix(query, "SHOW GLOBAL VARIABLES"):
		var found [][]any
		for _, row := range mariaDBVariables {
			if strings.Contains(query, "'"+row[0].(string)+"'") {
				found = append(found, row)
			}
		}
		set, err := mysql.BuildSimpleTextResultset([]string{"Variable_name", "Value"}, found)
		if err != nil {
			return nil, err
		}
		return mysql.NewResult(set), nil
	}
	return nil, mysql.NewError(mysql.ER_UNKNOWN_SYSTEM_VARIABLE, "Unknown system variable")
}

// requireUntouched fails the test if anything was said that could change a server.
func (m *mariaDB) requireUntouched(t testing.TB) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	require.NotEmpty(t, m.asked)
	for _, query := range m.asked {
		reads := strings.HasPrefix(query, "SHOW ") || strings.HasPrefix(strings.TrimSpace(query), "SELECT ")
		require.True(t, reads || setsSession.MatchString(query), query)
	}
}

const (
	saysMariaDB = "the server is MariaDB " + mariaDBVersion + "; its binlog and GTIDs are not MySQL's"
	mendMariaDB = "use a MySQL server, 8.0 or newer"
)

func TestMariaDBIsRefused(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	t.Run("as the leader", func(t *testing.T) {
		m := startMariaDB(t)
		b := batonFor(t, c.Servers())
		b.instances()[0]["address"] = m.addr
		bad{"db1", "stopped", saysMariaDB, mendMariaDB}.refuse(t, b, c.Followers[0])
		m.requireUntouched(t)
		b.stop()
	})
	t.Run("as a follower", func(t *testing.T) {
		m := startMariaDB(t)
		b := batonFor(t, c.Servers())
		b.config["instances"] = append(b.instances(), map[string]any{"name": "db3", "address": m.addr})
		bad{"db3", "stopped", saysMariaDB, mendMariaDB}.refuse(t, b)
		w := newWorkload(t, c.Leader, 11)
		w.write(t, 20)
		mysqltest.WaitGTID(t, c.Followers[0], c.Leader.GTIDExecuted(t), patience)
		m.requireUntouched(t)
		b.stop()
	})
}
