package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/integration/mysqltest"
)

// round is one round of TestChaos: the clients write, something happens, everything is mended, and what the clients
// were told is checked.
type round struct {
	*cluster
	r       *rand.Rand
	load    *clients
	began   time.Time
	epoch   int64
	leader  *node     // at the beginning
	struck  time.Time // when it was taken away
	reports *report
	name    string // of the fault
	ctx     context.Context
}

// catchUps are ways to apply to a follower that is behind, of which the seed draws one.
var catchUps = []map[string]any{
	{"mode": "off"},
	{"mode": "auto", "after": "1s"},
	{"mode": "auto", "after": "1s", "batch": 20},
	{"mode": "always"},
}

func TestChaos(t *testing.T) {
	t.Parallel()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	r := rand.New(rand.NewPCG(s, 0))
	c := newCluster(t)
	catchUp := catchUps[r.IntN(len(catchUps))]
	t.Logf("apply.catch_up: %v", catchUp)
	c.daemon.set("apply.catch_up", catchUp)
	c.daemon.start()
	c.settled()
	load := newClients(c, s)
	sees := watchOver(c)
	report := newReport()
	defer func() { t.Logf("%d acknowledged\n%s", load.total.Load(), report) }()
	plan := chosen(t)
	began := time.Now()
	for n := range *rounds {
		if *most > 0 && time.Since(began) > *most {
			break
		}
		f := plan[n%len(plan)]
		if *only != "" || *rounds > len(plan) {
			f = draw(r, plan)
		}
		c.oneRound(t, r, load, report, f, n)
		sees.testify()
		if t.Failed() {
			t.Fatalf("round %d: %s", n+1, f.name)
		}
		if n%4 == 3 {
			load.forget(c.leader())
			c.settled()
			c.forget()
		}
		if n%10 == 9 {
			t.Logf("%d rounds\n%s", n+1, report)
		}
	}
}

func (c *cluster) oneRound(t *testing.T, r *rand.Rand, load *clients, report *report, f fault, number int) {
	c.setUp(f)
	l := c.daemon.leadership()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	x := &round{cluster: c, r: r, load: load, began: time.Now(), epoch: l.Epoch, leader: c.node(l.Leader), reports: report, name: f.name, ctx: ctx}
	t.Logf("round %d: %s, %s leads in epoch %d", number+1, f.name, l.Leader, l.Epoch)
	load.start()
	load.await(20)
	x.pause(200)
	if !f.alone && r.IntN(3) == 0 {
		x.besides(f)
	}
	f.strike(x)
	report.count(x.name)
	x.pause(500)
	c.heal()
	status := c.settled()
	load.await(10)
	load.stop()
	sound, quarantined := c.split(status)
	load.verify(sound...)
	load.oneLeads(x.began, int(c.daemon.leadership().Epoch-x.epoch))
	c.daemon.sound()
	if t.Failed() {
		for _, e := range c.daemon.events(x.began) {
			t.Logf("%s %-7s %-18s %-4s %s %s", e.Time.Format("15:04:05.000"), e.Level, e.Kind, e.Instance, e.Message, e.Mend)
		}
		return
	}
	if len(quarantined) > 0 {
		c.bringBack(r, report, sound, quarantined)
		load.verify(c.nodes...)
	}
}

// bringBack has the quarantined follow again: rewound, or made anew.
func (c *cluster) bringBack(r *rand.Rand, report *report, sound, quarantined []*node) {
	c.t.Helper()
	for _, bad := range quarantined {
		if r.IntN(2) == 0 {
			report.count("(quarantined, rewound)")
			require.NoError(c.t, c.daemon.rewind(bad.name))
			continue
		}
		report.count("(quarantined, made anew)")
		good := sound[0]
		if good == c.leader() {
			good = sound[len(sound)-1]
		}
		c.reseed(bad, good)
	}
	c.daemon.await("every instance follows again", streaming)
	c.settled()
}

func streaming(s status) bool {
	for _, i := range s.Instances {
		if i.State != "streaming" {
			return false
		}
	}
	return true
}

// mode is the durability that the daemon runs with.
func (c *cluster) mode() string {
	return c.daemon.config["durability"].(map[string]any)["mode"].(string)
}

// setUp gives the daemon the configuration that a fault is for.
func (c *cluster) setUp(f fault) {
	c.t.Helper()
	mode, hooks := f.mode, map[string]any{}
	for hook, command := range f.hooks {
		hooks[hook] = []string{command}
	}
	now := fmt.Sprint(c.daemon.config["durability"], c.daemon.config["hooks"])
	if mode == "" {
		mode = c.mode()
	}
	c.daemon.config["durability"] = map[string]any{"mode": mode}
	if mode == balanced {
		// Far more than a failover takes on a machine that is busy with other things.
		c.daemon.set("durability.ack_timeout", "30s")
	}
	c.daemon.config["hooks"] = hooks
	if fmt.Sprint(c.daemon.config["durability"], c.daemon.config["hooks"]) != now {
		c.daemon.stop()
		c.daemon.start()
		c.settled()
	}
}

// besides has something else happen at the same time.
func (x *round) besides(f fault) {
	others := x.followers()
	n := others[x.r.IntN(len(others))]
	choice := x.r.IntN(4)
	if choice == 1 && x.mode() != strict {
		choice = 0 // the daemon would have to see first that commits wait, before it may do something about a death
	}
	if f.attached && choice != 2 {
		choice = 0
	}
	switch choice {
	case 0:
		x.name += " (a follower is dead)"
		n.kill(x.t)
	case 1:
		x.name += " (the daemon was just killed)"
		x.daemon.kill9()
		x.daemon.start()
	case 2:
		x.name += " (a follower is slow)"
		n.forBaton.Slow(5000 + x.r.IntN(50_000))
	case 3:
		x.name += " (connections break)"
		for _, n := range x.nodes {
			n.forBaton.CutAfter(1+x.r.Int64N(1<<14), mysqltest.Direction(x.r.IntN(2)))
		}
	}
}

func (x *round) pause(most int) { time.Sleep(time.Duration(x.r.IntN(most)) * time.Millisecond) }

// moved waits until clients are acknowledged by another than the leader that was taken away, and notes how long that
// took.
func (x *round) moved() {
	x.t.Helper()
	var told time.Time
	wait(x.t, "another than "+x.leader.name+" acknowledges", func() (ok bool, said string) {
		told, ok = x.load.firstElsewhere(x.struck, x.leader.uuid)
		if !ok && x.reports != nil {
			s, err := x.daemon.status()
			said = fmt.Sprint(s, err)
		}
		return ok, said
	})
	var writable time.Duration
	for _, e := range x.daemon.events(x.struck) {
		if e.Step != nil && e.Step.Name == "writable" {
			writable = e.Time.Sub(x.struck)
			break
		}
	}
	x.t.Logf("took: %s: writable after %.3fs, first acknowledged after %.3fs", x.name, writable.Seconds(), told.Sub(x.struck).Seconds())
	x.reports.time(x.name, writable, told.Sub(x.struck))
}

// strike takes the leader away.
func (x *round) strike(how func(*node)) {
	x.struck = time.Now()
	how(x.leader)
	if !x.leader.Alive() {
		x.reports.count("(leader killed)")
	}
}

// killDaemonAt kills the daemon at a step of a hand-over, if it comes to that, and starts it again after a while.
func (x *round) killDaemonAt(step failover.Step) {
	bounded, cancel := context.WithTimeout(x.ctx, 20*time.Second)
	defer cancel()
	if x.daemon.atStep(bounded, step) {
		if x.r.IntN(2) == 0 {
			time.Sleep(time.Duration(x.r.IntN(60)) * time.Millisecond)
		}
		x.daemon.kill9()
		x.reports.count("(daemon killed at " + string(step) + ")")
		x.pause(700)
	}
	x.daemon.start()
}
