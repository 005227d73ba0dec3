package daemon

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/relay"
	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/failover"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStateDirectoryIsOneDaemons(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := lockDir(dir, "shop")
	require.NoError(t, err)
	_, err = lockDir(dir, "other")
	require.ErrorContains(t, err, "in use by another baton (pid ")
	require.ErrorContains(t, err, "cluster shop")
	require.NoError(t, first.Close())
	second, err := lockDir(dir, "shop")
	require.NoError(t, err, "a daemon that is gone holds no lock")
	require.NoError(t, second.Close())
}

// Whoever has run baton as root by hand finds that the unit's can't go on.
func TestAStateOfAnotherUserSaysWhoseItMustBe(t *testing.T) {
	for _, name := range []string{lockFile, "state.json", "events.jsonl", relayDir} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "baton") // that of the test is nobody else's
			require.NoError(t, err)
			defer os.RemoveAll(dir)
			cfg := config.Default()
			cfg.Cluster, cfg.StateDir = "shop", dir
			file := filepath.Join(cfg.StateDir, name)
			require.NoError(t, os.Mkdir(file, 0))
			if name != relayDir {
				require.NoError(t, os.Remove(file))
				require.NoError(t, os.WriteFile(file, nil, 0))
			}
			require.NoError(t, os.Chmod(cfg.StateDir, 0o777))
			runtime.LockOSThread() // for root may open everything: this thread is nobody to files
			defer runtime.UnlockOSThread()
			me, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, 65534, 0, 0)
			defer func() { _, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, me, 0, 0) }()
			err = New(Options{Config: cfg, Logger: zap.NewNop()}).Open(t.Context())
			require.ErrorContains(t, err, file+": permission denied")
			require.ErrorContains(t, err, "chown -R USER: "+cfg.StateDir)
		})
	}
}

func TestStateIsRememberedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(dir, "shop")
	require.NoError(t, err)
	require.NoError(t, s.change(func(m *memory) { m.Leader, m.Epoch, m.Paused = "db1", 3, []string{"db2"} }))
	id, err := s.serverID()
	require.NoError(t, err)
	require.GreaterOrEqual(t, id, uint32(firstServerID))

	again, err := openStore(dir, "shop")
	require.NoError(t, err)
	require.Equal(t, memory{Cluster: "shop", Leadership: failover.Leadership{Epoch: 3, Leader: "db1"}, ServerID: id, Paused: []string{"db2"}}, again.get())
	same, err := again.serverID()
	require.NoError(t, err)
	require.Equal(t, id, same)

	_, err = openStore(dir, "other")
	require.ErrorContains(t, err, `of the cluster "shop"`)

	s.path = filepath.Join(dir, "no", "such", "folder")
	require.Error(t, s.change(func(m *memory) { m.Epoch = 4 }))
	require.EqualValues(t, 3, s.get().Epoch, "what isn't on disk doesn't count")
}

func TestRateIsTakenOverTheLastReadings(t *testing.T) {
	var r rate
	start := time.Now()
	_, ok := r.perSecond()
	require.False(t, ok)
	for i := range 20 {
		count := int64(0)
		if i >= 10 {
			count = int64(i-10) * 100
		}
		r.add(start.Add(time.Duration(i)*time.Second), count)
	}
	perSecond, ok := r.perSecond()
	require.True(t, ok)
	require.InDelta(t, 100, perSecond, 0.001)
}

func TestReloadKeepsWhatNeedsARestart(t *testing.T) {
	old := config.Default()
	old.StateDir, old.Relay.SegmentSize = "/a", 1
	old.Instances = []config.Instance{{Name: "db1", Address: "h:1"}, {Name: "db2", Address: "h:2"}}
	cfg := old
	cfg.StateDir, cfg.Relay.SegmentSize, cfg.Relay.Retention, cfg.Apply.Sessions = "/b", 2, time.Minute, 3
	cfg.Instances = []config.Instance{{Name: "db1", Address: "h:9", Promotion: config.PromotionNever}, {Name: "db3", Address: "h:3"}}

	kept := keepRunning(old, cfg)
	require.Equal(t, "/a", kept.StateDir)
	require.EqualValues(t, 1, kept.Relay.SegmentSize)
	require.Equal(t, time.Minute, kept.Relay.Retention)
	require.Equal(t, 3, kept.Apply.Sessions)
	require.Equal(t, []config.Instance{{Name: "db1", Address: "h:1", Promotion: config.PromotionNever}, {Name: "db3", Address: "h:3"}}, kept.Instances)
}

func TestRelayQueriesChooseWhatIsThere(t *testing.T) {
	const uuid = "11111111-1111-1111-1111-111111111111"
	set := func(s string) gtid.Set { return gtid.MustParseSet(uuid + ":" + s) }
	segments := []relay.SegmentInfo{{Number: 4, GTIDs: set("1-10")}, {Number: 5, GTIDs: set("11-20")}}

	wanted, err := wantedOf(segments, admin.RelayQuery{})
	require.NoError(t, err)
	require.Equal(t, set("1-20").String(), wanted.String())
	wanted, err = wantedOf(segments, admin.RelayQuery{Segment: 5})
	require.NoError(t, err)
	require.Equal(t, set("11-20").String(), wanted.String())
	some := set("9-12")
	wanted, err = wantedOf(segments, admin.RelayQuery{Segment: 4, GTIDs: &some})
	require.NoError(t, err)
	require.Equal(t, set("9-10").String(), wanted.String())

	var refused *admin.Error
	_, err = wantedOf(segments, admin.RelayQuery{Segment: 9})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, admin.NotFound, refused.Code)
	other := set("99")
	_, err = wantedOf(segments, admin.RelayQuery{GTIDs: &other})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, admin.NotFound, refused.Code)
}
