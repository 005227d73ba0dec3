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

	"github.com/batondb/baton/integration/mysqltest"
)

// How many connections the shop's customers come through.
const (
	writers = 8
	readers = 2 // on each follower
)

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
	found, again                    atomic.Int64 // orders without an answer that were there, and that were placed again
	reads, refused                  atomic.Int64 // on followers; refused: the follower did not answer
	looked, notYet                  atomic.Int64 // for an order acknowledged a moment ago; not on that follower yet
}

// load is the shop's customers: writers on the leader, readers on the followers. It keeps what the leader acknowledged.
// It knows all instances and not who leads: who takes writes does.
type load struct {
	counters
	instances  []*sql.DB    // as in the demo
	at         atomic.Int64 // the index of the one that took writes last
	newest     atomic.Int64 // id of the order acknowledged last
	references atomic.Int64

	writing, reading         sync.WaitGroup
	closing                  chan struct{} // closed when no new transaction may begin
	close                    sync.Once
	stopReading, stopWriting context.CancelFunc
	failed                   context.CancelCauseFunc

	search sync.Mutex // held by the one customer who looks for all who takes writes

	mu           sync.Mutex
	acknowledged []order
	last         time.Time // when the last order was
	move         *move     // the last one; nil before the first
}

// move is that of the customers to another instance.
type move struct {
	from int
	last time.Time     // when the last order was acknowledged there
	gap  time.Duration // until the first elsewhere
	done chan struct{} // closed when gap is known
}

// newLoad opens the connections; the first of the instances leads. failed is told the error that no customer should see.
func newLoad(ctx context.Context, instances []*mysqltest.Server, failed context.CancelCauseFunc) (*load, error) {
	l := &load{closing: make(chan struct{}), failed: failed}
	for _, s := range instances {
		db, err := openShopOn(s, writers+readers)
		if err != nil {
			return nil, err
		}
		l.instances = append(l.instances, db)
	}
	var write, read context.Context
	write, l.stopWriting = context.WithCancel(ctx)
	read, l.stopReading = context.WithCancel(ctx)
	for range writers {
		l.writing.Go(func() { l.write(write) })
	}
	for i := range l.instances {
		for range readers {
			l.reading.Go(func() { l.read(read, i) })
		}
	}
	return l, nil
}

// openShopOn opens connections of the shop's account to an instance.
func openShopOn(s *mysqltest.Server, connections int) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = shopUser, shopPassword, "tcp", s.Addr(), "shop"
	cfg.InterpolateParams = true // a round trip a statement
	cfg.Logger = &mysql.NopLogger{}
	cfg.Timeout = time.Second
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// Close ends everything, whatever is under way, and closes the connections.
func (l *load) Close() {
	l.stopWriting()
	l.stopReading()
	l.writing.Wait()
	l.reading.Wait()
	for _, db := range l.instances {
		db.Close()
	}
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

// expectMove says that the instance which takes writes is about to be no more it. Before, and once the first order is
// placed elsewhere, an error there fails the demo.
func (l *load) expectMove() *move {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.move = &move{from: int(l.at.Load()), last: l.last, done: make(chan struct{})}
	return l.move
}

// ended tells whether an order was placed elsewhere.
func (m *move) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// acknowledge keeps an order that was placed on an instance.
func (l *load) acknowledge(at int, o order) {
	l.orders.Add(1)
	l.newest.Store(o.id)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged = append(l.acknowledged, o)
	l.last = time.Now()
	switch m := l.move; {
	case m == nil || m.ended():
	case at == m.from:
		m.last = l.last
	default:
		m.gap = l.last.Sub(m.last)
		close(m.done)
	}
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
		act, at := acts[n%len(acts)], int(l.at.Load())
		err := act.do(l, ctx, at)
		if err == nil {
			l.transactions.Add(1)
			_ = sleep(ctx, thinking)
			continue
		}
		if isConflict(err) {
			l.conflicts.Add(1)
			continue
		}
		if _, err = l.moveOn(ctx, at, err); err != nil && ctx.Err() == nil {
			l.failed(fmt.Errorf("%s: %w", act.what, err))
			return
		}
	}
}

func isConflict(err error) bool {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && (refused.Number == errorDeadlock || refused.Number == errorLockWait)
}

// errUnexpected wraps an error that is no reason to look for another instance.
var errUnexpected = errors.New("a customer saw an error")

// moveOn is what a customer does after an error on an instance: it asks all of them who takes writes, until one does.
func (l *load) moveOn(ctx context.Context, at int, cause error) (int, error) {
	refused, ok := errors.AsType[*mysql.MySQLError](cause)
	switch {
	case ok && refused.Number == errorDuplicate:
		return at, nil
	case errors.Is(cause, errUnexpected):
		return at, cause
	case ctx.Err() != nil, ok && !slices.Contains(notHere, refused.Number):
		return at, fmt.Errorf("%w: %w", errUnexpected, cause)
	}
	l.search.Lock()
	defer l.search.Unlock()
	if now := int(l.at.Load()); now != at {
		return now, nil
	}
	l.mu.Lock()
	expected := l.move != nil && l.move.from == at
	l.mu.Unlock()
	if !expected {
		return at, fmt.Errorf("%w: %w", errUnexpected, cause)
	}
	for {
		for i, db := range l.instances {
			if takesWrites(ctx, db) {
				l.at.Store(int64(i))
				return i, nil
			}
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return at, err
		}
	}
}

// takesWrites asks an instance.
func takesWrites(ctx context.Context, db *sql.DB) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var refuses bool
	return db.QueryRowContext(ctx, "SELECT @@GLOBAL.read_only").Scan(&refuses) == nil && !refuses
}

func (l *load) read(ctx context.Context, at int) {
	for n := 0; ctx.Err() == nil; n++ {
		if at == int(l.at.Load()) {
			if sleep(ctx, 50*time.Millisecond) != nil {
				return
			}
			continue
		}
		err := l.lookAround(ctx, l.instances[at], n)
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
