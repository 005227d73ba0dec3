package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// How many customers the shop has at a time. Who writes connects anew for each transaction, as a web page does; who
// reads has a pool.
const (
	writers = 8
	readers = 4
)

// readersStay is how long a connection of the readers is kept, so that they are spread over the followers anew.
const readersStay = time.Second

// thinking is how long a customer thinks between two transactions, on which the shop's computer, three servers and
// baton, is not to spend all it has: whoever was down has to catch up.
const thinking = 10 * time.Millisecond

// Errors of the server that a transaction may be tried again after: a deadlock, a lock waited for too long, and, of an
// order, that its first attempt is there after all.
const (
	errorDeadlock  = 1213
	errorLockWait  = 1205
	errorDuplicate = 1062
)

var (
	// readOnly are the errors of a server that is.
	readOnly = []uint16{1290, 1836}
	// notHere are those of a server that doesn't take writes, or not from this connection, any more: read-only, shutdown
	// or end of the connection (two), end of the statement.
	notHere = append([]uint16{1053, 3169, 1317}, readOnly...)
)

// counters count what customers did.
type counters struct {
	orders, transactions, conflicts atomic.Int64
	broken                          atomic.Int64 // transactions of customers that an error cost, where one was to be expected
	found, again                    atomic.Int64 // orders without an answer that were there, and that were placed again
	reads, refused                  atomic.Int64 // on followers; refused: the follower did not answer
	looked, notYet                  atomic.Int64 // for an order acknowledged a moment ago; not on that follower yet
}

// load is the shop's customers. They know baton's endpoints and no server. It keeps what the leader acknowledged.
type load struct {
	counters
	leader, followers *sql.DB      // through the endpoints
	newest            atomic.Int64 // id of the order acknowledged last
	references        atomic.Int64

	writing, reading         sync.WaitGroup
	closing                  chan struct{} // closed when no new transaction may begin
	close                    sync.Once
	stopReading, stopWriting context.CancelFunc
	failed                   context.CancelCauseFunc

	mu           sync.Mutex
	acknowledged []order
	last         time.Time // when the last order was
	pause        *pause    // the last one; nil before the first
}

// A pause is a time in which orders may have to wait.
type pause struct {
	trouble bool          // customers may see errors, which fail the demo otherwise
	longest time.Duration // between two orders
	over    bool
}

// newLoad opens the shop at the endpoints. failed is told the error that no customer should see.
func newLoad(ctx context.Context, leader, followers string, failed context.CancelCauseFunc) (*load, error) {
	l := &load{closing: make(chan struct{}), failed: failed}
	var err error
	if l.leader, err = openShopAt(leader); err != nil {
		return nil, err
	}
	l.leader.SetMaxIdleConns(-1)
	if l.followers, err = openShopAt(followers); err != nil {
		return nil, err
	}
	l.followers.SetMaxIdleConns(readers)
	l.followers.SetConnMaxLifetime(readersStay)
	var write, read context.Context
	write, l.stopWriting = context.WithCancel(ctx)
	read, l.stopReading = context.WithCancel(ctx)
	for range writers {
		l.writing.Go(func() { l.write(write) })
	}
	for range readers {
		l.reading.Go(func() { l.read(read) })
	}
	return l, nil
}

// openShopAt is the shop's account at an address, host:port.
func openShopAt(address string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = shopUser, shopPassword, "tcp", address, "shop"
	cfg.InterpolateParams = true // a round trip a statement
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Close ends everything, whatever is under way, and closes the connections.
func (l *load) Close() {
	l.stopWriting()
	l.stopReading()
	l.writing.Wait()
	l.reading.Wait()
	l.leader.Close()
	l.followers.Close()
}

// stop lets every transaction under way end, and ends the rest. It returns the orders that were acknowledged.
func (l *load) stop() []order {
	l.close.Do(func() { close(l.closing) })
	l.writing.Wait()
	l.stopReading()
	l.reading.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acknowledged
}

// begin begins a pause, in which customers may see errors if trouble is to come.
func (l *load) begin(trouble bool) *pause {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pause = &pause{trouble: trouble}
	return l.pause
}

// end ends a pause when orders are placed again, and tells how long none could be.
func (d *demo) end(ctx context.Context, p *pause) (longest time.Duration, err error) {
	l := d.load
	orders := l.orders.Load()
	if err := d.until(ctx, "orders are placed again", func() bool { return l.orders.Load() > orders+writers }); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.over = true
	return p.longest, nil
}

// acknowledge keeps an order that was placed.
func (l *load) acknowledge(o order) {
	l.orders.Add(1)
	l.newest.Store(o.id)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged = append(l.acknowledged, o)
	now := time.Now()
	if p := l.pause; p != nil && !p.over && !l.last.IsZero() {
		p.longest = max(p.longest, now.Sub(l.last))
	}
	l.last = now
}

func (l *load) write(ctx context.Context) {
	for n := 0; ; n++ {
		select {
		case <-l.closing:
			return
		case <-ctx.Done():
			return
		default:
		}
		act := acts[n%len(acts)]
		err := act.do(l, ctx)
		if err == nil {
			l.transactions.Add(1)
			_ = sleep(ctx, thinking)
			continue
		}
		if isConflict(err) {
			l.conflicts.Add(1)
			continue
		}
		if err = l.bear(ctx, err); err != nil && ctx.Err() == nil {
			l.failed(fmt.Errorf("%s: %w", act.what, err))
			return
		}
	}
}

func isConflict(err error) bool {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && (refused.Number == errorDeadlock || refused.Number == errorLockWait)
}

// errUnexpected wraps an error that is no reason to try again.
var errUnexpected = errors.New("a customer saw an error")

// bear returns nil where an error was to be expected, and the customer may try again.
func (l *load) bear(ctx context.Context, cause error) error {
	refused, ok := errors.AsType[*mysql.MySQLError](cause)
	switch {
	case ok && refused.Number == errorDuplicate:
		return nil
	case errors.Is(cause, errUnexpected):
		return cause
	case ctx.Err() != nil, ok && !slices.Contains(notHere, refused.Number):
		return fmt.Errorf("%w: %w", errUnexpected, cause)
	}
	l.mu.Lock()
	expected := l.pause != nil && l.pause.trouble && !l.pause.over
	l.mu.Unlock()
	if !expected {
		return fmt.Errorf("%w: %w", errUnexpected, cause)
	}
	l.broken.Add(1)
	return sleep(ctx, thinking)
}

func (l *load) read(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		err := l.lookAround(ctx, l.followers, n)
		switch {
		case err == nil:
			l.reads.Add(1)
			err = sleep(ctx, 4*time.Millisecond) // customers think; the demo is about writes
		case ctx.Err() == nil:
			l.refused.Add(1)
			err = sleep(ctx, 100*time.Millisecond)
		}
		if err != nil {
			return
		}
	}
}

// sleep waits, and fails when ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
