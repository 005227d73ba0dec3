package schedule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The scripts in testdata/clocks know these commands, one schedule a file:
//
//	push            one transaction a line: NAME LAST_COMMITTED SEQUENCE_NUMBER [barrier]
//	start           starts all that may start, prints them in order
//	done            one name a line
//	alone           one name a line
//	reset           a new schedule
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/clocks", func(t *testing.T, path string) {
		p := newPlayer()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "reset":
				p = newPlayer()
				return ""
			case "push":
				return p.push(t, d.Input)
			case "start":
				return p.start()
			case "done":
				return p.done(t, d.Input)
			case "alone":
				for _, name := range strings.Fields(d.Input) {
					p.schedule.Alone(p.tickets[name])
				}
				return p.length()
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

type player struct {
	schedule Schedule
	names    map[Ticket]string
	tickets  map[string]Ticket
}

func newPlayer() *player {
	return &player{names: map[Ticket]string{}, tickets: map[string]Ticket{}}
}

func (p *player) push(t *testing.T, input string) string {
	for line := range strings.Lines(input) {
		fields := strings.Fields(line)
		var tx Transaction
		_, err := fmt.Sscan(fields[1]+" "+fields[2], &tx.LastCommitted, &tx.SequenceNumber)
		require.NoError(t, err, line)
		tx.Barrier = len(fields) > 3 && fields[3] == "barrier"
		ticket := p.schedule.Push(tx)
		p.names[ticket], p.tickets[fields[0]] = fields[0], ticket
	}
	return p.length()
}

func (p *player) start() string {
	var started []string
	for {
		ticket, ok := p.schedule.Start()
		if !ok && len(started) == 0 {
			return "none\n"
		}
		if !ok {
			return strings.Join(started, " ") + "\n"
		}
		started = append(started, p.names[ticket])
	}
}

func (p *player) done(t *testing.T, input string) string {
	for _, name := range strings.Fields(input) {
		ticket, ok := p.tickets[name]
		require.True(t, ok, "no transaction %s", name)
		p.schedule.Done(ticket)
	}
	return p.length()
}

func (p *player) length() string { return fmt.Sprintf("%d held\n", p.schedule.Len()) }

// Whatever is pushed, no transaction starts before all that it depends on are
// done, and nothing is left waiting for ever.
func TestNothingStartsBeforeWhatItDependsOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Schedule
		var all []Transaction
		done, started := map[Ticket]bool{}, map[Ticket]bool{}
		total := rapid.IntRange(1, 60).Draw(t, "total")
		seq := int64(0)
		for len(done) < total {
			switch {
			case len(all) < total && rapid.Bool().Draw(t, "push"):
				if rapid.IntRange(0, 9).Draw(t, "rotate") == 0 {
					seq = 0
				}
				seq += rapid.Int64Range(1, 2).Draw(t, "step")
				tx := Transaction{LastCommitted: rapid.Int64Range(0, seq-1).Draw(t, "last"), SequenceNumber: seq,
					Barrier: rapid.IntRange(0, 9).Draw(t, "barrier") == 0}
				require.Equal(t, Ticket(len(all)), s.Push(tx))
				all = append(all, tx)
			case len(started) > len(done) && rapid.Bool().Draw(t, "finish"):
				for ticket := range Ticket(len(all)) {
					if started[ticket] && !done[ticket] && rapid.Bool().Draw(t, "this") {
						s.Done(ticket)
						done[ticket] = true
					}
				}
			default:
				ticket, ok := s.Start()
				if !ok {
					require.True(t, len(started) > len(done) || len(all) == len(done), "nothing runs and nothing may start")
					continue
				}
				require.False(t, started[ticket], "started twice")
				started[ticket] = true
				requireIndependent(t, all, ticket, started, done)
			}
		}
		require.Zero(t, s.Len())
	})
}

func requireIndependent(t *rapid.T, all []Transaction, ticket Ticket, started, done map[Ticket]bool) {
	clock := func(i Ticket) (n int) { // the number of the clock's restarts up to i
		for j := Ticket(1); j <= i; j++ {
			if all[j].SequenceNumber <= all[j-1].SequenceNumber {
				n++
			}
		}
		return n
	}
	tx := all[ticket]
	for before := range ticket {
		if done[before] {
			continue
		}
		require.Equal(t, clock(before), clock(ticket), "runs beside one of another binlog file")
		require.False(t, tx.Barrier || all[before].Barrier, "runs beside a barrier")
		require.Greater(t, all[before].SequenceNumber, tx.LastCommitted, "runs before one that it depends on")
	}
	for after := range started {
		require.False(t, after > ticket && !done[after] && (tx.Barrier || all[after].Barrier), "a barrier was passed")
	}
}
