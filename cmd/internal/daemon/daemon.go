package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/batondb/baton/binlog/relay"
	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/failover/endpoint"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/logkey"
	"github.com/batondb/baton/internal/mysql"
)

// relayDir is the relay's folder in the state directory.
const relayDir = "relay"

// Options are what a Daemon is made of.
type Options struct {
	Config config.Config
	// ConfigFile is what a reload reads.
	ConfigFile string
	Build      admin.Build
	// Logger overrides what Config.Log says, in tests; nil doesn't.
	Logger *zap.Logger
}

// A Daemon replicates one cluster.
type Daemon struct {
	opts    Options
	logger  *zap.Logger
	level   zap.AtomicLevel
	started time.Time

	lock      *os.File
	state     *store
	history   *history.Store
	relay     *relay.Relay
	observer  *failover.Observer
	stream    *stream
	control   *failover.Controller
	endpoints *endpoint.Set
	admin     *admin.Server
	measured  *admin.Measured
	semiSync  bool // whether commits on the leader are to wait for the relay

	leading *group     // the controller, which starts the stream and the appliers
	house   *group     // what goes on as long as there is anything to observe
	failed  chan error // why the daemon can't go on; has room for one
	closed  sync.Once

	mu        sync.Mutex
	cfg       config.Config
	followers map[string]*follower
	mayFollow bool           // whether an applier may be started: once the relay begins, until the stop
	applying  sync.WaitGroup // the appliers
}

// New makes a Daemon that Open starts.
func New(opts Options) *Daemon {
	d := &Daemon{opts: opts, cfg: opts.Config, started: time.Now(), measured: admin.NewMeasured(opts.Config.Cluster), followers: map[string]*follower{},
		semiSync: opts.Config.Durability.Mode != config.Async, leading: newGroup(), house: newGroup(), failed: make(chan error, 1)}
	d.stream = &stream{d: d}
	d.logger, d.level = newLogger(opts.Config.Log)
	if opts.Logger != nil {
		d.logger = opts.Logger
	}
	d.logger = d.logger.With(zap.String("cluster", opts.Config.Cluster))
	d.endpoints = endpoint.New(endpoint.Deps{Logger: d.logger.Named("endpoint")})
	return d
}

// Run runs a daemon until ctx ends, SIGHUP reloading its configuration.
func Run(ctx context.Context, opts Options) error {
	d := New(opts)
	defer func() { _ = d.logger.Sync() }() // standard error needs none
	hangups, stop := hangups()
	defer stop()
	if err := d.Open(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-hangups:
			d.reloadOnHangup(ctx)
		case err := <-d.failed:
			return errors.Join(err, d.Close())
		case <-ctx.Done():
			return d.Close()
		}
	}
}

// Open starts everything. It returns nil when the daemon is running, whether or
// not the instances can be reached.
func (d *Daemon) Open(ctx context.Context) error {
	if err := d.open(ctx); err != nil {
		return errors.Join(ofAnotherUser(err, d.opts.Config.StateDir), d.Close())
	}
	return nil
}

func (d *Daemon) open(ctx context.Context) error {
	cfg := d.opts.Config
	var err error
	if d.lock, err = lockDir(cfg.StateDir, cfg.Cluster); err != nil {
		return err
	}
	if d.state, err = openStore(cfg.StateDir, cfg.Cluster); err != nil {
		return err
	}
	d.history = history.New(history.Config{Dir: cfg.StateDir}, history.Deps{Logger: d.logger, Recorded: d.measured.Recorded})
	if err := d.history.Open(ctx); err != nil {
		return err
	}
	d.relay = relay.New(relay.Config{
		Dir: filepath.Join(cfg.StateDir, relayDir), SegmentSize: int64(cfg.Relay.SegmentSize), MaxSize: int64(cfg.Relay.MaxSize),
		Memory: int64(cfg.Relay.Memory), Retention: cfg.Relay.Retention,
	}, relay.Deps{Logger: d.logger.Named("relay"), Synced: d.measured.Synced})
	if err := d.relay.Open(ctx); err != nil {
		return err
	}
	targets, err := d.settleLeader(ctx, cfg)
	if err != nil {
		return err
	}
	if err := d.observe(cfg, targets); err != nil {
		return err
	}
	d.control = failover.NewController(settingsOf(cfg), namesOf(cfg), failover.ControllerDeps{
		Observer: d.observer, Stream: d.stream, Followers: d, Clients: d.endpoints, Relay: d.relay, Lease: lease{d.state}, Recorder: d.history, BatonID: d.state.get().ServerID,
		HandedOver: func(r failover.Result) { d.measured.HandedOver(string(r.Kind), r.Seconds, r.UnwritableSeconds) },
	})
	d.admin = admin.New(admin.Config{Socket: cfg.Admin.Socket, HTTP: cfg.Admin.HTTP, Tokens: cfg.Admin.Tokens, TLS: cfg.Admin.TLS},
		admin.Deps{Cluster: d, HandOvers: handOvers{d.control, d}, Routing: d.endpoints, Events: d.history, Measured: d.measured, Build: d.opts.Build, Logger: d.logger.Named("admin")})
	if err := d.admin.Open(ctx); err != nil {
		return err
	}
	if err := d.configureEndpoints(ctx, cfg); err != nil {
		return err
	}
	d.say(cfg)
	d.house.run(d.keepHouse)
	d.house.run(d.guard)
	d.house.run(d.tellEndpoints)
	d.leading.run(d.lead)
	d.notify("READY=1")
	return nil
}

// say tells what was started.
func (d *Daemon) say(cfg config.Config) {
	m := d.state.get()
	d.history.Record(history.Event{Kind: history.DaemonStarted,
		Message: fmt.Sprintf("baton %s follows %s in epoch %d; the relay holds %d transactions", d.opts.Build.Version, m.Leader, m.Epoch, d.relay.Durable().Subtract(d.relay.Base()).Count())})
	d.logger.Info("the admin API listens", zap.String(logkey.Path, cfg.Admin.Socket), zap.String(logkey.Address, cfg.Admin.HTTP))
	if a := cfg.Admin; a.HTTP != "" && !config.IsLoopback(a.HTTP) && a.TLS.Cert == "" {
		d.logger.Warn("what goes over HTTP, tokens included, can be read on the network", zap.String(logkey.Address, a.HTTP),
			zap.String(logkey.Mend, "set admin.tls.cert and admin.tls.key"))
	}
}

// observe starts to observe the instances.
func (d *Daemon) observe(cfg config.Config, targets []mysql.Target) error {
	id, err := d.state.serverID()
	if err != nil {
		return err
	}
	d.observer = failover.New(failover.Config{
		Targets: targets, Leader: d.state.get().Leader, Interval: cfg.Failover.Interval, Timeout: cfg.Failover.Timeout,
		BatonID: id, SemiSync: d.semiSync, SemiSyncSettings: semiSyncOf(cfg), Heartbeat: true,
	}, failover.Deps{Relay: d.relay, Recorder: d.history, Probed: d.measured.Probed})
	d.house.run(func(ctx context.Context) {
		if err := d.observer.Run(ctx); err != nil {
			d.logger.Error("the instances are not observed", zap.Error(err))
		}
	})
	return nil
}

// Close ends everything in order. What is received is durable, and what the
// appliers have under way committed or undone, when it returns. Whoever can start
// something ends before what it starts: orders and the controller first, then the
// stream, the appliers, and what observes the instances. Nothing of it waits for
// an instance for longer than half a minute, however that hangs. It may be called
// twice, and after a failed Open.
func (d *Daemon) Close() (err error) {
	d.closed.Do(func() { err = d.close() })
	return err
}

func (d *Daemon) close() error {
	opened := d.admin != nil
	if opened {
		d.notify("STOPPING=1")
	}
	var errs []error
	end := func(c io.Closer) { errs = append(errs, c.Close()) }
	if opened {
		d.admin.EndOrders()
	}
	// While commits are still acknowledged, so that clients get their answers.
	end(d.endpoints)
	d.leading.stop()
	d.stream.Close()
	d.endFollowers()
	d.house.stop()
	if d.relay != nil {
		end(d.relay)
	}
	if opened {
		end(d.admin)
	}
	if d.history != nil {
		if opened {
			d.history.Record(history.Event{Kind: history.DaemonStopped, Message: "stopped in order"})
		}
		end(d.history)
	}
	if d.lock != nil {
		end(d.lock)
	}
	return errors.Join(errs...)
}
