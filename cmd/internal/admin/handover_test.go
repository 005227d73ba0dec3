package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/failover"
)

// handOvers hands over by reporting steps: nothing else is done.
type handOvers struct {
	steps  []failover.StepReport
	result failover.Result
	err    error
	// halfway, when set, is what it waits for, or its context, after the steps.
	halfway chan struct{}

	mu    sync.Mutex
	calls []string
	ended []error // of the contexts when it returned
}

func (h *handOvers) called(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, fmt.Sprintf(format, args...))
}

func (h *handOvers) do(ctx context.Context, say func(failover.StepReport)) error {
	for _, step := range h.steps {
		say(step)
	}
	err := h.err
	if h.halfway != nil {
		select {
		case <-h.halfway:
		case <-ctx.Done():
			err = fmt.Errorf("drain db2: %w", ctx.Err())
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = append(h.ended, err)
	return err
}

func (h *handOvers) PlanSwitchover(o failover.Order) (from, to string, err error) {
	h.called("plan %+v", o)
	return "db1", "db2", h.err
}

func (h *handOvers) Switchover(ctx context.Context, o failover.Order, say func(failover.StepReport)) (failover.Result, error) {
	h.called("switchover %+v", o)
	return h.result, h.do(ctx, say)
}

func (h *handOvers) Failover(ctx context.Context, o failover.Order, say func(failover.StepReport)) (failover.Result, error) {
	h.called("failover %+v", o)
	return h.result, h.do(ctx, say)
}

func (h *handOvers) PauseFailover(_ context.Context, paused bool) error {
	h.called("paused %v", paused)
	return h.err
}

func (h *handOvers) Rejoin(ctx context.Context, instance string, rewind bool, say func(failover.StepReport)) error {
	h.called("rejoin %s %v", instance, rewind)
	return h.do(ctx, say)
}

func (h *handOvers) outcome() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ended)
}

// handingOver is a daemon whose hand-overs have two steps.
func handingOver(t *testing.T) *handOvers {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &handOvers{
		steps: []failover.StepReport{
			{At: at, Elapsed: 0.132, Step: "freeze", Detail: "db1 takes no writes from now on"},
			{At: at, Elapsed: 0.2, Step: "promote"},
		},
		result: failover.Result{Kind: failover.Switchover, From: "db1", To: "db2", Epoch: 4, Cut: *setOf(t, server1+":1-100"), Seconds: 0.4},
	}
}

func startHandingOver(t *testing.T, h HandOvers) (*Server, *Client) {
	t.Helper()
	s, client, store := startServer(t, &fakeCluster{}, nil)
	require.NoError(t, s.Close())
	s = New(s.cfg, Deps{Cluster: &fakeCluster{}, HandOvers: h, Events: store})
	require.NoError(t, s.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, client
}

func TestOrdersReachTheDaemonAndTheirStepsTheCaller(t *testing.T) {
	h := handingOver(t)
	_, client := startHandingOver(t, h)
	ctx := t.Context()
	var steps []failover.StepReport
	say := func(r failover.StepReport) { steps = append(steps, r) }

	result, err := client.Switchover(ctx, failover.Order{To: "db2", Timeout: 90 * time.Second}, say)
	require.NoError(t, err)
	require.Equal(t, asJSON(t, h.result), asJSON(t, result))
	require.Equal(t, h.steps, steps)
	result, err = client.Failover(ctx, failover.Order{To: "db2", AllowLoss: true}, say)
	require.NoError(t, err)
	require.Equal(t, int64(4), result.Epoch)
	require.NoError(t, client.Rejoin(ctx, "db1", true, say))
	require.Len(t, steps, 6)
	from, to, err := client.PlanSwitchover(ctx, failover.Order{})
	require.NoError(t, err)
	require.Equal(t, "db1 db2", from+" "+to)
	require.NoError(t, client.PauseFailover(ctx, true))
	require.NoError(t, client.PauseFailover(ctx, false))
	require.Equal(t, []string{
		"switchover {To:db2 AllowLoss:false Timeout:1m30s}", "failover {To:db2 AllowLoss:true Timeout:0s}", "rejoin db1 true",
		"plan {To: AllowLoss:false Timeout:0s}", "paused true", "paused false",
	}, h.calls)
}

func TestProgressIsLinesOfJSON(t *testing.T) {
	h := handingOver(t)
	s, _ := startHandingOver(t, h)
	lines := strings.Split(strings.TrimSpace(overSocket(t, s, http.MethodPost, "/v1/switchover").body), "\n")
	require.Len(t, lines, 3)
	require.JSONEq(t, `{"step":{"at":"2026-01-02T03:04:05Z","elapsed_seconds":0.132,"step":"freeze","detail":"db1 takes no writes from now on"}}`, lines[0])
	require.Contains(t, lines[2], `{"result":{"kind":"switchover","from":"db1","to":"db2","epoch":4,"cut":"`+server1+`:1-100"`)

	h.err = errors.New("db2 went away")
	lines = strings.Split(strings.TrimSpace(overSocket(t, s, http.MethodPost, "/v1/failover").body), "\n")
	require.Len(t, lines, 3)
	require.Contains(t, lines[2], `{"error":{"error":"db2 went away","mend":"`)

	h.err = nil
	lines = strings.Split(strings.TrimSpace(overSocket(t, s, http.MethodPost, "/v1/rejoin?instance=db1").body), "\n")
	require.JSONEq(t, `{"result":{"instance":"db1"}}`, lines[2])
}

func TestARefusalComesWithItsMend(t *testing.T) {
	h := &handOvers{err: fmt.Errorf("switch over: %w", &failover.Refused{Reason: "db2 lags by 40s", Mend: "wait"})}
	s, client := startHandingOver(t, h)
	want := &Error{Code: Refused, Message: "db2 lags by 40s", Mend: "wait"}
	nothing := func(failover.StepReport) { t.Error("nothing was begun") }
	_, err := client.Switchover(t.Context(), failover.Order{}, nothing)
	require.Equal(t, want, err)
	_, err = client.Failover(t.Context(), failover.Order{}, nothing)
	require.Equal(t, want, err)
	_, _, err = client.PlanSwitchover(t.Context(), failover.Order{})
	require.Equal(t, want, err)
	require.Equal(t, want, client.Rejoin(t.Context(), "db1", false, nothing))
	require.Equal(t, want, client.PauseFailover(t.Context(), true))
	require.Equal(t, http.StatusConflict, overSocket(t, s, http.MethodPost, "/v1/switchover").status)
}

func TestADaemonWithoutHandOversRefuses(t *testing.T) {
	s, client, _ := startServer(t, &fakeCluster{}, nil)
	_, err := client.Switchover(t.Context(), failover.Order{}, nil)
	e, ok := errors.AsType[*Error](err)
	require.True(t, ok, err)
	require.Equal(t, Refused, e.Code)
	require.Equal(t, "this daemon doesn't hand over", e.Message)
	for _, path := range []string{"failover", "rejoin?instance=db1", "failover/pause", "failover/resume", "switchover?dry_run=true"} {
		require.Equal(t, http.StatusConflict, overSocket(t, s, http.MethodPost, "/v1/"+path).status, path)
	}
}

func TestAnOrderThatIsNotClearIsABadRequest(t *testing.T) {
	h := handingOver(t)
	s, _ := startHandingOver(t, h)
	for _, path := range []string{
		"switchover?too=db2", "switchover?timeout=30", "switchover?timeout=-1s", "switchover?dry_run=perhaps", "switchover?allow_loss=true",
		"failover?allow_loss=si", "failover?timeout=1s", "rejoin", "rejoin?instance=db1&rewind=x", "rejoin?name=db1",
	} {
		r := overSocket(t, s, http.MethodPost, "/v1/"+path)
		require.Equal(t, http.StatusBadRequest, r.status, path)
		require.Equal(t, BadRequest, r.err.Code, path)
		require.NotEmpty(t, r.err.Mend, path)
	}
	require.Empty(t, h.calls)
	for _, path := range []string{"switchover", "failover", "failover/pause", "failover/resume", "rejoin?instance=db1"} {
		require.Equal(t, http.StatusForbidden, overTCP(t, s, http.MethodPost, "/v1/"+path).status, path)
		require.Equal(t, http.StatusNotFound, overSocket(t, s, http.MethodGet, "/v1/"+path).status, path)
	}
	require.Empty(t, h.calls)
}

// begin orders a switchover, and returns when its steps have come, with what
// ends the caller and the channel of its error.
func begin(t *testing.T, client *Client, h *handOvers) (leave context.CancelFunc, ended <-chan error) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	steps, end := make(chan failover.StepReport, len(h.steps)), make(chan error, 1)
	go func() {
		_, err := client.Switchover(ctx, failover.Order{}, func(r failover.StepReport) { steps <- r })
		end <- err
	}()
	for range h.steps {
		<-steps // as they happen, not at the end
	}
	return leave, end
}

func TestAHandOverGoesOnWithoutItsCaller(t *testing.T) {
	h := handingOver(t)
	h.halfway = make(chan struct{})
	s, client := startHandingOver(t, h)
	leave, ended := begin(t, client, h)
	leave()
	require.ErrorIs(t, <-ended, context.Canceled)
	_, _, err := client.Status(t.Context())
	require.NoError(t, err)
	require.Empty(t, h.outcome(), "it is under way")
	close(h.halfway)
	require.Eventually(t, func() bool { return len(h.outcome()) == 1 }, time.Minute, time.Millisecond)
	require.NoError(t, h.outcome()[0])
	require.NoError(t, s.Close())
}

func TestAStoppingDaemonEndsAHandOverAndWaitsForIt(t *testing.T) {
	h := handingOver(t)
	h.halfway = make(chan struct{})
	s, client := startHandingOver(t, h)
	leave, ended := begin(t, client, h)
	leave()
	<-ended
	_, ended = begin(t, client, h)
	require.NoError(t, s.Close())
	require.Len(t, h.outcome(), 2, "with a caller and without")
	for _, err := range h.outcome() {
		require.ErrorIs(t, err, context.Canceled)
	}
	err := <-ended
	gone, ok := errors.AsType[*NoDaemonError](err)
	require.True(t, ok, err)
	require.ErrorContains(t, gone, "drain db2")
}

func TestOrdersCanBeEndedBeforeTheServerIsClosed(t *testing.T) {
	h := handingOver(t)
	h.halfway = make(chan struct{})
	s, client := startHandingOver(t, h)
	_, ended := begin(t, client, h)
	s.EndOrders()
	require.Len(t, h.outcome(), 1)
	_, ok := errors.AsType[*NoDaemonError](<-ended)
	require.True(t, ok)
	_, _, err := client.Status(t.Context())
	require.NoError(t, err, "the rest is answered")
	_, err = client.Failover(t.Context(), failover.Order{}, nil)
	_, ok = errors.AsType[*NoDaemonError](err)
	require.True(t, ok, err)
	s.EndOrders()
}

func TestAClosedServerBeginsNothing(t *testing.T) {
	s, _ := startHandingOver(t, handingOver(t))
	require.NoError(t, s.Close())
	require.False(t, s.beginOrder(func(context.Context) { t.Error("it began") }))
}

func TestReportsWaitForNobody(t *testing.T) {
	r := &reports{news: make(chan struct{}, 1)}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 100 {
				r.add(failover.StepReport{})
			}
		})
	}
	all.Wait()
	<-r.news
	require.Len(t, r.take(), 1000)
	require.Empty(t, r.take())
}
