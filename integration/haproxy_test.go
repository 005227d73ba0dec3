package integration_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// TestHAProxyFollowsTheLeader runs HAProxy with the manual's configuration, but for the addresses.
func TestHAProxyFollowsTheLeader(t *testing.T) {
	t.Parallel()
	in, err := mysqltest.FindWith(t.Context(), "haproxy")
	require.NoError(t, err)
	c := protectedCluster(t, 2)
	admin, leader, followers := unusedAddress(t), unusedAddress(t), unusedAddress(t)
	b := startBaton(t, c.Servers(), set("admin.http", admin))
	b.following("db2", "db3")

	text, err := os.ReadFile("../docs/examples/haproxy.cfg")
	require.NoError(t, err)
	_, port, _ := strings.Cut(admin, ":")
	replace := []string{"port 8046", "port " + port, "127.0.0.1:6446", leader, "127.0.0.1:6447", followers}
	for i, s := range c.Servers() {
		replace = append(replace, fmt.Sprintf("10.0.0.%d:3306", i+1), s.Addr())
	}
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, string(text), replace[i])
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(file, []byte(strings.NewReplacer(replace...).Replace(string(text))), 0o600))
	haproxy := exec.Command(in.Haproxy, "-db", "-f", file)
	haproxy.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var log strings.Builder
	haproxy.Stderr = &log
	require.NoError(t, haproxy.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-haproxy.Process.Pid, syscall.SIGKILL)
		_ = haproxy.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})

	requireLeads := func(address string, s *mysqltest.Server) {
		t.Helper()
		require.Eventually(t, func() bool { return portBehind(address) == fmt.Sprint(s.Port) }, patience, 50*time.Millisecond, "HAProxy leads to %s", s.Name)
	}
	requireLeads(leader, c.Leader)
	requireLeads(followers, c.Followers[0])
	requireLeads(followers, c.Followers[1])
	open, err := client.Connect(leader, "root", "", "")
	require.NoError(t, err)
	defer open.Close()
	b.must("switchover", "--to", "db2", "--yes")
	requireLeads(leader, c.Followers[0])
	requireLeads(followers, c.Leader)
	require.Eventually(t, func() bool { return open.Ping() != nil }, patience, 50*time.Millisecond, "who is connected to the former leader is disconnected")
}

// portBehind is the port of the server that an address leads to; empty for none.
func portBehind(address string) string {
	conn, err := client.Connect(address, "root", "", "")
	if err != nil {
		return ""
	}
	defer conn.Close()
	result, err := conn.Execute("SELECT @@port")
	if err != nil {
		return ""
	}
	port, err := result.GetString(0, 0)
	if err != nil {
		return ""
	}
	return port
}

// unusedAddress is an address that is likely still unused a moment later.
func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
