package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// Errors of the server that a transaction may be tried again after: a deadlock, and a lock waited for too long.
const (
	errorDeadlock = 1213
	errorLockWait = 1205
)

// order is what the client of a committed order knows of it.
type order struct {
	id    int64
	total string
}

// counters count what customers did.
type counters struct {
	orders, transactions, conflicts atomic.Int64
	reads, refused                  atomic.Int64 // on followers; refused: the follower did not answer
	looked, notYet                  atomic.Int64 // for an order acknowledged a moment ago; not on that follower yet
}

// load is the shop's customers: writers on the leader, readers on the followers. It keeps what the leader acknowledged.
type load struct {
	counters
	leader    *sql.DB
	followers []*sql.DB
	newest    atomic.Int64 // id of the order acknowledged last

	writing, reading         sync.WaitGroup
	closing                  chan struct{} // closed when no new transaction may begin
	close                    sync.Once
	stopReading, stopWriting context.CancelFunc
	failed                   context.CancelCauseFunc

	mu           sync.Mutex
	acknowledged []order
}

// newLoad opens the connections. failed is told the error that no customer should see.
func newLoad(ctx context.Context, c *mysqltest.Cluster, failed context.CancelCauseFunc) (*load, error) {
	l := &load{closing: make(chan struct{}), failed: failed}
	open := func(s *mysqltest.Server, connections int) (*sql.DB, error) {
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
	var err error
	if l.leader, err = open(c.Leader, writers); err != nil {
		return nil, err
	}
	for _, s := range c.Followers {
		db, err := open(s, readers)
		if err != nil {
			return nil, err
		}
		l.followers = append(l.followers, db)
	}
	var write, read context.Context
	write, l.stopWriting = context.WithCancel(ctx)
	read, l.stopReading = context.WithCancel(ctx)
	for range writers {
		l.writing.Go(func() { l.write(write) })
	}
	for i := range l.followers {
		for range readers {
			l.reading.Go(func() { l.read(read, i) })
		}
	}
	return l, nil
}

// Close ends everything, whatever is under way, and closes the connections.
func (l *load) Close() {
	l.stopWriting()
	l.stopReading()
	l.writing.Wait()
	l.reading.Wait()
	l.leader.Close()
	for _, db := range l.followers {
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
		var refused *mysql.MySQLError
		switch {
		case err == nil:
			l.transactions.Add(1)
		case errors.As(err, &refused) && (refused.Number == errorDeadlock || refused.Number == errorLockWait):
			l.conflicts.Add(1)
		case ctx.Err() == nil:
			l.failed(fmt.Errorf("%s on the leader: %w", act.what, err))
			return
		}
	}
}

func (l *load) read(ctx context.Context, follower int) {
	db := l.followers[follower]
	for n := 0; ctx.Err() == nil; n++ {
		err := l.lookAround(ctx, db, n)
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
