package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// The scripts in testdata/batches know these commands:
//
//	pack transactions=N bytes=N     one transaction a line: NAME BYTES [FORMAT] [statement]; prints the batches
//	narrow max=N bad=N of=N         N transactions, the bad one of which is refused; prints what is tried
//	mode choice=C after=D           a line: SECONDS LAG [read]; prints where it changes
func TestBatchScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/batches", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "pack":
				return pack(t, d)
			case "narrow":
				return narrow(t, d)
			case "mode":
				return mode(t, d)
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

func pack(t *testing.T, d *datadriven.TestData) string {
	var l Limits
	d.ScanArgs(t, "transactions", &l.Transactions)
	d.ScanArgs(t, "bytes", &l.Bytes)
	var out strings.Builder
	var p Pack
	var names []string
	end := func() {
		if len(names) > 0 {
			fmt.Fprintln(&out, "batch:", strings.Join(names, " "))
		}
		p, names = Pack{}, nil
	}
	for line := range strings.Lines(d.Input) {
		fields := strings.Fields(line)
		c := Candidate{Rows: true}
		_, err := fmt.Sscan(fields[1], &c.Bytes)
		require.NoError(t, err, line)
		for _, word := range fields[2:] {
			if word == "statement" {
				c.Rows = false
			} else {
				_, err := fmt.Sscan(word, &c.Format)
				require.NoError(t, err, line)
			}
		}
		v := p.Add(c, l)
		if v == Ends {
			end()
			v = p.Add(c, l)
		}
		switch v {
		case Alone:
			fmt.Fprintln(&out, "alone:", fields[0])
		case Joins:
			names = append(names, fields[0])
		}
	}
	end()
	return out.String()
}

func narrow(t *testing.T, d *datadriven.TestData) string {
	var w Width
	var bad, of int
	d.ScanArgs(t, "max", &w.Max)
	d.ScanArgs(t, "bad", &bad)
	d.ScanArgs(t, "of", &of)
	var out strings.Builder
	for next := 1; next <= of; {
		n := min(w.Limit(), of-next+1)
		has := bad >= next && bad < next+n
		switch {
		case has && n == 1 && w.Limit() == 1:
			fmt.Fprintf(&out, "%d by itself: refused\n", next)
			return out.String()
		case has && n == 1:
			fmt.Fprintf(&out, "%d: refused\n", next)
			w.Suspect()
			continue
		case has:
			fmt.Fprintf(&out, "%d-%d: refused\n", next, next+n-1)
			w.Refused(n)
			continue
		}
		fmt.Fprintf(&out, "%d-%d\n", next, next+n-1)
		w.Done(n)
		next += n
	}
	return out.String()
}

func mode(t *testing.T, d *datadriven.TestData) string {
	var m Mode
	var choice, after string
	d.ScanArgs(t, "choice", &choice)
	d.ScanArgs(t, "after", &after)
	m.Choice = map[string]Choice{"auto": Auto, "always": Always, "never": Never}[choice]
	var err error
	m.After, err = time.ParseDuration(after)
	require.NoError(t, err)
	var out strings.Builder
	was := false
	start := time.Unix(1_000_000, 0)
	for line := range strings.Lines(d.Input) {
		fields := strings.Fields(line)
		var from, to int
		if _, err := fmt.Sscanf(fields[0], "%d-%d", &from, &to); err != nil {
			_, err := fmt.Sscan(fields[0], &from)
			require.NoError(t, err, line)
			to = from
		}
		lag, err := time.ParseDuration(fields[1])
		require.NoError(t, err, line)
		for s := from; s <= to; s++ {
			is := m.Batches(start.Add(time.Duration(s)*time.Second), lag, len(fields) > 2)
			if is != was {
				fmt.Fprintf(&out, "%d: %s\n", s, map[bool]string{true: "batches", false: "one by one"}[is])
			}
			was = is
		}
	}
	if out.Len() == 0 {
		return "no change\n"
	}
	return out.String()
}

// Who starts in order and returns what failed gets the same again.
func TestWaitingIsWhatIsNotStarted(t *testing.T) {
	var s Schedule
	var tickets []Ticket
	for i := range 5 {
		tickets = append(tickets, s.Push(Transaction{LastCommitted: int64(i), SequenceNumber: int64(i + 1)}))
	}
	waiting := func() (all []Ticket) {
		for ticket := range s.Waiting() {
			all = append(all, ticket)
		}
		return all
	}
	s.StartNext()
	s.StartNext()
	s.StartNext()
	require.Equal(t, tickets[3:], waiting())
	s.Done(tickets[0])
	s.Return(tickets[1])
	s.Return(tickets[2])
	require.Equal(t, tickets[1:], waiting())
	s.StartNext()
	require.Equal(t, tickets[2:], waiting())
	s.Done(tickets[1])
	started, ok := s.Start()
	require.True(t, ok)
	require.Equal(t, tickets[2], started)
	_, ok = s.Start()
	require.False(t, ok)
}
