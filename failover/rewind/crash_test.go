package rewind_test

import (
	"context"
	"testing"
	"time"

	"github.com/batondb/baton/failover/rewind"
	"github.com/stretchr/testify/require"
)

// goOn does what a daemon does with an old leader that it finds: it finishes what
// was begun, or begins anew.
func (p *pair) goOn() {
	p.t.Helper()
	done, err := rewind.Finish(p.t.Context(), p.deps(), nil)
	require.NoError(p.t, err)
	if !done && !p.errant().IsEmpty() {
		require.NoError(p.t, p.read().Rewind(p.t.Context(), nil))
	}
	p.requireRewound()
}

func crashing(t *testing.T) *pair {
	p := newPair(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE d.n (v INT)",
		"INSERT INTO d.t VALUES (1,1),(2,2)", "INSERT INTO d.n VALUES (1),(1),(2)")
	p.old.MustExec(t, "SET PERSIST_ONLY super_read_only=ON")
	return p
}

func (p *pair) makeErrant() {
	p.err("SET GLOBAL read_only=OFF", "UPDATE d.t SET v=v+1", "DELETE FROM d.n WHERE v=1 LIMIT 1", "INSERT INTO d.t VALUES "+values(1500, "(100+?,?)"))
	p.fence()
}

var steps = []rewind.Step{rewind.StepOpen, rewind.StepUndo, rewind.StepMark, rewind.StepFence, rewind.StepGTIDs, rewind.StepClear, rewind.StepDone}

func TestTheServersDeathAtAnyStepIsRecovered(t *testing.T) {
	p := crashing(t)
	for _, at := range steps {
		p.makeErrant()
		e := p.read()
		err := e.Rewind(t.Context(), func(s rewind.Step, _ string) {
			if s == at {
				require.NoError(t, p.old.Kill9())
			}
		})
		if at != rewind.StepDone {
			require.Error(t, err, at)
		}
		require.NoError(t, p.old.Restart(t.Context()))
		p.requireFenced()
		p.goOn()
	}
}

func TestTheDaemonsDeathAtAnyStepIsRecovered(t *testing.T) {
	p := crashing(t)
	for _, at := range steps {
		p.makeErrant()
		ctx, cancel := context.WithCancel(t.Context())
		err := p.read().Rewind(ctx, func(s rewind.Step, _ string) {
			if s == at {
				cancel()
			}
		})
		if at != rewind.StepDone {
			require.ErrorIs(t, err, context.Canceled, at)
		}
		p.requireFenced()
		p.goOn()
	}
}

// The server forgets its GTIDs and is told the right ones in two statements of
// one query; its death between the two, or in the middle of either, leaves less
// than what is right.
func TestADeathWhileGTIDsAreCorrectedIsRecovered(t *testing.T) {
	p := crashing(t)
	for _, left := range []string{
		"RESET BINARY LOGS AND GTIDS",
		"RESET BINARY LOGS AND GTIDS; SET GLOBAL gtid_purged='" + p.old.UUID(t) + ":1-2'",
	} {
		p.makeErrant()
		ctx, cancel := context.WithCancel(t.Context())
		err := p.read().Rewind(ctx, func(s rewind.Step, _ string) {
			if s == rewind.StepGTIDs {
				cancel()
			}
		})
		require.Error(t, err)
		p.old.MustExec(t, left)
		require.NoError(t, p.old.Kill9())
		require.NoError(t, p.old.Restart(t.Context()))

		mark, marked, err := rewind.ReadMark(t.Context(), p.old.DB())
		require.NoError(t, err)
		require.Equal(t, p.common, mark.Keep.String())
		require.WithinDuration(t, time.Now(), mark.Undone, 10*time.Minute)
		require.True(t, marked, "whoever asks is told that the instance is not what its gtid_executed says")
		_, err = rewind.Read(t.Context(), p.deps(), p.errant(), p.dir)
		require.ErrorIs(t, err, rewind.ErrMarked)
		p.goOn()
	}
}

func TestAnInstanceThatWentOnSinceIsNotTouched(t *testing.T) {
	p := crashing(t)
	p.makeErrant()
	e := p.read()
	p.err("SET GLOBAL read_only=OFF", "INSERT INTO d.n VALUES (9)")
	p.fence()
	require.ErrorIs(t, e.Rewind(t.Context(), nil), rewind.ErrChanged)
	p.goOn()
}
