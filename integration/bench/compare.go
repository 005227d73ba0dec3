package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// figure is something whose change is a gain or a loss. Speeds are relative to MySQL's own tools in the same run, so
// that a slower machine is no loss.
type figure struct {
	name   string
	values []float64 // one a round
	most   bool      // more is better
}

// beyond is the ratio from which a change is more than noise, if the ranges of the rounds don't overlap either.
const beyond = 1.10

// readReport reads the data of an earlier run.
func readReport(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &r, nil
}

// figures are all that a run has, each under a name that later runs give it too. The size of a load is in the name:
// with another one the time that everybody takes to begin weighs differently.
func (r *Report) figures() []figure {
	var all []figure
	add := func(name string, most bool, values []float64) {
		if len(values) > 0 {
			all = append(all, figure{name, values, most})
		}
	}
	for _, u := range r.CatchUp {
		for _, c := range u.Contestants {
			if beside := u.defaults(); beside != nil && !c.Native {
				name := fmt.Sprintf("catching up with %d of %s, %s: ", u.Transactions, u.Load, c.Name)
				add(name+"time beside native, defaults", false, valuesOf(c.Runs, func(r Run) float64 { return r.Seconds / beside.seconds() }))
				add(name+"CPU beside native, defaults", false, valuesOf(c.Runs, func(r Run) float64 { return r.followerSide() / beside.cpu() }))
				add(name+"peak memory, MiB", false, valuesOf(c.Runs, func(r Run) float64 { return batonPeakOf(r) / (1 << 20) }))
			}
		}
	}
	if in := r.Ingest; in != nil && len(in.Mysqlbinlog) > 0 {
		beside := over(in.Mysqlbinlog, secondsOf).median
		add("taking the binlog: time beside mysqlbinlog", false, valuesOf(in.Baton, func(r Run) float64 { return r.Seconds / beside }))
	}
	if l := r.Latency; l != nil && l.p99(nativeDefault) > 0 {
		for _, s := range l.Series {
			if !s.Native {
				add(fmt.Sprintf("at the head at %d/s, %s: p99 beside native, defaults", l.Rate, s.Name), false,
					valuesOf(s.Runs, func(r LatencyRun) float64 { return r.Whole.P99 / l.p99(nativeDefault) }))
			}
		}
	}
	if c := r.Commits; c != nil && c.rate(nativeSemiSync) > 0 {
		for _, s := range c.Series {
			if !s.Native {
				add("commits of the leader, "+s.Name+": beside native, semi-sync", true,
					valuesOf(s.Runs, func(r CommitsRun) float64 { return r.Rate / c.rate(nativeSemiSync) }))
			}
		}
	}
	if f := r.FanOut; f != nil && len(f.of(batonRelaxed, 1)) > 0 {
		one := over(f.of(batonRelaxed, 1), batonCost).median
		add(fmt.Sprintf("CPU of baton with %d followers beside 1", manyFollowers), false,
			valuesOf(f.of(batonRelaxed, manyFollowers), func(r Run) float64 { return batonCost(r) / one }))
	}
	if m := r.Memory; m != nil {
		add(fmt.Sprintf("memory with %d followers, one %d transactions behind, MiB", m.Followers, m.Transactions), false,
			valuesOf(m.Runs, func(r Run) float64 { return batonPeakOf(r) / (1 << 20) }))
	}
	return all
}

// regressed names what is worse than in an earlier run, a sentence each, and counts what could be compared.
func (r *Report) regressed(earlier *Report) (worse []string, compared int) {
	before := map[string]figure{}
	for _, f := range earlier.figures() {
		before[f.name] = f
	}
	for _, now := range r.figures() {
		then, ok := before[now.name]
		if !ok {
			continue
		}
		compared++
		if now.worse(then) {
			a, b := spreadOf(then.values), spreadOf(now.values)
			worse = append(worse, fmt.Sprintf("%s: %.2f (%.2f–%.2f) was %.2f (%.2f–%.2f)", now.name, b.median, b.min, b.max, a.median, a.min, a.max))
		}
	}
	return worse, compared
}

func (f figure) worse(than figure) bool {
	now, then := spreadOf(f.values), spreadOf(than.values)
	if f.most {
		return now.median*beyond < then.median && now.max < then.min
	}
	return now.median > then.median*beyond && now.min > then.max
}

// comparison says all that is to be said beside an earlier run.
func (r *Report) comparison(earlier *Report) (said string, worse bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nBeside the run of %s (%s):\n", earlier.Time.Format("2006-01-02 15:04"), earlier.revision())
	if a, z := earlier.Machine, r.Machine; a.CPU != z.CPU || a.Cores != z.Cores || a.MySQL != z.MySQL || a.Filesystem != z.Filesystem {
		fmt.Fprintf(&b, "  it was another machine: %s\n", a.line())
	}
	lines, compared := r.regressed(earlier)
	for _, line := range lines {
		fmt.Fprintf(&b, "  worse: %s\n", line)
	}
	fmt.Fprintf(&b, "  %d figures compared, %d of them worse by more than %.0f %% and beyond the spread of the rounds\n", compared, len(lines), 100*(beyond-1))
	return b.String(), len(lines) > 0
}

func (r *Report) revision() string {
	if r.Revision == "" {
		return "of an unknown revision"
	}
	return "revision " + r.Revision
}
