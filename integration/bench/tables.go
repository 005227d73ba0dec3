package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is a heading and rows; the first column is text, the others are figures.
type table struct {
	title string
	head  []string
	rows  [][]string
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
	b.WriteString("|---|" + strings.Repeat("---:|", len(t.head)-1) + "\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// table is the catch-up with one load.
func (u *CatchUp) table() *table {
	t := &table{
		title: fmt.Sprintf("Catching up with %d transactions (%s; %.0f MB of binlog)", u.Transactions, u.About, float64(u.BinlogBytes)/1e6),
		head:  []string{"follower", "seconds", "min–max", "transactions/s", "× native default", "× best native", "mysqld CPU s", "baton CPU s", "baton peak MiB"},
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
			peak = mebibytes(over(c.Runs, func(r Run) float64 { return float64(r.BatonPeak) }).max)
		}
		t.add(c.Name, fmt.Sprintf("%.1f", time.median), fmt.Sprintf("%.1f–%.1f", time.min, time.max), fmt.Sprintf("%.0f", u.rate(c)),
			ratio(c, u.defaults()), ratio(c, u.best(true)),
			fmt.Sprintf("%.1f", over(c.Runs, func(r Run) float64 { return r.FollowerCPU }).median), cpu, peak)
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
			peak = mebibytes(over(runs, func(r Run) float64 { return float64(r.BatonPeak) }).max)
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
	return b.String()
}

// line describes the machine on one line.
func (m Machine) line() string {
	return fmt.Sprintf("%d cores (%s), %.0f GiB of memory, %s with a median fsync of %.2f ms (p99 %.2f), %s, MySQL %s, Go %s, sysbench %s",
		m.Cores, m.CPU, float64(m.MemoryBytes)/(1<<30), m.Filesystem, 1e3*m.FsyncSeconds, 1e3*m.FsyncP99, m.Kernel, m.MySQL, m.Go, m.Sysbench)
}

// verdict says in words how baton did beside the native replicas; empty where one side wasn't measured.
func (u *CatchUp) verdict() string {
	baton, native := u.best(false), u.best(true)
	if baton == nil || native == nil {
		return ""
	}
	d := u.defaults()
	said := fmt.Sprintf("the fastest way with baton (%s) %s the best-tuned native replica (%s)", baton.Name,
		compared(native.seconds(), baton.seconds()), native.Name)
	if d == native {
		said += ", which is the one with defaults"
	} else if d != nil {
		said += fmt.Sprintf(" and %s the one with defaults", compared(d.seconds(), baton.seconds()))
	}
	// CPU of baton and of the server that it applies to, beside the server that does both.
	cpu := func(c *Contestant) float64 {
		return over(c.Runs, func(r Run) float64 { return r.FollowerCPU + r.BatonCPU }).median
	}
	if cpu(native) > 0 {
		said += fmt.Sprintf("; with its follower it uses %.2f times the CPU of the former", cpu(baton)/cpu(native))
		if d != nil && d != native && cpu(d) > 0 {
			said += fmt.Sprintf(" and %.2f times that of the latter", cpu(baton)/cpu(d))
		}
	}
	return said
}

// behind names what baton did worse than the native replica with defaults, a sentence each.
func (r *Report) behind() []string {
	var said []string
	for _, u := range r.CatchUp {
		d := u.defaults()
		for _, c := range u.Contestants {
			if d != nil && !c.Native && len(c.Runs) > 0 && c.seconds() > noise*d.seconds() {
				said = append(said, fmt.Sprintf("Catching up with %s, %q takes %.2f times as long as the native replica with defaults.", u.Load, c.Name, c.seconds()/d.seconds()))
			}
		}
	}
	if in := r.Ingest; in != nil {
		baton, tool := over(in.Baton, secondsOf).median, over(in.Mysqlbinlog, secondsOf).median
		if tool > 0 && baton > noise*tool {
			said = append(said, fmt.Sprintf("Taking the binlog, baton takes %.2f times as long as mysqlbinlog.", baton/tool))
		}
	}
	if r.Latency == nil {
		return said
	}
	of := map[string][]LatencyRun{}
	for _, s := range r.Latency.Series {
		of[s.Name] = s.Runs
	}
	for _, q := range []struct {
		name   string
		figure func(LatencyRun) float64
	}{
		{"median", func(r LatencyRun) float64 { return r.Whole.P50 }}, {"99th percentile", func(r LatencyRun) float64 { return r.Whole.P99 }},
	} {
		baton, native := over(of[batonRelaxed], q.figure).median, over(of[nativeDefault], q.figure).median
		if native > 0 && baton > noise*native {
			said = append(said, fmt.Sprintf("At the head, the %s from sending a transaction until it is visible is %.2f times the native replica's.", q.name, baton/native))
		}
	}
	return said
}

// noise is the ratio up to which two figures are as good as equal.
const noise = 1.03

// compared says how our time relates to theirs.
func compared(theirs, ours float64) string {
	switch {
	case theirs > ours*noise:
		return fmt.Sprintf("is %.2f times as fast as", theirs/ours)
	case ours > theirs*noise:
		return fmt.Sprintf("takes %.2f times as long as", ours/theirs)
	default:
		return "is as fast as"
	}
}
