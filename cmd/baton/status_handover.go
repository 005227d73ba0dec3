package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/batondb/baton/cmd/internal/admin"
)

// verdict says, right below who leads, what is wrong with the leader, what is
// being done about it, or why nothing is.
func (p *program) verdict(b *strings.Builder, s admin.Status) {
	if h := s.HandOver; h != nil {
		p.alarm(b, yellow, fmt.Sprintf("%s from %s to %s under way for %s: %s",
			h.Kind, h.From, cmp.Or(string(h.To), "whoever can lead"), ago(h.Since, s.Time), cmp.Or(string(h.Step), "begun")))
	}
	is := map[admin.Text]string{admin.Suspect: "is suspect", admin.Died: "has died", admin.Silent: "is silent"}
	health := s.LeaderHealth.Health
	if health == "" || health == admin.Alive {
		return
	}
	colour := red
	if health == admin.Suspect {
		colour = yellow
	}
	p.alarm(b, colour, fmt.Sprintf("%s %s: %s", cmp.Or(string(s.Leader), "the leader"),
		cmp.Or(is[health], "is "+string(health)), cmp.Or(string(s.LeaderHealth.Reason), "why is unknown")))
	switch {
	case s.HandOver != nil:
	case s.Forecast.BlockedBy != "" && health == admin.Suspect:
		p.alarm(b, colour, fmt.Sprintf("NO failover would happen by itself: %s", s.Forecast.BlockedBy))
	case s.Forecast.BlockedBy != "":
		p.alarm(b, colour, fmt.Sprintf("NO failover happens: %s", s.Forecast.BlockedBy))
	case health != admin.Suspect && s.Forecast.Candidate != "":
		p.alarm(b, yellow, fmt.Sprintf("a failover to %s is due", s.Forecast.Candidate))
	}
}

// durability says what a commit can rely on, and since when it can't.
func (p *program) durability(s admin.Status) string {
	d := s.Durability
	text := cmp.Or(string(d.Mode), "unknown") + ": "
	switch {
	case d.State == admin.Protected:
		text += "protected"
		if d.Since != nil {
			text += " for " + ago(*d.Since, s.Time)
		}
		return fact("durability", text+": commits wait for the relay")
	case d.State != admin.Unprotected:
		return fact("durability", text+"whether commits wait for the relay is unknown")
	case d.Mode == asyncMode:
		return fact("durability", text+"commits don't wait for the relay")
	}
	text += "UNPROTECTED"
	if d.Since != nil {
		text += fmt.Sprintf(" for %s, since %s", ago(*d.Since, s.Time), d.Since.UTC().Format(timeLayout))
	}
	return p.paintFirst(red, fact("durability", text+": a commit that succeeds may not be in the relay"))
}

// asyncMode is the durability.mode that promises no protection.
const asyncMode = "async"

// forecast says what a failover now would do: what is in its way, who would
// lead, and why not the others.
func (p *program) forecast(b *strings.Builder, f admin.Forecast) {
	heading := "failover"
	line := func(c colour, text string) {
		b.WriteString(p.paintFirst(c, fact(heading, printable(text))))
		heading = ""
	}
	switch {
	case f.Candidate == "":
		line(red, "none would happen: "+cmp.Or(string(f.BlockedBy), "no instance could be promoted"))
	case f.BlockedBy != "":
		line(yellow, "not by itself: "+string(f.BlockedBy))
	}
	if f.Candidate != "" {
		line(plain, wouldLead(f)+"; "+wouldLose(f))
	}
	for _, r := range f.Refused {
		line(plain, fmt.Sprintf("not %s: %s", r.Instance, r.Reason))
	}
}

// wouldLead names the candidate and who comes after it.
func wouldLead(f admin.Forecast) string {
	text := fmt.Sprintf("%s would lead", f.Candidate)
	for _, c := range f.Candidates {
		if c.Instance != string(f.Candidate) {
			text += ", else " + c.Instance
		}
	}
	return text
}

func wouldLose(f admin.Forecast) string {
	switch {
	case f.WouldLose == nil:
		return "what would be lost is unknown"
	case *f.WouldLose == 0:
		return "nothing would be lost"
	}
	return transactions(*f.WouldLose) + " would be LOST"
}

// transactions is a number of them.
func transactions(n int64) string {
	if n == 1 {
		return "1 transaction"
	}
	return fmt.Sprintf("%d transactions", n)
}

func lastHandOverText(l admin.LastHandOver, now time.Time) string {
	text := fmt.Sprintf("%s from %s to %s, %s ago", l.Kind, l.From, l.To, ago(l.At, now))
	if l.UnwritableSeconds != nil {
		text += fmt.Sprintf("; %.3fs without a writable instance", *l.UnwritableSeconds)
	}
	return text
}
