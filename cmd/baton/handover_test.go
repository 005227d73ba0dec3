package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/internal/history"
)

// fakeHandOvers is the daemon's side of hand-overs in these tests: it reports
// steps, and hands nothing over.
type fakeHandOvers struct {
	mu    sync.Mutex
	calls []string
	err   error
	// halfway, when set, is waited for after the steps.
	halfway chan struct{}
	stopped error // what a switchover or failover ends with when the daemon stops
}

func (h *fakeHandOvers) called(format string, args ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, fmt.Sprintf(format, args...))
	return h.err
}

func (h *fakeHandOvers) did() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := h.calls
	h.calls = nil
	return slices.Clone(calls)
}

func (h *fakeHandOvers) report(ctx context.Context, say func(failover.StepReport)) error {
	say(failover.StepReport{Elapsed: 0.132, Step: "freeze", Detail: "db1 takes no writes from now on"})
	say(failover.StepReport{Elapsed: 12.5, Step: "drain", Detail: "db2 lacks 31 transactions\x1b[31m"})
	say(failover.StepReport{Elapsed: 112.0625, Step: "promote"})
	if h.halfway != nil {
		select {
		case <-h.halfway:
		case <-ctx.Done():
			return h.stopped
		}
	}
	return nil
}

func (h *fakeHandOvers) PlanSwitchover(o failover.Order) (from, to string, err error) {
	if o.To == "" {
		o.To = "db2"
	}
	return "db1", o.To, h.called("plan %s", o.To)
}

func (h *fakeHandOvers) Switchover(ctx context.Context, o failover.Order, say func(failover.StepReport)) (failover.Result, error) {
	if err := h.called("switchover %q %s", o.To, o.Timeout); err != nil {
		return failover.Result{}, err
	}
	return failover.Result{Kind: failover.Switchover, From: "db1", To: "db2", Epoch: 4, Seconds: 112.1, UnwritableSeconds: 0.28}, h.report(ctx, say)
}

func (h *fakeHandOvers) Failover(ctx context.Context, o failover.Order, say func(failover.StepReport)) (failover.Result, error) {
	if err := h.called("failover %q %v", o.To, o.AllowLoss); err != nil {
		return failover.Result{}, err
	}
	return failover.Result{
		Kind: failover.Failover, From: "db1", To: "db2", Epoch: 4, Seconds: 2.1,
		Missing: gtid.MustParseSet(uuid + ":9001"),
	}, h.report(ctx, say)
}

func (h *fakeHandOvers) PauseFailover(_ context.Context, paused bool) error {
	return h.called("paused %v", paused)
}

func (h *fakeHandOvers) Rejoin(_ context.Context, instance string, rewind bool, say func(failover.StepReport)) error {
	say(failover.StepReport{Elapsed: 0.01, Step: "fence", Detail: instance + " takes no writes"})
	return h.called("rejoin %s %v", instance, rewind)
}

func TestASwitchoverIsToldStepByStep(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	require.Equal(t, exitDone, b.do(t, "switchover", "--to", "db2", "--timeout", "90s", "--yes", "--socket", b.socket), &b.err)
	require.Equal(t, "  0.132s  freeze: db1 takes no writes from now on\n"+
		" 12.500s  drain: db2 lacks 31 transactions?[31m\n"+
		"112.062s  promote\n"+
		"db2 leads, epoch 4; done in 112.100s, 0.280s of it without a writable instance\n", b.out.String())
	require.Equal(t, []string{`switchover "db2" 1m30s`}, b.handOver.did())

	require.Equal(t, exitDone, b.do(t, "switchover", "--yes", "-o", "json", "--socket", b.socket), &b.err)
	lines := strings.Split(strings.TrimSpace(b.out.String()), "\n")
	require.Len(t, lines, 4)
	var last admin.Progress[failover.Result]
	require.NoError(t, json.Unmarshal([]byte(lines[3]), &last))
	require.Equal(t, int64(4), last.Result.Epoch)
	require.Equal(t, []string{`switchover "" 0s`}, b.handOver.did())
}

func TestADryRunDoesNothing(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	require.Equal(t, exitDone, b.do(t, "switchover", "--dry-run", "--socket", b.socket), &b.err)
	require.Equal(t, "db1 would hand the leadership over to db2; nothing was done\n", b.out.String())
	require.Equal(t, exitDone, b.do(t, "switchover", "--dry-run", "--to", "db3", "-o", "json", "--socket", b.socket), &b.err)
	require.JSONEq(t, `{"from":"db1","to":"db3"}`, b.out.String())
	require.Equal(t, []string{"plan db2", "plan db3"}, b.handOver.did())
}

func TestAFailoverTellsWhatItCouldNotKeep(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	require.Equal(t, exitDone, b.do(t, "failover", "--to", "db2", "--allow-loss", "--yes", "--socket", b.socket), &b.err)
	requireGolden(t, "failover.txt", b.out.String())
	require.Equal(t, []string{`failover "db2" true`}, b.handOver.did())
}

func TestARefusedHandOverSaysWhatToDo(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	b.handOver.err = &failover.Refused{Reason: "db2 lags by 40s", Mend: "wait, or raise switchover.max_lag"}
	b.terminal.interacts = true
	for _, line := range []string{"switchover --yes", "switchover", "switchover --dry-run", "failover --yes", "pause failover", "resume failover"} {
		require.Equal(t, exitFailed, b.do(t, append(strings.Fields(line), "--socket", b.socket)...), line)
		require.Equal(t, "baton: db2 lags by 40s\n  to do: wait, or raise switchover.max_lag\n", b.err.String(), line)
		require.Empty(t, b.out.String(), line)
	}
	require.Equal(t, exitFailed, b.do(t, "switchover", "--yes", "-o", "json", "--socket", b.socket))
	require.JSONEq(t, `{"error":{"error":"db2 lags by 40s","mend":"wait, or raise switchover.max_lag","code":"refused"}}`, b.out.String())
	require.NotEmpty(t, b.err.String())

	b.handOver.did()
	require.Equal(t, exitFailed, b.do(t, "rejoin", "db1", "--rewind", "--yes", "--socket", b.socket))
	require.Contains(t, b.out.String(), "  0.010s  fence: db1 takes no writes\n")
	require.Contains(t, b.err.String(), "db2 lags")
	require.Equal(t, []string{"rejoin db1 true"}, b.handOver.did())
}

func TestAutomaticFailoverIsPausedByItsName(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	require.Equal(t, exitDone, b.do(t, "pause", "failover", "--socket", b.socket), &b.err)
	require.Contains(t, b.out.String(), "baton resume failover")
	require.Equal(t, exitDone, b.do(t, "resume", "failover", "--socket", b.socket), &b.err)
	require.Contains(t, b.out.String(), "baton status")
	require.Equal(t, []string{"paused true", "paused false"}, b.handOver.did())
	require.Empty(t, b.cluster.calls, "who is applied to stays as it is")
}

func TestRejoin(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	require.Equal(t, exitDone, b.do(t, "rejoin", "db2", "--yes", "--socket", b.socket), &b.err)
	require.Contains(t, b.out.String(), "db2: follows")
	require.Equal(t, exitDone, b.do(t, "rejoin", "db2", "--yes", "-o", "json", "--socket", b.socket), &b.err)
	require.Contains(t, b.out.String(), `{"result":{"instance":"db2"}}`)
}

// TestHandOversAskOnATerminal keeps what is asked in testdata: it names what
// will happen.
func TestHandOversAskOnATerminal(t *testing.T) {
	all := pictures(t)
	alive := healthy(t)
	alive.LeaderHealth.Health = admin.Alive
	lost := healthy(t)
	lost.LeaderHealth = admin.LeaderHealth{Health: admin.Died, Reason: "its host refuses connections for 1s and the stream broke"}
	lost.Forecast.WouldLose = new(int64(3))
	for name, c := range map[string]struct {
		line   string
		status admin.Status
		done   string // what a yes leads to
	}{
		"switchover":           {"switchover", alive, `switchover "db2" 0s`},
		"switchover-to":        {"switchover --to db3", alive, `switchover "db3" 0s`},
		"failover-alive":       {"failover", alive, `failover "" false`},
		"failover-silent":      {"failover", all["leader-silent"], `failover "" false`},
		"failover-died":        {"failover --to db2", lost, `failover "db2" false`},
		"failover-suspect":     {"failover", all["leader-suspect"], `failover "" false`},
		"failover-unprotected": {"failover --allow-loss", all["unprotected"], `failover "" true`},
		"failover-nobody":      {"failover", all["stopped"], `failover "" false`},
		"failover-refused":     {"failover --to db3", alive, `failover "db3" false`},
		"failover-unknown":     {"failover", all["nothing-known"], `failover "" false`},
		"rejoin":               {"rejoin db2", alive, "rejoin db2 false"},
		"rejoin-rewind":        {"rejoin db2 --rewind", all["errant"], "rejoin db2 true"},
		"rejoin-unknown":       {"rejoin db3", all["needs-seed"], "rejoin db3 false"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.cluster.status = c.status
			b.daemon(t)
			b.terminal.interacts = true
			line := append(strings.Fields(c.line), "--socket", b.socket)
			for _, answer := range []string{"n\n", "\n", ""} {
				b.terminal.in = strings.NewReader(answer)
				require.Equal(t, exitFailed, b.do(t, line...), "%q", answer)
				require.Contains(t, b.out.String(), "Nothing was done.")
				require.Empty(t, b.err.String())
			}
			requireGolden(t, "ask-"+name+".txt", b.out.String())
			for line := range strings.Lines(b.out.String()) {
				require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), textWidth, line)
			}
			require.NotContains(t, strings.Join(b.handOver.did(), "\n"), strings.Fields(c.done)[0])
			b.terminal.in = strings.NewReader("y\n")
			require.Equal(t, exitDone, b.do(t, line...), &b.err)
			did := b.handOver.did()
			require.Equal(t, c.done, did[len(did)-1], "what is done is what was asked")
		})
	}
}

func TestNoOneIsAskedAboutAnInstanceThatIsNotThere(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	b.terminal.interacts = true
	for _, line := range []string{"failover --to db9", "rejoin db9"} {
		require.Equal(t, exitFailed, b.do(t, append(strings.Fields(line), "--socket", b.socket)...), line)
		require.Contains(t, b.err.String(), "there is no instance db9", line)
		require.Empty(t, b.out.String(), line)
	}
	require.Empty(t, b.handOver.did())
}

func TestAnInterruptedCallerSaysThatItGoesOn(t *testing.T) {
	b := newBench(t)
	b.handOver.halfway = make(chan struct{})
	b.daemon(t)
	out, err, stop := b.start(t, "switchover", "--yes", "--socket", b.socket)
	eventually(t, func() bool { return strings.Contains(out.String(), "promote") })
	require.Equal(t, exitFailed, stop())
	require.Contains(t, err.String(), "the switchover goes on in the daemon")
	require.NotContains(t, out.String(), "db2 leads")
	close(b.handOver.halfway)
}

func TestADaemonThatEndsInTheMiddleIsToldOf(t *testing.T) {
	b := newBench(t)
	b.handOver.halfway = make(chan struct{})
	b.handOver.stopped = fmt.Errorf("drain db2: %w", context.Canceled)
	s := admin.New(admin.Config{Socket: b.socket}, admin.Deps{
		Cluster: b.cluster, HandOvers: b.handOver, Events: history.New(history.Config{}, history.Deps{}),
	})
	require.NoError(t, s.Open(t.Context()))
	var out, errs written
	b.terminal.in, b.terminal.out, b.terminal.err = strings.NewReader(""), &out, &errs
	code := make(chan int, 1)
	go func() { code <- b.execute(t.Context(), []string{"failover", "--yes", "--socket", b.socket}) }()
	eventually(t, func() bool { return strings.Contains(out.String(), "promote") })
	require.NoError(t, s.Close())
	require.Equal(t, exitNoDaemon, <-code)
	require.Contains(t, errs.String(), "the daemon stopped in the middle: drain db2")
	require.Contains(t, errs.String(), "baton run")
}

func TestAnInterruptIsANo(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	b.terminal.interacts = true
	keyboard, hand := io.Pipe()
	defer hand.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var out written
	b.terminal.in, b.terminal.out, b.terminal.err = keyboard, &out, &out
	code := make(chan int, 1)
	go func() { code <- b.execute(ctx, []string{"failover", "--socket", b.socket}) }()
	eventually(t, func() bool { return strings.Contains(out.String(), "Fail over? [y/N]") })
	cancel()
	require.Equal(t, exitFailed, <-code)
	require.Contains(t, out.String(), "Nothing was done.")
	require.Empty(t, b.handOver.did())
}
