package applier

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"go.uber.org/zap"
)

// How many transactions, and of how many bytes of binlog, are held between the
// relay and the follower at most; one larger transaction is held alone. More
// would find no more to run side by side.
const (
	windowCount = 512
	windowBytes = 8 << 20
)

// grace is how long what is under way may take to be committed after the applier
// was told to end.
const grace = 5 * time.Second

// A round is one stream of transactions to the follower: from admission to the
// first error, or to a pause.
type round struct {
	*Applier
	cfg      Config
	gentle   context.Context // ends when nothing more is to be started
	ctx      context.Context // of the sessions: ends when what is under way is to be cut off
	schedule schedule.Schedule
	clock    clock
	tracker  tracker
	held     map[schedule.Ticket]held
	again    []schedule.Ticket // started, but there was no session for them
	given    gtid.Set          // what the follower has or was given
	bytes    int64
	idle     []*worker
	workers  []*worker
	results  chan result
	running  int
	inFlight int   // transactions that sessions were given
	failed   error // the first error; nothing is started after it
	formats  formats
	batches  batches
}

// round admits the follower and applies until something ends it. It returns nil
// when it was ended gently.
func (a *Applier) round(ctx context.Context) error {
	gentle, end := context.WithCancel(ctx)
	defer end()
	a.mu.Lock()
	cfg := a.cfg
	a.end = end
	if a.paused || a.skips > 0 {
		end()
	}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.end = nil
		a.progress.running, a.progress.inFlight = false, 0
		a.mu.Unlock()
	}()
	if err := a.deps.Gate.Admit(gentle); err != nil {
		return unlessEnded(gentle, err)
	}
	first, err := a.firstSession(gentle)
	if err != nil {
		return unlessEnded(gentle, err)
	}
	executed, err := first.Executed(gentle)
	if err != nil {
		first.Close()
		return unlessEnded(gentle, err)
	}
	reader, err := a.deps.Relay.NewReader(executed)
	if err != nil {
		first.Close()
		return relayError{err}
	}
	defer reader.Close()
	a.flow(executed)

	sessions, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cut) })()
	r := &round{Applier: a, cfg: cfg, gentle: gentle, ctx: sessions, given: executed,
		held: map[schedule.Ticket]held{}, results: make(chan result)}
	r.batches.width.Max = cfg.BatchSize
	a.mode.Choice, a.mode.After = cfg.Batches, cfg.CatchingUp
	if a.stopped() {
		r.batches.width.Suspect()
	}
	defer r.close(cut)
	r.hire(first)
	return r.stream(reader)
}

// A relayError says that the relay couldn't give what the follower lacks, which
// isn't the follower's fault.
type relayError struct{ cause error }

func (e relayError) Error() string { return "read from the relay: " + e.cause.Error() }
func (e relayError) Unwrap() error { return e.cause }

// unlessEnded is err, or nil when ctx was what ended the attempt.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// arrival is what the reader gave.
type arrival struct {
	tx  *binlog.Transaction
	err error
}

// stream applies what reader gives until the first error, or until r.gentle ends,
// and what is under way then is done.
func (r *round) stream(reader Reader) error {
	gentle := r.gentle
	reading, stopReading := context.WithCancel(gentle)
	arrivals := make(chan arrival)
	done := make(chan struct{})
	go func() {
		defer close(done)
		read(reading, reader, arrivals)
	}()
	defer func() {
		stopReading()
		<-done
	}()

	for {
		goesOn := r.failed == nil && gentle.Err() == nil
		if oldest, lacking := r.oldest(); goesOn && r.turnMode(oldest, lacking) {
			r.start()
			r.lookUp()
		}
		r.report()
		if r.running == 0 && (r.failed != nil || gentle.Err() != nil) {
			r.wrapUp()
			return r.failed
		}
		var more <-chan arrival
		var ended <-chan struct{}
		var idle <-chan time.Time
		if goesOn {
			ended = gentle.Done()
			if r.schedule.Len() < r.window() && (r.bytes < windowBytes || r.schedule.Len() == 0) {
				more = arrivals
			}
			idle = r.nothingHappens()
		}
		select {
		case got := <-more:
			r.arrived(got)
		case res := <-r.results:
			r.finished(res)
		case <-idle:
			r.beat()
		case <-ended:
		}
	}
}

// window is how many transactions are held.
func (r *round) window() int {
	if r.batches.on {
		return max(windowCount, (lanes+1)*r.cfg.BatchSize)
	}
	return windowCount
}

// oldest is when the leader committed the oldest transaction that the follower
// lacks, of those that it was given; zero when that isn't known.
func (r *round) oldest() (at time.Time, lacking bool) {
	ticket, lacking := r.schedule.Oldest()
	if lacking {
		at = r.held[ticket].tx.ImmediateCommit
	}
	return at, lacking
}

// read hands over what reader gives.
func read(ctx context.Context, reader Reader, arrivals chan<- arrival) {
	for {
		tx, err := reader.Next(ctx)
		select {
		case arrivals <- arrival{tx, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (r *round) arrived(got arrival) {
	if got.err != nil {
		r.fail(relayError{got.err})
		return
	}
	tx := got.tx
	ticket, ahead := r.push(tx)
	r.held[ticket] = held{tx: tx, format: r.formats.of(tx), ahead: ahead}
	r.bytes += tx.Size
	r.given.Add(tx.GTID)
	if r.batches.on {
		r.batches.next.add(r.candidate(ticket))
	}
}

// start hands out all that may start, as long as there are sessions.
func (r *round) start() {
	if r.batches.on {
		r.startBatches()
		return
	}
	for r.available() {
		ticket, ok := r.next()
		if !ok {
			return
		}
		r.inFlight++
		r.assign(job{ticket: ticket, tx: r.held[ticket].tx})
	}
}

// assign gives a job to a worker.
func (r *round) assign(j job) {
	if len(r.idle) == 0 {
		r.hire(nil)
	}
	w := r.idle[len(r.idle)-1]
	r.idle = r.idle[:len(r.idle)-1]
	r.running++
	w.jobs <- j
}

// next is the transaction to hand out.
func (r *round) next() (schedule.Ticket, bool) {
	if n := len(r.again); n > 0 {
		ticket := r.again[n-1]
		r.again = r.again[:n-1]
		return ticket, true
	}
	return r.schedule.Start()
}

func (r *round) finished(res result) {
	r.running--
	res.worker.open = res.open
	var none noSession
	if errors.As(res.err, &none) && slices.ContainsFunc(r.workers, func(w *worker) bool { return w.open }) {
		// The server takes fewer connections than it is offered: this round goes on
		// with those there are.
		r.deps.Logger.Warn("applying with fewer sessions than configured", zap.Error(none.error))
		res.err = errAgain
	} else {
		r.idle = append(r.idle, res.worker)
	}
	switch {
	case res.flight != nil:
		r.landed(res)
		return
	case res.lookup != nil:
		r.lookedUp(res)
		return
	}
	r.inFlight--
	switch {
	case errors.Is(res.err, errAgain):
		r.again = append(r.again, res.ticket)
	case errors.Is(res.err, errEnded), r.ranAhead(res):
	case res.err != nil:
		r.fail(res.err)
	default:
		r.done(res.ticket, res.took)
	}
}

// errAgain says that a job wasn't done for want of a session.
var errAgain = errors.New("there is no session for it")

// done notes that a transaction is committed.
func (r *round) done(ticket schedule.Ticket, took time.Duration) {
	h := r.held[ticket]
	tx := h.tx
	delete(r.held, ticket)
	r.bytes -= tx.Size
	r.schedule.Done(ticket)
	r.changed(ticket)
	r.count(tx, h.ahead)
	r.tell(tx, took)
}

// tell tells whoever measures of a transaction that was applied.
func (r *round) tell(tx *binlog.Transaction, took time.Duration) {
	if r.deps.Applied == nil {
		return
	}
	age := time.Duration(-1)
	if !tx.ImmediateCommit.IsZero() {
		age = max(0, time.Since(tx.ImmediateCommit))
	}
	r.deps.Applied(took, age)
}

// fail keeps the error that says most: a refusal rather than the loss of a
// connection that came with it. A refusal is told at once: what is under way may
// wait for a lock for long.
func (r *round) fail(err error) {
	now, before := refusal(err), refusal(r.failed)
	if r.failed != nil && (now == nil || before != nil) {
		return
	}
	r.failed = err
	if now != nil {
		r.refuse(now)
	}
}

// count notes a transaction that was applied.
func (r *round) count(tx *binlog.Transaction, ahead bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.progress
	p.applied++
	if ahead {
		p.ahead++
	}
	p.bytes += tx.Size
	p.lastGTID, p.lastTime, p.lastCommit = tx.GTID, time.Now(), tx.ImmediateCommit
	if p.failure != nil && p.failure.GTID == tx.GTID {
		r.recovered()
	}
}

// report notes what is under way.
func (r *round) report() {
	oldest, lacking := r.oldest()
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.progress
	p.known, p.oldest, p.lacking, p.given, p.inFlight, p.held = true, oldest, lacking, r.given, r.inFlight, len(r.held)
	switch {
	case r.batches.on:
		p.mode, p.clock = ModeBatch, ""
	case r.tracker.on:
		p.mode, p.clock = ModePerTransaction, ClockRows
	default:
		p.mode, p.clock = ModePerTransaction, ClockLeader
	}
}

// close ends the workers and their sessions.
func (r *round) close(cut context.CancelFunc) {
	cut()
	for _, w := range r.workers {
		close(w.jobs)
	}
	for _, w := range r.workers {
		<-w.gone
	}
}
