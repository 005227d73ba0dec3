package main

import "fmt"

// charts are those of the page, by the name of their file without its end.
func (r *Report) charts() map[string]*chart {
	all := map[string]*chart{}
	if len(r.CatchUp) > 0 {
		all["catch-up"], all["cpu"] = r.catchUpChart(), r.cpuChart()
	}
	if r.Latency != nil {
		all["latency"] = r.Latency.chart()
	}
	if r.Commits != nil {
		all["commits"] = r.Commits.chart()
	}
	if r.FanOut != nil {
		all["fan-out"] = r.FanOut.chart()
	}
	return all
}

func (r *Report) catchUpChart() *chart {
	return r.besideDefault("Catching up", "speed as a multiple of that of the native replica with defaults; longer is better",
		func(c, beside Contestant) []float64 {
			return valuesOf(c.Runs, func(r Run) float64 { return beside.seconds() / r.Seconds })
		})
}

func (r *Report) cpuChart() *chart {
	return r.besideDefault("CPU for the same work", "of the follower's mysqld and of baton, as a multiple of the native replica's with defaults; shorter is better",
		func(c, beside Contestant) []float64 {
			return valuesOf(c.Runs, func(r Run) float64 { return r.followerSide() / beside.cpu() })
		})
}

// besideDefault is a group for each load, of figures that are relative to the native replica with defaults.
func (r *Report) besideDefault(title, about string, figures func(c, beside Contestant) []float64) *chart {
	all := &chart{title: title, about: about, format: "%.2f ×"}
	for _, u := range r.CatchUp {
		beside := u.defaults()
		if beside == nil {
			continue
		}
		g := barGroup{name: u.About}
		for _, c := range u.Contestants {
			if len(c.Runs) > 0 {
				g.bars = append(g.bars, bar{c.Name, !c.Native, spreadOf(figures(c, *beside))})
			}
		}
		all.groups = append(all.groups, g)
	}
	return all
}

func (l *Latency) chart() *chart {
	all := &chart{title: "At the head", about: "milliseconds from sending a transaction until the follower has it; shorter is better", format: "%.1f ms"}
	for _, q := range []struct {
		name   string
		figure func(LatencyRun) float64
	}{
		{"median", func(r LatencyRun) float64 { return 1e3 * r.Whole.P50 }}, {"99th percentile", func(r LatencyRun) float64 { return 1e3 * r.Whole.P99 }},
	} {
		g := barGroup{name: q.name}
		for _, s := range l.Series {
			g.bars = append(g.bars, bar{s.Name, !s.Native, over(s.Runs, q.figure)})
		}
		all.groups = append(all.groups, g)
	}
	return all
}

func (c *Commits) chart() *chart {
	g := barGroup{}
	for _, s := range c.Series {
		g.bars = append(g.bars, bar{s.Name, !s.Native, over(s.Runs, rateOf)})
	}
	return &chart{title: "What the leader commits", about: "transactions a second, by who follows; longer is better", format: "%.0f /s", groups: []barGroup{g}}
}

func (f *FanOut) chart() *chart {
	all := &chart{title: "More followers", about: "CPU for a transaction, in microseconds; shorter is better", format: "%.0f µs"}
	leader, baton := barGroup{name: "the leader's mysqld"}, barGroup{name: "baton"}
	for _, s := range f.Series {
		name := s.label()
		leader.bars = append(leader.bars, bar{name, !s.Native, over(s.Runs, leaderCost)})
		if !s.Native {
			baton.bars = append(baton.bars, bar{name, true, over(s.Runs, batonCost)})
		}
	}
	all.groups = []barGroup{leader, baton}
	return all
}

func (s FanOutSeries) label() string {
	if s.Followers == 1 {
		return s.Name + ": 1 follower"
	}
	return fmt.Sprintf("%s: %d followers", s.Name, s.Followers)
}
