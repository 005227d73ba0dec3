package plan

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// uuid is the source of the scripts' transactions; errant ones have another.
const (
	uuid   = "11111111-1111-1111-1111-111111111111"
	errant = "99999999-9999-9999-9999-999999999999"
)

// The scripts in testdata know these commands:
//
//	judge [window=D] [refused=D]    evidence, one NAME=VALUE a line: probes refused stream writes (durations), fault
//	decide                          a cluster, one NAME VALUE… a line:
//	    promise strict|balanced|async
//	    unprotected D | unseen | boots-open | manual | paused | cooldown D | fence-hook
//	    relay N, leader N           transactions 1-N of the relay, of the leader
//	    leader-is died|silent|suspect|alive
//	    probes|refused|stream|writes D, fault TEXT…    evidence to judge instead of leader-is
//	    NAME N [prefer|neutral|avoid|never] [lag=D] [errant] [older] [no-binlog] [problem=TEXT…]
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "judge":
				return judge(t, d)
			case "decide":
				return decide(t, d.Input)
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

func judge(t *testing.T, d *datadriven.TestData) string {
	th := Thresholds{Window: 3 * time.Second, Refused: time.Second}
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "window":
			th.Window = duration(t, arg.Vals[0])
		case "refused":
			th.Refused = duration(t, arg.Vals[0])
		}
	}
	e := noEvidence()
	for line := range strings.Lines(d.Input) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if !evidence(t, &e, name, value) {
			t.Fatalf("unknown evidence %q", name)
		}
	}
	return tell(Judge(e, th))
}

func tell(v Verdict) string {
	return strings.TrimSuffix(fmt.Sprintf("%s: %s", v.Health, v.Reason), ": ") + "\n"
}

func noEvidence() Evidence { return Evidence{ProbeFault: "no answer", WriteFault: "no answer"} }

// evidence notes what a line says, if it is evidence.
func evidence(t *testing.T, e *Evidence, name, value string) bool {
	switch name {
	case "probes":
		e.ProbesFailing = duration(t, value)
	case "refused":
		e.Refused = duration(t, value)
	case "stream":
		e.StreamFailing = duration(t, value)
	case "writes":
		e.WritesFailing = duration(t, value)
	case "fault":
		e.ProbeFault, e.WriteFault = value, value
	default:
		return false
	}
	return true
}

func decide(t *testing.T, input string) string {
	c := Cluster{Promise: Balanced, Protected: true, Automatic: true, BootsFenced: true, Leader: Verdict{Health: Alive}}
	verdict := ""
	seen := noEvidence()
	for line := range strings.Lines(input) {
		fields := strings.Fields(line)
		value := ""
		if len(fields) > 1 {
			value = fields[1]
		}
		if evidence(t, &seen, fields[0], strings.Join(fields[1:], " ")) {
			c.Leader = Judge(seen, Thresholds{Window: 3 * time.Second, Refused: time.Second})
			verdict = "leader " + tell(c.Leader)
			continue
		}
		switch fields[0] {
		case "promise":
			c.Promise = Promise(value)
		case "unprotected":
			c.Protected, c.Unprotected = false, duration(t, value)
		case "unseen":
			c.Protected, c.Unseen = false, true
		case "boots-open":
			c.BootsFenced = false
		case "manual":
			c.Automatic = false
		case "paused":
			c.Paused = true
		case "cooldown":
			c.Cooldown = duration(t, value)
		case "fence-hook":
			c.FenceHook = true
		case "relay":
			c.Durable = upTo(t, value)
		case "leader":
			c.LeaderExecuted = upTo(t, value)
		case "leader-is":
			c.Leader = Verdict{Health(value), "as the script says"}
		default:
			c.Instances = append(c.Instances, instance(t, fields))
		}
	}
	return verdict + describe(Decide(c))
}

func instance(t *testing.T, fields []string) Instance {
	i := Instance{Name: fields[0], Promotion: Neutral, Executed: upTo(t, fields[1])}
	for n, word := range fields[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "prefer", "neutral", "avoid", "never":
			i.Promotion = Promotion(key)
		case "lag":
			i.Lag = duration(t, value)
		case "errant":
			i.Errant = gtid.MustParseSet(errant + ":1")
		case "older":
			i.OlderThanLeader = true
		case "no-binlog":
			i.NoBinlog = true
		case "problem":
			i.Problem = strings.Join(append([]string{value}, fields[n+3:]...), " ")
			return i
		default:
			t.Fatalf("unknown word %q", word)
		}
	}
	return i
}

func describe(p Plan) string {
	var b strings.Builder
	for _, c := range p.Candidates {
		fmt.Fprintf(&b, "candidate %s lacks %d\n", c.Name, c.Lacks)
	}
	for _, r := range p.Refused {
		fmt.Fprintf(&b, "refused %s: %s\n", r.Instance, r.Reason)
	}
	if p.WouldLose > 0 {
		fmt.Fprintf(&b, "would lose %d\n", p.WouldLose)
	}
	if p.BlockedBy != "" {
		fmt.Fprintf(&b, "blocked: %s\n", p.BlockedBy)
	}
	switch {
	case p.Failover && p.NeedsFence:
		b.WriteString("fail over, after the fence hook\n")
	case p.Failover:
		b.WriteString("fail over\n")
	default:
		b.WriteString("do nothing\n")
	}
	return b.String()
}

func upTo(t *testing.T, n string) gtid.Set {
	last, err := strconv.Atoi(n)
	require.NoError(t, err)
	if last == 0 {
		return gtid.Set{}
	}
	return gtid.MustParseSet(fmt.Sprintf("%s:1-%d", uuid, last))
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	require.NoError(t, err)
	return d
}
