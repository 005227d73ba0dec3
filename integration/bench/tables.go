package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is a heading and rows; the first column is text, the others are figures unless words is set.
type table struct {
	title string
	head  []string
	rows  [][]string
	words bool
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// terminal renders the table with aligned columns.
func (t *table) terminal() string {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	b.WriteString(t.title + "\n\n")
	for _, row := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString("  " + cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// markdown renders the table alone, without its title.
func (t *table) markdown() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head)
	column := "---:|"
	if t.words {
		column = "---|"
	}
	b.WriteString("|---|" + strings.Repeat(column, len(t.head)-1) + "\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// table is the catch-up with one load.
func (u *CatchUp) table() *table {
	t := &table{
		title: fmt.Sprintf("Catching up with %d transactions (%s; %.0f MB of binlog)", u.Transactions, u.About, float64(u.BinlogBytes)/1e6),
		head:  []string{"follower", "seconds", "min–max", "transactions/s", "× native default", "× best native", "follower CPU s", "baton CPU s", "leader CPU s", "baton peak MiB"},
	}
	ratio := func(c Contestant, to *Contestant) string {
		if to == nil {
			return "–"
		}
		return fmt.Sprintf("%.2f", to.seconds()/c.seconds())
	}
	for _, c := range u.Contestants {
		if len(c.Runs) == 0 {
			continue
		}
		time := over(c.Runs, secondsOf)
		cpu, peak := "–", "–"
		if !c.Native {
			cpu = fmt.Sprintf("%.1f", over(c.Runs, func(r Run) float64 { return r.BatonCPU }).median)
			peak = mebibytes(over(c.Runs, batonPeakOf).max)
		}
		t.add(c.Name, fmt.Sprintf("%.1f", time.median), fmt.Sprintf("%.1f–%.1f", time.min, time.max), fmt.Sprintf("%.0f", u.rate(c)),
			ratio(c, u.defaults()), ratio(c, u.best(true)),
			fmt.Sprintf("%.1f", over(c.Runs, func(r Run) float64 { return r.FollowerCPU }).median), cpu,
			fmt.Sprintf("%.1f", over(c.Runs, func(r Run) float64 { return r.LeaderCPU }).median), peak)
	}
	return t
}

func mebibytes(bytes float64) string { return fmt.Sprintf("%.0f", bytes/(1<<20)) }

// table is the ingest.
func (in *Ingest) table() *table {
	t := &table{
		title: fmt.Sprintf("Taking %.0f MB of binary logs from the leader", float64(in.BinlogBytes)/1e6),
		head:  []string{"by", "seconds", "min–max", "MB/s", "CPU s", "peak MiB"},
	}
	add := func(name string, runs []Run) {
		if len(runs) == 0 {
			return
		}
		time := over(runs, secondsOf)
		peak := "–"
		if runs[0].BatonPeak > 0 {
			peak = mebibytes(over(runs, batonPeakOf).max)
		}
		t.add(name, fmt.Sprintf("%.2f", time.median), fmt.Sprintf("%.2f–%.2f", time.min, time.max),
			fmt.Sprintf("%.0f", float64(in.BinlogBytes)/1e6/time.median),
			fmt.Sprintf("%.2f", over(runs, func(r Run) float64 { return r.BatonCPU + r.ToolCPU }).median), peak)
	}
	add("baton, durable in its relay", in.Baton)
	add("mysqlbinlog --raw, not fsynced", in.Mysqlbinlog)
	return t
}

// table is the latency: medians of the rounds, and the largest of the largest.
func (l *Latency) table() *table {
	t := &table{
		title: fmt.Sprintf("At the head: milliseconds until a commit is visible on the follower, at %d transactions/s", l.Rate),
		head:  []string{"follower", "after the leader's OK: p50", "p99", "max", "after sending: p50", "p99", "the commit itself: p50", "p99"},
	}
	for _, s := range l.Series {
		if len(s.Runs) == 0 {
			continue
		}
		figure := func(of func(LatencyRun) float64) string {
			return fmt.Sprintf("%.1f", 1e3*over(s.Runs, of).median)
		}
		t.add(s.Name,
			figure(func(r LatencyRun) float64 { return r.Visible.P50 }), figure(func(r LatencyRun) float64 { return r.Visible.P99 }),
			fmt.Sprintf("%.1f", 1e3*over(s.Runs, func(r LatencyRun) float64 { return r.Visible.Max }).max),
			figure(func(r LatencyRun) float64 { return r.Whole.P50 }), figure(func(r LatencyRun) float64 { return r.Whole.P99 }),
			figure(func(r LatencyRun) float64 { return r.Commit.P50 }), figure(func(r LatencyRun) float64 { return r.Commit.P99 }))
	}
	return t
}

// table is what the leader commits.
func (c *Commits) table() *table {
	t := &table{
		title: fmt.Sprintf("What the leader commits in %d s, from %d connections that run sysbench oltp_write_only", c.Seconds, c.Threads),
		head: []string{"followed by", "transactions/s", "min–max", "× native semi-sync", "p99 ms", "follower done after s", "leader CPU µs a transaction",
			"follower", "baton"},
	}
	beside := c.rate(nativeSemiSync)
	for _, s := range c.Series {
		if len(s.Runs) == 0 {
			continue
		}
		rate, ratio, baton := over(s.Runs, rateOf), "–", "–"
		if beside > 0 {
			ratio = fmt.Sprintf("%.2f", rate.median/beside)
		}
		cost := func(of func(Run) float64) string {
			return fmt.Sprintf("%.0f", over(s.Runs, func(r CommitsRun) float64 { return of(r.Run) }).median)
		}
		if !s.Native {
			baton = cost(batonCost)
		}
		t.add(s.Name, fmt.Sprintf("%.0f", rate.median), fmt.Sprintf("%.0f–%.0f", rate.min, rate.max), ratio,
			fmt.Sprintf("%.1f", 1e3*over(s.Runs, func(r CommitsRun) float64 { return r.P99 }).median),
			fmt.Sprintf("%.2f", over(s.Runs, func(r CommitsRun) float64 { return r.Behind }).median),
			cost(leaderCost), cost(followerCost), baton)
	}
	return t
}

// table is what more followers cost.
func (f *FanOut) table() *table {
	t := &table{
		title: fmt.Sprintf("More followers, at %d transactions/s: microseconds of CPU a transaction", f.Rate),
		head:  []string{"replication", "leader", "min–max", "baton", "min–max", "all followers", "baton peak MiB"},
	}
	for _, s := range f.Series {
		if len(s.Runs) == 0 {
			continue
		}
		leader, baton, spread, peak := over(s.Runs, leaderCost), "–", "–", "–"
		if !s.Native {
			cost := over(s.Runs, batonCost)
			baton, spread = fmt.Sprintf("%.0f", cost.median), fmt.Sprintf("%.0f–%.0f", cost.min, cost.max)
			peak = mebibytes(over(s.Runs, batonPeakOf).max)
		}
		t.add(s.label(), fmt.Sprintf("%.0f", leader.median), fmt.Sprintf("%.0f–%.0f", leader.min, leader.max), baton, spread,
			fmt.Sprintf("%.0f", over(s.Runs, followerCost).median), peak)
	}
	return t
}

// table is the memory.
func (m *Memory) table() *table {
	t := &table{
		title: fmt.Sprintf("Memory with %d followers, one of which lacks %d transactions (%.0f MB of binlog)", m.Followers, m.Transactions, float64(m.BinlogBytes)/1e6),
		head:  []string{"", "baton peak MiB", "baton CPU s", "seconds until the one had caught up"},
	}
	for _, r := range m.Runs {
		t.add("baton, defaults", mebibytes(float64(r.BatonPeak)), fmt.Sprintf("%.1f", r.BatonCPU), fmt.Sprintf("%.1f", r.Seconds))
	}
	return t
}

// goalTable is how far the goals are reached.
func (r *Report) goalTable() *table {
	t := &table{title: "Goals", head: []string{"", "goal", "measured", ""}, words: true}
	for _, g := range r.goals() {
		switch {
		case g.Measured == "":
			t.add(g.Name, g.What, "not in this run", "–")
		case g.Reached:
			t.add(g.Name, g.What, g.Measured, g.verdict())
		default:
			t.add(g.Name, g.What, g.Measured, "**"+g.verdict()+"**")
		}
	}
	return t
}

// tables are all that there are.
func (r *Report) tables() []*table {
	var all []*table
	for _, u := range r.CatchUp {
		all = append(all, u.table())
	}
	if r.Ingest != nil {
		all = append(all, r.Ingest.table())
	}
	if r.Latency != nil {
		all = append(all, r.Latency.table())
	}
	if r.Commits != nil {
		all = append(all, r.Commits.table())
	}
	if r.FanOut != nil {
		all = append(all, r.FanOut.table())
	}
	if r.Memory != nil {
		all = append(all, r.Memory.table())
	}
	if r.Proxied != nil {
		all = append(all, r.Proxied.table())
	}
	return all
}

// terminal renders the report as text.
func (r *Report) terminal() string {
	var b strings.Builder
	b.WriteString("\n" + r.Machine.line() + "\n")
	for _, t := range r.tables() {
		b.WriteString("\n" + t.terminal())
	}
	for _, u := range r.CatchUp {
		if said := u.verdict(); said != "" {
			fmt.Fprintf(&b, "\n%s: %s\n", u.Load, said)
		}
	}
	for _, said := range r.behind() {
		fmt.Fprintf(&b, "%s\n", said)
	}
	b.WriteString("\n")
	for _, g := range r.goals() {
		if g.Measured != "" {
			fmt.Fprintf(&b, "%s: %s\n  %s: %s\n", g.Name, strings.ReplaceAll(g.What, "`", ""), g.Measured, g.verdict())
		}
	}
	return b.String()
}

// line describes the machine on one line.
func (m Machine) line() string {
	return fmt.Sprintf("%d cores (%s), %.0f GiB of memory, %s with a median fsync of %.2f ms (p99 %.2f), %s, MySQL %s, Go %s, sysbench %s",
		m.Cores, m.CPU, float64(m.MemoryBytes)/(1<<30), m.Filesystem, 1e3*m.FsyncSeconds, 1e3*m.FsyncP99, m.Kernel, m.MySQL, m.Go, m.Sysbench)
}
