package schedule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The scripts in testdata/overlap know these commands:
//
//	stages          one batch a line, of LAST_COMMITTED/SEQUENCE_NUMBER[!], the latter for a barrier; prints the stages of the last
//	pauses          one word a batch: kept, gaveway; prints how many batches are held off after it
func TestOverlapScripts(t *testing.T) {
	datadriven.RunTest(t, "testdata/overlap/overlap", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "stages":
			return stagesOf(t, d.Input)
		case "pauses":
			return pausesOf(t, d.Input)
		}
		t.Fatalf("unknown command %q", d.Cmd)
		return ""
	})
}

func stagesOf(t *testing.T, input string) string {
	var s Schedule
	var under, batch []Ticket
	for line := range strings.Lines(input) {
		if len(batch) > 0 {
			under = append(under, batch[0])
		}
		batch = nil
		for _, word := range strings.Fields(line) {
			var tx Transaction
			clock, barrier := strings.CutSuffix(word, "!")
			_, err := fmt.Sscanf(clock, "%d/%d", &tx.LastCommitted, &tx.SequenceNumber)
			require.NoError(t, err, word)
			tx.Barrier = barrier
			batch = append(batch, s.Push(tx))
		}
	}
	stages := s.Stages(under, batch)
	if len(stages) == 0 {
		return "nothing before its turn\n"
	}
	var out strings.Builder
	for _, st := range stages {
		fmt.Fprintf(&out, "%d when %d of %d are committed\n", st.Until, st.Needs, len(under))
	}
	return out.String()
}

func pausesOf(t *testing.T, input string) string {
	var o Overlap
	var out strings.Builder
	for _, word := range strings.Fields(input) {
		switch word {
		case "kept":
			o.Kept()
		case "gaveway":
			o.GaveWay()
		default:
			t.Fatalf("unknown word %q", word)
		}
		n := 0
		for ; !o.Allowed(); n++ {
			o.Began()
		}
		fmt.Fprintln(&out, n)
	}
	return out.String()
}

// No stage holds a transaction that may depend on one which isn't committed when it is executed.
func TestStagesAreIndependentOfWhatIsUnderWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Schedule
		var pushed []Transaction
		var under, batch []Ticket
		ends := []int{} // where each batch ends in pushed
		seq := int64(0)
		batches := rapid.IntRange(2, 5).Draw(t, "batches")
		for range batches {
			if len(batch) > 0 {
				under = append(under, batch[0])
			}
			batch = nil
			for range rapid.IntRange(1, 12).Draw(t, "transactions") {
				seq++
				if rapid.IntRange(0, 39).Draw(t, "new file") == 0 {
					seq = 1
				}
				tx := Transaction{LastCommitted: rapid.Int64Range(0, seq-1).Draw(t, "last_committed"), SequenceNumber: seq,
					Barrier: rapid.IntRange(0, 39).Draw(t, "barrier") == 0}
				if rapid.Bool().Draw(t, "independent") {
					tx.LastCommitted = 0
				}
				batch = append(batch, s.Push(tx))
				pushed = append(pushed, s.entries[len(s.entries)-1].Transaction)
			}
			ends = append(ends, len(pushed))
		}
		from, before := 0, -1
		for _, st := range s.Stages(under, batch) {
			require.Greater(t, st.Until, from)
			require.LessOrEqual(t, st.Until, len(batch))
			require.Greater(t, st.Needs, before)
			require.Less(t, st.Needs, len(under))
			committed := 0
			if st.Needs > 0 {
				committed = ends[st.Needs-1]
			}
			for i := from; i < st.Until; i++ {
				at := int(batch[i])
				require.False(t, pushed[at].Barrier)
				for _, other := range pushed[committed:int(batch[0])] {
					require.False(t, other.Barrier)
					require.Less(t, pushed[at].LastCommitted, other.SequenceNumber)
				}
			}
			from, before = st.Until, st.Needs
		}
	})
}
