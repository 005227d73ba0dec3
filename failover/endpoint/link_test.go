package endpoint

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/internal/mysql"
)

func TestWhatIsAnsweredWhenAConnectionIsEndedReachesItsClient(t *testing.T) {
	instances, mysqlds := servers(t, 2)
	mysqlds[0].MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
	s := open(t, instances, like(ToLeader))
	s.Lead("db1")
	committing, open := client(t, s.address(0)), client(t, s.address(0))
	_, err := open.ExecContext(t.Context(), "BEGIN")
	require.NoError(t, err)
	_, err = open.ExecContext(t.Context(), "INSERT INTO shop.t VALUES (1)")
	require.NoError(t, err)

	// A commit that is under way when its connection is ended: it waits for a lock until it is let go.
	lock, err := mysqlds[0].DB().Conn(t.Context())
	require.NoError(t, err)
	defer lock.Close()
	_, err = lock.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() {
		_, err := committing.ExecContext(context.Background(), "INSERT INTO shop.t VALUES (2)")
		answer <- err
	}()
	require.Eventually(t, func() bool {
		return mysqlds[0].Value(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE INFO LIKE 'INSERT INTO shop.t VALUES (2)%' AND STATE LIKE 'Waiting%'") == "1"
	}, patience, time.Millisecond)
	s.Hold("the baton passes")
	s.End("db1")
	_, err = lock.ExecContext(t.Context(), "UNLOCK TABLES")
	require.NoError(t, err)

	require.NoError(t, <-answer, "it was committed, and its client told so")
	require.Error(t, committing.PingContext(t.Context()), "then it was disconnected")
	require.Error(t, open.PingContext(t.Context()))
	require.Equal(t, "2", mysqlds[0].Value(t, "SELECT GROUP_CONCAT(id) FROM shop.t"), "what was open is undone")
	s.Lead("db2")
	require.Equal(t, instances["db2"], at(t, client(t, s.address(0))))
}

func TestAConnectionToAFrozenInstanceIsEnded(t *testing.T) {
	instances, mysqlds := servers(t, 2)
	s := open(t, instances, like(ToLeader))
	s.Lead("db1")
	waits := client(t, s.address(0))
	require.NoError(t, mysqlds[0].Freeze())
	failed := make(chan error, 1)
	go func() {
		var n int
		failed <- waits.QueryRowContext(context.Background(), "SELECT 1").Scan(&n)
	}()
	s.Lead("db2")
	require.Error(t, <-failed)
	await(t, s, "nothing is left of it", func(st Status) bool { return st.Connections["db1"] == 0 })
	require.NoError(t, mysqlds[0].Thaw())
}

func TestOnlyIdleConnectionsAreEnded(t *testing.T) {
	instances, mysqlds := servers(t, 2)
	mysqlds[0].MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
	s := open(t, instances, like(ToLeader), like(ToFollowers))
	s.Lead("db1")
	s.Observe([]Follower{{Name: "db2"}})
	idle, begun, running := client(t, s.address(0)), client(t, s.address(0)), client(t, s.address(0))
	reader := client(t, s.address(1))
	for _, c := range []*session{idle, begun, running, reader} {
		require.Equal(t, "1", value(t, c, "SELECT 1"))
	}
	_, err := begun.ExecContext(t.Context(), "BEGIN")
	require.NoError(t, err)
	slept := make(chan error, 1)
	go func() {
		_, err := running.ExecContext(context.Background(), "SELECT SLEEP(2)")
		slept <- err
	}()
	look := func(quiet time.Duration) int {
		ids, known, err := mysql.IdleConnections(t.Context(), mysqlds[0].DB())
		require.NoError(t, err)
		require.True(t, known)
		return s.EndIdle("db1", ids, quiet)
	}
	require.Eventually(t, func() bool {
		return mysqlds[0].Value(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE INFO LIKE 'SELECT SLEEP%'") == "1"
	}, patience, time.Millisecond)

	require.Equal(t, 3, look(time.Hour), "nobody has been quiet for so long")
	require.Equal(t, "1", value(t, idle, "SELECT 1"))
	require.Eventually(t, func() bool { return look(50*time.Millisecond) == 2 }, patience, 5*time.Millisecond)
	require.Error(t, idle.PingContext(t.Context()))
	_, err = begun.ExecContext(t.Context(), "INSERT INTO shop.t VALUES (1)")
	require.NoError(t, err)
	require.Equal(t, 2, look(0), "a transaction is open, and a statement runs")
	_, err = begun.ExecContext(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.NoError(t, <-slept)
	require.Eventually(t, func() bool { return look(0) == 0 }, patience, 5*time.Millisecond)
	require.Equal(t, "1", value(t, reader, "SELECT 1"), "who reads a follower is no client of the leader")
}

// TestAnythingPassesUnchanged sends and fetches rows of many sizes over several connections at once.
func TestAnythingPassesUnchanged(t *testing.T) {
	instances, mysqlds := servers(t, 1)
	mysqlds[0].MustExec(t, "SET GLOBAL max_allowed_packet = 64 << 20")
	s := open(t, instances, like(ToLeader))
	s.Lead("db1")
	sizes := []int{0, 1, 4095, 65536, 65537, 1 << 20, 20 << 20}
	results := make(chan error, 2*len(sizes))
	for i, size := range slices.Concat(sizes, sizes) {
		conn := client(t, s.address(0))
		go func() { results <- echo(conn, size, uint64(i)) }()
	}
	for range 2 * len(sizes) {
		require.NoError(t, <-results)
	}
}

func echo(conn *session, size int, seed uint64) error {
	sent := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = random.Read(sent) // it has no error
	var got []byte
	var sum string
	err := conn.QueryRowContext(context.Background(), "SELECT ?, SHA2(?, 256)", sent, sent).Scan(&got, &sum)
	if err != nil {
		return fmt.Errorf("of %d bytes: %w", size, err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(sent)); sum != want || fmt.Sprintf("%x", sha256.Sum256(got)) != want {
		return fmt.Errorf("%d bytes were changed on the way", size)
	}
	return nil
}

// TestWhoHangsHoldsUpNobody has a client that takes nothing of a large answer, and one that says nothing at all.
func TestWhoHangsHoldsUpNobody(t *testing.T) {
	instances, mysqlds := servers(t, 1)
	s := open(t, instances, like(ToLeader))
	s.Lead("db1")
	silent := dial(t, s.address(0))
	_, err := readGreeting(silent)
	require.NoError(t, err)
	greedy := dial(t, s.address(0)).(*net.TCPConn)
	require.NoError(t, greedy.SetReadBuffer(4096))
	logIn(t, greedy)
	query := "SELECT REPEAT('x', 1 << 24) UNION ALL SELECT REPEAT('y', 1 << 24) UNION ALL SELECT REPEAT('z', 1 << 24)"
	_, err = greedy.Write(append([]byte{byte(len(query) + 1), 0, 0, 0, 3}, query...))
	require.NoError(t, err)
	answering := func() bool {
		return mysqlds[0].Value(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE INFO LIKE 'SELECT REPEAT%'") == "1"
	}
	require.Eventually(t, answering, patience, time.Millisecond)

	require.Equal(t, "1", value(t, client(t, s.address(0)), "SELECT 1"))
	require.Equal(t, 3, s.Status()[0].Connections["db1"])
	require.NoError(t, silent.Close())
	await(t, s, "who leaves frees its place", func(st Status) bool { return st.Connections["db1"] == 2 })
	require.True(t, answering(), "the server can't get rid of its answer")
	s.End("db1")
	await(t, s, "the others are ended, though one takes nothing", func(st Status) bool { return st.Connections["db1"] == 0 })
}

// logIn logs root in, who has no password (MySQL's protocol: HandshakeResponse41).
func logIn(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	_, err := readGreeting(conn)
	require.NoError(t, err)
	const protocol41, secureConnection, pluginAuth = 1 << 9, 1 << 15, 1 << 19
	capabilities := protocol41 | secureConnection | pluginAuth
	response := []byte{byte(capabilities), byte(capabilities >> 8), byte(capabilities >> 16), 0, 0, 0, 0, 1, 45}
	response = append(response, make([]byte, 23)...)
	response = append(response, "root\x00\x00caching_sha2_password\x00"...)
	_, err = conn.Write(append([]byte{byte(len(response)), 0, 0, 1}, response...))
	require.NoError(t, err)
	g := make([]byte, 512)
	n, err := conn.Read(g)
	require.NoError(t, err)
	require.EqualValues(t, 0, g[packetHeader], "an OK packet: %q", g[:n])
}

// TestNothingIsLeftOfConnections counts the files of this process.
func TestNothingIsLeftOfConnections(t *testing.T) {
	instances, _ := servers(t, 1)
	s := open(t, instances, like(ToLeader))
	s.Lead("db1")
	many := func() {
		for range 30 {
			conn, err := connect(t.Context(), s.address(0))
			require.NoError(t, err)
			require.Equal(t, "1", value(t, conn, "SELECT 1"))
			require.NoError(t, conn.Close())
			require.NoError(t, dial(t, s.address(0)).Close())
		}
		await(t, s, "all have left", func(st Status) bool { return st.Connections["db1"] == 0 })
	}
	many()
	before := sockets(t)
	many()
	require.Eventually(t, func() bool { return sockets(t) <= before }, patience, 10*time.Millisecond)
}

func sockets(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	n := 0
	for _, f := range files {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
