package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

// Config says whom to observe, and how. The zero value of a field is not a
// default.
type Config struct {
	Targets []mysql.Target // in the order of the config
	Leader  string         // name of the leader; empty while it is not known
	// Interval is the time between an answer of an instance and the next
	// question.
	Interval time.Duration
	// Timeout is how long an answer may take before the instance is called
	// silent.
	Timeout time.Duration
	// BatonID is the server_id under which baton reads the leader.
	BatonID uint32
	// SemiSync tells whether acknowledgements are wanted.
	SemiSync bool
	// SemiSyncSettings is how the leader's commits are to wait for them; nil where
	// that is not compared.
	SemiSyncSettings *mysql.SemiSyncSettings
	// Heartbeat has the leader written to, once at a time, while it is writable.
	// It needs baton's schema; without it nothing is written.
	Heartbeat bool
}

// A Relay tells what the relay holds.
type Relay interface {
	Empty() bool // whether it holds nothing and doesn't know where to begin
	Base() gtid.Set
	Durable() gtid.Set
}

// Deps are what an Observer works with.
type Deps struct {
	Relay Relay
	// Recorder is told when an instance can't take part, and when it can again.
	Recorder history.Recorder
	// Probed is told of each question to an instance how long the answer took, or
	// how long there was none and why. It may not wait. Nil tells nobody.
	Probed func(instance string, took time.Duration, err error)
}

// An Observer observes all instances of a cluster. Its methods are safe for
// concurrent use.
type Observer struct {
	cfg  Config
	deps Deps

	mu      sync.Mutex
	ctx     context.Context // of the watches; nil before Run
	cancel  context.CancelFunc
	closed  bool
	running sync.WaitGroup
	leader  string
	watches []*watch      // in the order of the config
	changed chan struct{} // closed and replaced at every answer and failure
	said    map[string]string
}

// New makes an Observer that Run starts.
func New(cfg Config, deps Deps) *Observer {
	o := &Observer{cfg: cfg, deps: deps, leader: cfg.Leader, changed: make(chan struct{}), said: map[string]string{}}
	for _, t := range cfg.Targets {
		o.watches = append(o.watches, newWatch(o, t))
	}
	return o
}

// Run observes until ctx ends or Close is called, and returns when no
// goroutine is left. It may be called once.
func (o *Observer) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o.mu.Lock()
	if o.closed || o.ctx != nil {
		o.mu.Unlock()
		return errors.New("run the observer: it was run or closed before")
	}
	o.ctx, o.cancel = ctx, cancel
	for _, w := range o.watches {
		o.start(w)
	}
	o.running.Go(func() { o.report(ctx) })
	o.mu.Unlock()
	<-ctx.Done()
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.running.Wait()
	return nil
}

// Close ends Run and waits for its goroutines. It may be called twice.
func (o *Observer) Close() error {
	o.mu.Lock()
	o.closed = true
	if o.cancel != nil {
		o.cancel()
	}
	o.mu.Unlock()
	o.running.Wait()
	return nil
}

// start starts a watch; o.mu is held and Run is under way.
func (o *Observer) start(w *watch) {
	ctx, cancel := context.WithCancel(o.ctx)
	w.cancel = cancel
	o.running.Go(func() {
		defer cancel()
		w.run(ctx)
	})
	if o.cfg.Heartbeat {
		o.running.Go(func() { w.beat(ctx) })
	}
}

// SetTargets changes whom to observe: what is known of a target that stays as
// it is remains.
func (o *Observer) SetTargets(targets []mysql.Target) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	old := o.watches
	o.watches = nil
	for _, t := range targets {
		if i := slices.IndexFunc(old, func(w *watch) bool { return w.target == t }); i >= 0 {
			o.watches = append(o.watches, old[i])
			old = slices.Delete(slices.Clone(old), i, i+1)
			continue
		}
		w := newWatch(o, t)
		o.watches = append(o.watches, w)
		if o.ctx != nil {
			o.start(w)
		}
	}
	for _, w := range old {
		if w.cancel != nil {
			w.cancel()
		}
		delete(o.said, w.target.Name)
	}
	o.notify()
}

// SetLeader says who leads from now on.
func (o *Observer) SetLeader(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leader == name {
		return
	}
	o.leader = name
	for _, w := range o.watches {
		// What was told apart by the former leader's set has to be told anew.
		w.pending = w.pulse
		w.stopBeat()
	}
	o.notify()
}

// Changed returns a channel that is closed when something of the View may have
// changed after this call.
func (o *Observer) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

// notify wakes those who wait for a change; o.mu is held.
func (o *Observer) notify() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// View returns what is known now.
func (o *Observer) View() View {
	v, cluster := o.look()
	for i, m := range cluster.Members {
		if m.Facts == nil || m.Leader {
			continue
		}
		if errant, ok := cluster.Errant(&cluster.Members[i]); ok {
			v.Instances[i].Errant = errant
		}
	}
	return v
}

// Findings returns what the examination of the cluster, tables aside, says of
// the instances that were observed.
func (o *Observer) Findings() []mysql.Finding {
	_, cluster := o.look()
	return mysql.Examine(cluster)
}

// Cluster returns what is known as the examination wants it.
func (o *Observer) Cluster() mysql.Cluster {
	_, cluster := o.look()
	return cluster
}

func (o *Observer) look() (View, mysql.Cluster) {
	o.mu.Lock()
	v := View{At: time.Now(), Leader: o.leader}
	c := mysql.Cluster{BatonID: o.cfg.BatonID, SemiSync: o.cfg.SemiSync, SemiSyncSettings: o.cfg.SemiSyncSettings}
	for _, w := range o.watches {
		leads := w.target.Name == o.leader
		v.Instances = append(v.Instances, Instance{
			Name: w.target.Name, Address: w.target.Address, Leader: leads,
			Observed: w.observed, Fault: w.fault, Since: w.since, Answered: w.pulse.Read, Facts: w.current(w.pulse),
			FailingSince: w.failing, RefusedSince: w.refused,
			WriteFault: w.writeFault, WriteSince: w.writeSince,
		})
		c.Members = append(c.Members, mysql.Member{
			Name: w.target.Name, Address: w.target.Address, Leader: leads, Facts: w.comparable(leads), Fault: w.fault,
		})
	}
	o.mu.Unlock()
	// Last, since it may hold more than the instances did.
	c.Relay = o.relay()
	return v, c
}

func (o *Observer) relay() *mysql.RelaySets {
	if o.deps.Relay.Empty() {
		return nil
	}
	return &mysql.RelaySets{Base: o.deps.Relay.Base(), Durable: o.deps.Relay.Durable()}
}

// LeaderNow is the leader's clock now, as it was compared with this machine's
// when it last answered: what it says of when it committed something is to be
// compared with this. This machine's own clock while it has not answered.
func (o *Observer) LeaderNow() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if leader := o.leading(); leader != nil && leader.facts != nil {
		return now.Add(leader.pulse.Clock.Offset)
	}
	return now
}

// leading returns the leader's watch; o.mu is held.
func (o *Observer) leading() *watch {
	for _, w := range o.watches {
		if w.target.Name == o.leader {
			return w
		}
	}
	return nil
}

// watchOf returns the watch of that name.
func (o *Observer) watchOf(name string) (*watch, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.watches {
		if w.target.Name == name {
			return w, nil
		}
	}
	return nil, fmt.Errorf("observe %s: there is no instance of that name", name)
}
