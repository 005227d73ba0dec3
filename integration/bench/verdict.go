package main

import "fmt"

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
	// Of baton and of the server that it applies to, beside the server that does both.
	if native.cpu() > 0 {
		said += fmt.Sprintf("; with its follower it uses %.2f times the CPU of the former", baton.cpu()/native.cpu())
		if d != nil && d != native && d.cpu() > 0 {
			said += fmt.Sprintf(" and %.2f times that of the latter", baton.cpu()/d.cpu())
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
