package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/cmd/internal/admin"
)

// textWidth is the number of columns that texts for people keep to.
const textWidth = 80

// nameWidth is the number of letters of an instance's name in the table.
const nameWidth = 20

// statusText is the status for people: who leads, the followers, what is wrong
// and what to do, and what a failover would do. Times are given as ages.
func (p *program) statusText(s admin.Status) string {
	var b strings.Builder
	p.headline(&b, s)
	p.verdict(&b, s)
	b.WriteByte('\n')
	p.table(&b, s)
	p.problems(&b, s)
	b.WriteByte('\n')
	b.WriteString(p.durability(s))
	b.WriteString(fact("source", sourceText(s)))
	b.WriteString(fact("relay", relayText(s)))
	p.endpoints(&b, s)
	p.forecast(&b, s.Forecast)
	if s.LastHandOver != nil {
		b.WriteString(fact("hand-over", lastHandOverText(*s.LastHandOver, s.Time)))
	}
	return b.String()
}

// fact is a line with a heading, continued below its text where it is long.
func fact(heading, text string) string {
	const column = 12
	return wrap(text, cell(heading, column, false), strings.Repeat(" ", column), textWidth)
}

// headline says who leads.
func (p *program) headline(b *strings.Builder, s admin.Status) {
	leader, found := s.Instance(string(s.Leader))
	colour, text := bold, fmt.Sprintf("%s leads", s.Leader)
	switch {
	case s.Leader == "":
		colour, text = red, "no leader is known"
	case found && leader.State != admin.Streaming:
		colour, text = red, fmt.Sprintf("%s leads, but is %s", s.Leader, leader.State)
		if leader.Since != nil {
			text += " for " + ago(*leader.Since, s.Time)
		}
	}
	fmt.Fprintf(b, "%s: %s", s.Cluster, p.paint(colour, text))
	if found {
		fmt.Fprintf(b, "   %s", leader.Address)
	}
	fmt.Fprintf(b, "   epoch %d", s.Epoch)
	if s.FailoverPaused {
		b.WriteString("   " + p.paint(red, "failover PAUSED"))
	}
	b.WriteByte('\n')
}

// column is one of the table.
type column struct {
	title string
	width int
	right bool
	value func(admin.Instance) string
}

func columns(s admin.Status) []column {
	widest := len("INSTANCE")
	for _, i := range s.Instances {
		widest = max(widest, utf8.RuneCountInString(i.Name))
	}
	return []column{
		{"INSTANCE", min(widest, nameWidth), false, func(i admin.Instance) string { return i.Name }},
		{"ROLE", 8, false, func(i admin.Instance) string { return i.Role }},
		{"STATE", 11, false, func(i admin.Instance) string { return i.State }},
		{"LAG", 6, true, lag},
		{"BEHIND", 8, true, behind},
		{"TX/S", 6, true, rate},
		{"MODE", 6, false, mode},
	}
}

func (p *program) table(b *strings.Builder, s admin.Status) {
	cols := columns(s)
	line := func(text func(column) string) {
		var cells []string
		for _, c := range cols {
			cells = append(cells, text(c))
		}
		b.WriteString(strings.TrimRight(strings.Join(cells, "  "), " ") + "\n")
	}
	line(func(c column) string { return cell(c.title, c.width, c.right) })
	for _, i := range s.Instances {
		line(func(c column) string {
			text := cell(c.value(i), c.width, c.right)
			if c.title == "STATE" {
				return p.paint(stateColour(i.State), text)
			}
			return text
		})
	}
}

func stateColour(state string) colour {
	switch state {
	case admin.Streaming:
		return green
	case admin.CatchingUp, admin.Paused:
		return yellow
	}
	return red
}

// ofFollower is what a column shows: "-" of a leader, "?" when unknown.
func ofFollower[T any](i admin.Instance, value *T, text func(T) string) string {
	switch {
	case i.Role != admin.Follower:
		return "-"
	case value == nil:
		return "?"
	}
	return text(*value)
}

func lag(i admin.Instance) string {
	return ofFollower(i, i.LagSeconds, func(s float64) string { return short(time.Duration(s * float64(time.Second))) })
}

func behind(i admin.Instance) string {
	return ofFollower(i, i.BehindTransactions, func(n int64) string { return count(float64(n), 99_999_999) })
}

func rate(i admin.Instance) string {
	return ofFollower(i, i.AppliedPerSecond, func(r float64) string { return count(r, 999_999) })
}

// count is n as it stands up to most, then in millions or milliards.
func count(n, most float64) string {
	switch {
	case n <= most:
		return strconv.FormatFloat(n, 'f', 0, 64)
	case n < 1e10:
		return strconv.FormatFloat(n/1e6, 'f', 1, 64) + "M"
	default:
		return strconv.FormatFloat(n/1e9, 'f', 1, 64) + "G"
	}
}

// mode says in one word how a follower is applied to.
func mode(i admin.Instance) string {
	if i.Mode == admin.PerTransaction {
		return "single"
	}
	return cmp.Or(string(i.Mode), "-")
}

// problems lists what is wrong, each with what to do about it.
func (p *program) problems(b *strings.Builder, s admin.Status) {
	if s.Source.Error != "" {
		who := "source"
		if s.Leader != "" {
			who = fmt.Sprintf("source (%s)", s.Leader)
		}
		p.problem(b, who, string(s.Source.State), s.Source.Error, s.Source.Mend)
	}
	if s.Relay.Error != "" {
		p.problem(b, "relay", "nothing can be made durable", s.Relay.Error, s.Relay.Mend)
	}
	for _, i := range s.Instances {
		switch {
		case i.Error != "" && i.Role == admin.Leader && i.Error == s.Source.Error:
			continue // said above
		case i.Error != "":
			p.problem(b, i.Name, i.State, i.Error, i.Mend)
		case i.Errant != nil && !i.Errant.IsEmpty():
			p.problem(b, i.Name, i.State, errantText(*i.Errant), i.Mend)
		case len(i.BinlogReaders) > 0:
			p.problem(b, i.Name, i.State, admin.Text("its binlog was seen to be read by "+strings.Join(i.BinlogReaders, ", ")+", and batches are not in it"),
				"set apply.catch_up.mode to off where a follower's binlog is read")
		default:
			continue
		}
		if i.FailedGTID != "" {
			detail := "GTID   " + string(i.FailedGTID)
			if i.FailedTable != "" {
				detail += "  table " + string(i.FailedTable)
			}
			b.WriteString("  " + printable(detail) + "\n")
		}
	}
}

// errantText names errant transactions.
func errantText(errant gtid.Set) admin.Text {
	return admin.Text(fmt.Sprintf("transactions that neither the leader nor the relay has, %d of them: %s", errant.Count(), beginning(errant)))
}

// beginning is a set as far as it fits into a few lines.
func beginning(set gtid.Set) string {
	const most = 200
	text := set.String()
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}

// alarm writes what is wrong, its first line coloured.
func (p *program) alarm(b *strings.Builder, c colour, text string) {
	b.WriteString(p.paintFirst(c, wrap(printable(text), "! ", "  ", textWidth)))
}

// paintFirst colours the first of some lines.
func (p *program) paintFirst(c colour, lines string) string {
	first, rest, _ := strings.Cut(lines, "\n")
	return p.paint(c, first) + "\n" + rest
}

func (p *program) problem(b *strings.Builder, who, state string, text, mend admin.Text) {
	b.WriteByte('\n')
	p.alarm(b, red, fmt.Sprintf("%s: %s: %s", who, state, text))
	if mend != "" {
		b.WriteString(wrap(printable(string(mend)), "  to do  ", "         ", textWidth))
	}
}

func sourceText(s admin.Status) string {
	if s.Source.State == "" {
		return "unknown"
	}
	return string(s.Source.State) + since(s.Source.Since, s.Time)
}

func relayText(s admin.Status) string {
	r := s.Relay
	noun := "segments"
	if r.Segments == 1 {
		noun = "segment"
	}
	text := fmt.Sprintf("%s in %d %s", humanize.IBytes(uint64(max(r.Bytes, 0))), r.Segments, noun)
	if r.Error != "" {
		text += "; failed" + since(r.FailedSince, s.Time)
	}
	if r.Received != nil && r.Durable != nil {
		if n := r.Received.Subtract(*r.Durable).Count(); n > 0 {
			return text + fmt.Sprintf("; %d transactions received, not yet durable", n)
		}
		text += "; all that was received is durable"
	}
	return text
}

func since(t *time.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	return ", for " + ago(*t, now)
}
