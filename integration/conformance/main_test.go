package conformance

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/integration/mysqltest"
)

var files = flag.String("files", "*", "files of the corpus, as a pattern without .sql")

// patience bounds every wait for something that has to come by itself.
const patience = 90 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is the servers that everything runs on: starting them takes longer than most files.
type stage struct {
	leader  *mysqltest.Server
	chain   *chain
	native  *native
	servers []*mysqltest.Server
	dir     string // for files that the servers write and read
}

// close ends all before the test does.
func (st *stage) close() {
	st.chain.stop()
	for _, s := range st.servers {
		s.Close() // its end is looked at when the test ends
	}
}

// newStage starts all, a native replica among them.
func newStage(t *testing.T) *stage {
	t.Helper()
	st, others := newFollowers(t, 3)
	st.native = &native{others[0], t}
	st.native.start(st.leader)
	return st
}

// newFollowers starts a leader and so many others; baton applies to the first two.
func newFollowers(t *testing.T, n int) (st *stage, others []*mysqltest.Server) {
	t.Helper()
	c := mysqltest.StartCluster(t, n, mysqltest.Relaxed(), mysqltest.Setting("max_allowed_packet", "16M"), mysqltest.Setting("local_infile", "ON"),
		mysqltest.Setting("log_bin_trust_function_creators", "ON"))
	st = &stage{leader: c.Leader, servers: c.Servers(), dir: t.TempDir()}
	base := applier.Config{Sessions: 8, Batches: schedule.Never, BatchSize: 100, CatchingUp: 10 * time.Second, Retry: retry}
	st.chain = &chain{t: t, leader: c.Leader, dir: t.TempDir()}
	for i, s := range c.Followers[:2] {
		f := &feed{Server: s, config: base}
		f.config.Name = s.Name
		if i == 1 {
			f.config.Batches = schedule.Always
		}
		st.chain.feeds = append(st.chain.feeds, f)
	}
	st.chain.start()
	t.Cleanup(st.chain.stop)
	return st, c.Followers[2:]
}

func TestCorpus(t *testing.T) {
	found, err := filepath.Glob(filepath.Join("testdata", *files+".sql"))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	var st *stage
	for _, file := range found {
		if st == nil {
			st = newStage(t)
		}
		ok := t.Run(strings.TrimSuffix(filepath.Base(file), ".sql"), func(t *testing.T) {
			steps, err := readScript(file)
			require.NoError(t, err)
			st.run(t, steps)
		})
		if !ok {
			// What comes next would be compared with what is left.
			st.close()
			st = nil
		}
	}
}
