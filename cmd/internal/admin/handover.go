package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/batondb/baton/failover"
)

// HandOvers hands the leadership over. The daemon implements it; every method
// may be called at any time and by several goroutines. An error that is a
// [*failover.Refused] says that nothing was begun, and reaches the operator with
// its mend.
//
// The contexts end when the daemon stops, not when whoever asked goes away. say
// may be called by several goroutines, doesn't wait for anybody, and does
// nothing after the method has returned.
type HandOvers interface {
	// PlanSwitchover says what Switchover would do, and does nothing.
	PlanSwitchover(o failover.Order) (from, to string, err error)
	// Switchover hands over from a leader that takes part.
	Switchover(ctx context.Context, o failover.Order, say func(failover.StepReport)) (failover.Result, error)
	// Failover hands over from a leader that may be dead.
	Failover(ctx context.Context, o failover.Order, say func(failover.StepReport)) (failover.Result, error)
	// PauseFailover suspends automatic failovers, or allows them again. It stays
	// so through restarts.
	PauseFailover(ctx context.Context, paused bool) error
	// Rejoin makes a former leader a follower, and undoes what it alone has first
	// where rewind is set.
	Rejoin(ctx context.Context, instance string, rewind bool, say func(failover.StepReport)) error
}

// Planned is the answer of a dry run.
type Planned struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Rejoined is the result of a rejoin.
type Rejoined struct {
	Instance string `json:"instance"`
}

// Progress is a line of the answer to an order of T, the type of its result. One
// of the fields is set; Result or Error is in the last line.
type Progress[T any] struct {
	Step   *failover.StepReport `json:"step,omitempty"`
	Result *T                   `json:"result,omitempty"`
	Error  *Error               `json:"error,omitempty"`
}

// handOverRoutes are the commands about the leadership.
func (s *Server) handOverRoutes(mux *http.ServeMux) {
	mux.Handle("POST /v1/switchover", s.commanded(route(s.switchover)))
	mux.Handle("POST /v1/failover", s.commanded(route(s.failover)))
	mux.Handle("POST /v1/rejoin", s.commanded(route(s.rejoin)))
	for path, paused := range map[string]bool{"POST /v1/failover/pause": true, "POST /v1/failover/resume": false} {
		mux.Handle(path, s.commanded(s.command(func(ctx context.Context, _ *http.Request) (any, error) {
			if err := s.handsOver(); err != nil {
				return nil, err
			}
			return nil, s.deps.HandOvers.PauseFailover(ctx, paused)
		})))
	}
}

func (s *Server) switchover(w http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r, "to", "timeout", "dry_run")
	o := failover.Order{To: p.text("to"), Timeout: p.duration("timeout")}
	dryRun := p.truth("dry_run")
	if err := errors.Join(p.err, s.handsOver()); err != nil {
		return err
	}
	if !dryRun {
		return carryOut(s, w, r, func(ctx context.Context, say func(failover.StepReport)) (failover.Result, error) {
			return s.deps.HandOvers.Switchover(ctx, o, say)
		})
	}
	from, to, err := s.deps.HandOvers.PlanSwitchover(o)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, Planned{From: from, To: to})
	return nil
}

func (s *Server) failover(w http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r, "to", "allow_loss")
	o := failover.Order{To: p.text("to"), AllowLoss: p.truth("allow_loss")}
	if err := errors.Join(p.err, s.handsOver()); err != nil {
		return err
	}
	return carryOut(s, w, r, func(ctx context.Context, say func(failover.StepReport)) (failover.Result, error) {
		return s.deps.HandOvers.Failover(ctx, o, say)
	})
}

func (s *Server) rejoin(w http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r, "instance", "rewind")
	instance, rewind := p.text("instance"), p.truth("rewind")
	if p.err == nil && instance == "" {
		p.err = &Error{Code: BadRequest, Message: "rejoin needs an instance", Mend: "name it: baton rejoin INSTANCE"}
	}
	if err := errors.Join(p.err, s.handsOver()); err != nil {
		return err
	}
	return carryOut(s, w, r, func(ctx context.Context, say func(failover.StepReport)) (Rejoined, error) {
		return Rejoined{Instance: instance}, s.deps.HandOvers.Rejoin(ctx, instance, rewind, say)
	})
}

func (s *Server) handsOver() error {
	if s.deps.HandOvers == nil {
		return &Error{
			Code: Refused, Message: "this daemon doesn't hand over",
			Mend: "see `baton version` and the daemon's version in `baton status -o json`",
		}
	}
	return nil
}

// carryOut answers with the progress of an order. The order goes on when nobody
// listens any more; it ends with the daemon.
func carryOut[T any](s *Server, w http.ResponseWriter, r *http.Request, do func(context.Context, func(failover.StepReport)) (T, error)) error {
	reports := &reports{news: make(chan struct{}, 1)}
	var result T
	var err error
	done := make(chan struct{})
	if !s.beginOrder(func(ctx context.Context) {
		defer close(done)
		result, err = do(ctx, reports.add)
	}) {
		return &Error{Code: Stopping, Message: "the daemon is stopping", Mend: "start it again, then repeat this"}
	}
	out := lines{w: w, control: http.NewResponseController(w), encoder: json.NewEncoder(w)}
	for ended := false; !ended; {
		select {
		case <-reports.news:
		case <-done:
			ended = true
		case <-r.Context().Done():
			if s.ordered.Err() == nil {
				return nil // nobody is there to be told
			}
			<-done // the daemon stops; it is told how far it came
			ended = true
		}
		for _, report := range reports.take() {
			// Where nobody is there any more, the request's context ends too.
			_ = out.send(Progress[T]{Step: &report})
		}
	}
	if errors.Is(err, context.Canceled) && s.ordered.Err() != nil {
		err = &Error{
			Code: Stopping, Message: "the daemon stopped in the middle: " + err.Error(),
			Mend: "start it again: it finishes or undoes what it began, and `baton status` says who leads",
		}
	}
	return concluded(out, result, err)
}

// concluded says what came of it, in the last line, or as the answer when there
// is no line before it.
func concluded[T any](out lines, result T, err error) error {
	if err == nil {
		_ = out.send(Progress[T]{Result: &result})
		return nil
	}
	if out.begun {
		_ = out.send(Progress[T]{Error: asError(err)})
		return nil
	}
	_ = out.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	return err
}

// beginOrder runs do on a goroutine of its own, with a context that EndOrders and
// Close end before they wait for it. It returns false after either.
func (s *Server) beginOrder(do func(context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ordered == nil || s.ordered.Err() != nil {
		return false
	}
	s.orders.Go(func() { do(s.ordered) })
	return true
}

// reports are the steps that were reported and not yet sent. Whoever reports
// doesn't wait for whoever reads.
type reports struct {
	news chan struct{} // holds a token when there may be some

	mu      sync.Mutex
	pending []failover.StepReport
}

func (r *reports) add(report failover.StepReport) {
	r.mu.Lock()
	r.pending = append(r.pending, report)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *reports) take() []failover.StepReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.pending
	r.pending = nil
	return taken
}

// parameters reads those of a request whose unknown ones are refused. err is the
// first mistake.
type parameters struct {
	r   *http.Request
	err error
}

func parametersOf(r *http.Request, known ...string) *parameters {
	p := &parameters{r: r}
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
			p.wrong(fmt.Sprintf("%s knows no parameter %q", r.URL.Path, name), fmt.Sprintf("it takes %q", known))
		}
	}
	return p
}

func (p *parameters) wrong(message, mend string) {
	if p.err == nil {
		p.err = &Error{Code: BadRequest, Message: message, Mend: mend}
	}
}

func (p *parameters) text(name string) string { return p.r.URL.Query().Get(name) }

func (p *parameters) truth(name string) bool {
	text := p.text(name)
	value, err := strconv.ParseBool(text)
	if text != "" && err != nil {
		p.wrong(fmt.Sprintf("%s=%q is neither true nor false", name, text), "give true or false")
	}
	return value
}

func (p *parameters) duration(name string) time.Duration {
	text := p.text(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		p.wrong(fmt.Sprintf("%s=%q is no duration above 0", name, text), "write it as 30s or 1m30s")
	}
	return d
}
