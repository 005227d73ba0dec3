package main

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

// A goal is what baton is built to reach, and how far it does.
type goal struct {
	id       string
	Name     string
	What     string
	Measured string // empty if it wasn't
	Reached  bool
	Short    string // by how much it isn't reached
}

// Goals in figures.
const (
	timesBest     = 3.0 // as fast as the best-tuned native replica
	timesDefault  = 5.0 // as fast as the native replica with defaults
	oneMore       = 10  // percent of CPU that a further follower may cost
	mostMemory    = 256 << 20
	leaderChanges = 1.05 // the leader's CPU with more followers; less is noise
)

//go:embed why
var whyFiles embed.FS

// Why says why it isn't reached, what the profile shows and what was tried; it is written by hand.
func (g goal) Why() (string, error) {
	text, err := whyFiles.ReadFile("why/" + g.id + ".md")
	return strings.TrimSpace(string(text)), err
}

// verdict says whether it is reached, or by how much not.
func (g goal) verdict() string {
	if g.Reached {
		return "reached"
	}
	return "not reached: " + g.Short
}

// missed are the goals that were measured and not reached.
func (r *Report) missed() []goal {
	return slices.DeleteFunc(r.goals(), func(g goal) bool { return g.Measured == "" || g.Reached })
}

// goals are all of them, in the order of the page.
func (r *Report) goals() []goal {
	return []goal{r.catchUpGoal(), r.headGoal(), r.cpuGoal(), r.commitsGoal(), r.followersGoal(), r.memoryGoal()}
}

// oltp is the catch-up that goals are about; nil if it wasn't measured with all that they need.
func (r *Report) oltp() *CatchUp {
	for _, u := range r.CatchUp {
		if u.Load == "oltp" && u.best(true) != nil && u.best(false) != nil && u.defaults() != nil {
			return u
		}
	}
	return nil
}

func (r *Report) catchUpGoal() goal {
	g := goal{id: "catch-up", Name: "Catching up", What: fmt.Sprintf("with sysbench `oltp_write_only`, the follower fully durable: at least %.0f × as fast as the best-tuned native replica, "+
		"and %.0f × as the one with defaults", timesBest, timesDefault)}
	u := r.oltp()
	if u == nil {
		return g
	}
	baton := u.best(false)
	best, def := u.best(true).seconds()/baton.seconds(), u.defaults().seconds()/baton.seconds()
	g.Measured = fmt.Sprintf("%.2f × and %.2f × (%s)", best, def, baton.Name)
	g.Reached = best >= timesBest && def >= timesDefault
	var short []string
	if best < timesBest {
		short = append(short, fmt.Sprintf("%.0f %% of the first", 100*best/timesBest))
	}
	if def < timesDefault {
		short = append(short, fmt.Sprintf("%.0f %% of the second", 100*def/timesDefault))
	}
	g.Short = strings.Join(short, ", ")
	return g
}

func (r *Report) headGoal() goal {
	g := goal{id: "head", Name: "At the head", What: "from the leader's commit until the follower shows it: p99 no more than the native replica's"}
	if r.Latency == nil {
		return g
	}
	native, baton := r.Latency.p99(nativeDefault), r.Latency.p99(batonRelaxed)
	if native == 0 || baton == 0 {
		return g
	}
	g.Measured = fmt.Sprintf("%.1f ms beside %.1f ms, from sending the transaction", 1e3*baton, 1e3*native)
	g.Reached = baton <= noise*native
	g.Short = fmt.Sprintf("%.2f times as long", baton/native)
	return g
}

func (r *Report) cpuGoal() goal {
	g := goal{id: "cpu", Name: "CPU", What: "for the same work, of baton and the follower's server: no more than the native replica's"}
	u := r.oltp()
	if u == nil {
		return g
	}
	baton, native := u.best(false), u.best(true)
	g.Measured = fmt.Sprintf("%.1f s (%s) beside %.1f s (%s) and %.1f s (defaults)", baton.cpu(), baton.Name, native.cpu(), native.Name, u.defaults().cpu())
	least := min(native.cpu(), u.defaults().cpu())
	g.Reached = baton.cpu() <= noise*least
	g.Short = fmt.Sprintf("%.2f times as much", baton.cpu()/least)
	return g
}

func (r *Report) commitsGoal() goal {
	g := goal{id: "commits", Name: "What the leader commits", What: "with `strict`: at least as much as with a native semi-sync replica"}
	if r.Commits == nil {
		return g
	}
	native, baton := r.Commits.rate(nativeSemiSync), r.Commits.rate(batonStrict)
	if native == 0 || baton == 0 {
		return g
	}
	g.Measured = fmt.Sprintf("%.0f transactions/s beside %.0f", baton, native)
	g.Reached = noise*baton >= native
	g.Short = fmt.Sprintf("%.0f %% of it", 100*baton/native)
	return g
}

func (r *Report) followersGoal() goal {
	g := goal{id: "followers", Name: "More followers", What: fmt.Sprintf("one more: at most %d %% more CPU in baton, and no change on the leader", oneMore)}
	if r.FanOut == nil {
		return g
	}
	one, many := r.FanOut.of(batonRelaxed, 1), r.FanOut.of(batonRelaxed, manyFollowers)
	if len(one) == 0 || len(many) == 0 {
		return g
	}
	more := 100 * (over(many, batonCost).median/over(one, batonCost).median - 1) / (manyFollowers - 1)
	leader := over(many, leaderCost).median / over(one, leaderCost).median
	g.Measured = fmt.Sprintf("%.1f %% more in baton each, from 1 to %d followers; the leader uses %.2f times what it does with one", more, manyFollowers, leader)
	g.Reached = more <= oneMore && leader <= leaderChanges
	var short []string
	if more > oneMore {
		short = append(short, fmt.Sprintf("%.1f percent points more in baton", more-oneMore))
	}
	if leader > leaderChanges {
		short = append(short, fmt.Sprintf("%.0f %% more on the leader", 100*(leader-1)))
	}
	g.Short = strings.Join(short, ", ")
	return g
}

func (r *Report) memoryGoal() goal {
	g := goal{id: "memory", Name: "Memory", What: fmt.Sprintf("at most %s MiB with %d followers, one of them far behind, with transactions of all sizes", mebibytes(mostMemory), manyFollowers)}
	if r.Memory == nil || len(r.Memory.Runs) == 0 {
		return g
	}
	peak := over(r.Memory.Runs, batonPeakOf).max
	g.Measured = mebibytes(peak) + " MiB at most"
	g.Reached = peak <= mostMemory
	g.Short = mebibytes(peak-mostMemory) + " MiB more"
	return g
}
