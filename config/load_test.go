package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the expected messages beside testdata/*.bad.yaml anew")

// Each testdata/*.bad.yaml holds one kind of mistake; the .txt beside it says
// exactly what an operator reads.
func TestMistakesAreReportedWithLineAndMend(t *testing.T) {
	t.Setenv(passwordVariable, "")
	files, err := filepath.Glob("testdata/*.bad.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".bad.yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			_, err = parse(filepath.Base(file), "/nowhere", data, nil)
			var problems *Error
			require.ErrorAs(t, err, &problems)
			require.True(t, slices.IsSortedFunc(problems.Problems, func(a, b Problem) int { return a.Line - b.Line }))

			golden := strings.TrimSuffix(file, ".bad.yaml") + ".txt"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644))
			}
			want, readErr := os.ReadFile(golden)
			require.NoError(t, readErr)
			require.Equal(t, string(want), err.Error()+"\n")
		})
	}
}

func TestGoodFilesLoad(t *testing.T) {
	// The file of the design names a password file of another machine.
	t.Setenv(passwordVariable, "sesame")
	files, err := filepath.Glob("testdata/*.good.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(file)
			require.NoError(t, err)
		})
	}
}

func TestAMinimalFileGetsTheDefaults(t *testing.T) {
	t.Setenv(passwordVariable, "")
	c, err := Load("testdata/minimal.good.yaml")
	require.NoError(t, err)

	want := Default()
	want.Cluster, want.StateDir, want.MySQL.User = "shop", "/var/lib/baton/shop", "baton"
	want.Admin.Socket = "/run/baton/shop.sock"
	for _, in := range [][2]string{{"db1", "10.0.0.1:3306"}, {"db2", "10.0.0.2:3306"}} {
		want.Instances = append(want.Instances, Instance{Name: in[0], Address: in[1], Promotion: PromotionNeutral, MySQL: want.MySQL})
	}
	require.Equal(t, want, c)
}

func TestTheFileOfTheDesignIsUnderstood(t *testing.T) {
	t.Setenv(passwordVariable, "sesame")
	c, err := Load("testdata/design.good.yaml")
	require.NoError(t, err)
	require.Equal(t, "db1", c.Leader)
	require.Equal(t, []Promotion{PromotionNeutral, PromotionPrefer, PromotionNever},
		[]Promotion{c.Instances[0].Promotion, c.Instances[1].Promotion, c.Instances[2].Promotion})
	like := Endpoint{MaxConnections: 1000, MaxHeld: 1000, HoldTimeout: 30 * time.Second, ConnectTimeout: 3 * time.Second, SendProxy: ProxyNone}
	leader, followers := like, like
	leader.Listen, leader.Route = "127.0.0.1:6446", RouteLeader
	followers.Listen, followers.Route, followers.MaxLag, followers.Fallback = "127.0.0.1:6447", RouteFollowers, 5*time.Second, FallbackLeader
	require.Equal(t, []Endpoint{leader, followers}, c.Endpoints)
	require.Equal(t, Admin{Socket: "/run/baton/shop.sock", HTTP: "127.0.0.1:8046", TLS: Default().Admin.TLS}, c.Admin)
	require.Equal(t, Default().Relay, c.Relay)
	require.Equal(t, Default().Apply, c.Apply)
	require.Equal(t, Default().Failover, c.Failover)
	require.Equal(t, Default().Switchover, c.Switchover)
	require.Equal(t, Default().Durability, c.Durability)

	in, ok := c.Instance("db3")
	require.True(t, ok)
	require.Equal(t, "10.0.0.3", in.Host())
	_, ok = c.Instance("DB3")
	require.False(t, ok)
}

func TestHooksAreShellLinesOrArguments(t *testing.T) {
	c := load(t, "", minimal+`
hooks:
  fence:
    - "ipmitool -H $BATON power off"
    - {command: [/bin/sh, -c, "exit 0"], timeout: 5s}
    - {command: "exit 0"}
`)
	require.Equal(t, []Hook{
		{Command: []string{"/bin/sh", "-c", "ipmitool -H $BATON power off"}, Timeout: 30 * time.Second},
		{Command: []string{"/bin/sh", "-c", "exit 0"}, Timeout: 5 * time.Second},
		{Command: []string{"/bin/sh", "-c", "exit 0"}, Timeout: 30 * time.Second},
	}, c.Hooks.Fence)
}

func TestRelativePathsStartAtTheFile(t *testing.T) {
	dir := t.TempDir()
	c := load(t, dir, strings.Replace(minimal, "/var/lib/baton/shop", "state", 1)+"admin: {socket: run/s.sock}\n")
	require.Equal(t, filepath.Join(dir, "state"), c.StateDir)
	require.Equal(t, filepath.Join(dir, "run/s.sock"), c.Admin.Socket)
}

func TestAMissingFileIsNoProblemOfItsContent(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	var problems *Error
	require.False(t, errors.As(err, &problems))
}

// FuzzParse: whatever the bytes, an answer and no panic; what is refused has
// its lines within the file.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(f, err)
	for _, file := range append(files, "baton.example.yaml") {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse("fuzz.yaml", dir, data, nil)
		if err == nil {
			require.NotEmpty(t, c.Instances)
			require.NotEmpty(t, c.Cluster)
			return
		}
		var problems *Error
		require.ErrorAs(t, err, &problems)
		require.NotEmpty(t, problems.Problems)
		last := 0
		for _, p := range problems.Problems {
			require.GreaterOrEqual(t, p.Line, max(last, 1))
			require.NotEmpty(t, p.Message)
			last = p.Line
		}
	})
}

const minimal = `cluster: shop
state_dir: /var/lib/baton/shop
mysql: {user: baton}
instances:
  - {name: db1, address: 10.0.0.1:3306}
  - {name: db2, address: 10.0.0.2:3306}
`

// load writes text into dir, or a folder of its own, and loads it.
func load(t *testing.T, dir, text string) Config {
	t.Helper()
	c, err := tryLoad(t, dir, text)
	require.NoError(t, err)
	return c
}

func tryLoad(t *testing.T, dir, text string) (Config, error) {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, "shop.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return Load(path)
}

func TestAnEndpointKeepsWhatIsGiven(t *testing.T) {
	t.Setenv(passwordVariable, "")
	c := load(t, "", minimal+"endpoints: [{listen: \":6447\", route: followers, fallback: refuse, max_held: 0, hold_timeout: 0s, "+
		"allow: [10.0.0.0/8, 192.168.1.7, \"2001:db8::1\"], accept_proxy: [10.0.0.7/32], send_proxy: v2}]\n")
	require.Equal(t, []Endpoint{{Listen: ":6447", Route: RouteFollowers, MaxLag: 5 * time.Second, Fallback: FallbackRefuse,
		MaxConnections: 1000, ConnectTimeout: 3 * time.Second,
		Allow: []string{"10.0.0.0/8", "192.168.1.7/32", "2001:db8::1/128"}, AcceptProxy: []string{"10.0.0.7/32"}, SendProxy: ProxyV2}}, c.Endpoints)
}
