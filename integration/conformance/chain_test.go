package conformance

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/relay"
	"github.com/batondb/baton/binlog/source"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

// chain is what the daemon puts between a leader and its followers: a source, a relay on disk, and an applier for each.
// It is in the test's own process, so that each follower can be applied to in another way.
type chain struct {
	t      *testing.T
	leader *mysqltest.Server
	feeds  []*feed
	dir    string

	relay *relay.Relay
	end   context.CancelFunc
	work  sync.WaitGroup
}

// feed is a follower and how it is applied to.
type feed struct {
	*mysqltest.Server
	config  applier.Config
	applier *applier.Applier
}

// retry is how soon a stopped follower is tried again by itself: never, in a test.
const retry = time.Hour

func (c *chain) start() {
	c.t.Helper()
	c.relay = relay.New(relay.Config{Dir: filepath.Join(c.dir, "relay"), SegmentSize: 16 << 20, Memory: 16 << 20}, relay.Deps{})
	require.NoError(c.t, c.relay.Open(c.t.Context()))
	if c.relay.Empty() {
		require.NoError(c.t, c.relay.Init(gtid.Set{}))
	}
	ctx, end := context.WithCancel(context.Background())
	c.end = end
	src := source.New(source.Config{Leader: c.leader.Name, ServerID: 4_000_000_000, Heartbeat: 100 * time.Millisecond, ReadTimeout: 30 * time.Second,
		BackoffMin: 10 * time.Millisecond, BackoffMax: 50 * time.Millisecond, Retry: 50 * time.Millisecond},
		source.Deps{Dial: targetOf(c.leader).Dial, Relay: c.relay})
	c.work.Go(func() {
		if err := src.Run(ctx); err != nil {
			c.t.Errorf("read the leader: %v", err)
		}
	})
	for _, f := range c.feeds {
		f.applier = applier.New(f.config, applier.Deps{Dial: targetOf(f.Server).Dial, Relay: relayOf{c.relay}, Gate: gate{f.Server},
			Recorder: nobody{}, Logger: zap.NewNop()})
		c.work.Go(func() { f.applier.Run(ctx) })
	}
}

// stop ends everything and forgets it, as the end of the daemon would.
func (c *chain) stop() {
	if c.end == nil {
		return
	}
	c.end()
	c.work.Wait()
	if err := c.relay.Close(); err != nil {
		c.t.Errorf("close the relay: %v", err)
	}
	c.end = nil
}

// failure is why a follower doesn't go on by itself; nil while it does.
func (f *feed) failure() *applier.Failure {
	if s := f.applier.Status(); s.State == applier.Stopped || s.State == applier.NeedsSeed {
		return s.Failure
	}
	return nil
}

// tryAgain has a stopped follower try again, and one that is away be looked for.
func (f *feed) tryAgain() { f.applier.Resume() }

func targetOf(s *mysqltest.Server) mysql.Target {
	return mysql.Target{Name: s.Name, Address: s.Addr(), User: mysqltest.User, Password: config.NewSecret(mysqltest.Password)}
}

// gate makes the follower one as the daemon does.
type gate struct{ follower *mysqltest.Server }

func (g gate) Admit(ctx context.Context) error {
	db, err := targetOf(g.follower).Open()
	if err != nil {
		return err
	}
	defer db.Close()
	return mysql.MakeFollower(ctx, db)
}

// nobody is told what happens.
type nobody struct{}

func (nobody) Record(history.Event) {}

// relayOf is the relay as appliers see it.
type relayOf struct{ *relay.Relay }

func (r relayOf) NewReader(from gtid.Set) (applier.Reader, error) {
	reader, err := r.Relay.NewReader(from)
	if err != nil {
		return nil, purged(err)
	}
	return readerOf{reader}, nil
}

type readerOf struct{ *relay.Reader }

func (r readerOf) Next(ctx context.Context) (*binlog.Transaction, error) {
	tx, err := r.Reader.Next(ctx)
	return tx, purged(err)
}

func purged(err error) error {
	if errors.Is(err, relay.ErrPurged) {
		return fmt.Errorf("%w: %w", applier.ErrPurged, err)
	}
	return err
}

var _ func(context.Context) (*client.Conn, error) = mysql.Target{}.Dial
