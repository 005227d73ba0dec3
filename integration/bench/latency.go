package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batondb/baton/integration/mysqltest"
)

// How the latency is measured: so many connections write, each with another that waits on the follower, and the first
// second isn't counted.
const (
	writers = 4
	warmUp  = time.Second
	// writerUUID is the source of the writers' GTIDs. They are set by the writers, so that a waiter knows, before the
	// commit, which GTID to wait for.
	writerUUID = "ba700000-0000-4000-8000-000000000001"
)

func (b *bench) planLatency() {
	st := &stage{rounds: b.opts.rounds, guess: time.Duration(b.opts.seconds)*time.Second + warmUp + overhead}
	var all []contestant
	for _, c := range contestants(b.opts.only) {
		if c.head {
			all = append(all, c)
			st.names = append(st.names, "latency "+c.name)
		}
	}
	if len(all) > 0 {
		b.add(st, func(ctx context.Context, st *stage) error { return b.latencies(ctx, st, all) })
	}
}

// latencies measures how soon a commit is visible, round by round.
func (b *bench) latencies(ctx context.Context, st *stage, all []contestant) error {
	result := &Latency{Rate: b.opts.rate, Seconds: b.opts.seconds, Writers: writers}
	for _, c := range all {
		result.Series = append(result.Series, LatencySeries{Name: c.name, Native: c.native()})
	}
	b.report.Latency = result
	return b.inTurns(ctx, st, fmt.Sprintf("latency at %d transactions a second", b.opts.rate), func(ctx context.Context, i, round int) (string, error) {
		r, err := b.latency(ctx, all[i])
		if err != nil {
			return "", err
		}
		r.Round = round
		result.Series[i].Runs = append(result.Series[i].Runs, r)
		return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", 1e3*r.Visible.P50, 1e3*r.Visible.P99), nil
	})
}

// latency measures one contestant once, on a leader and a follower of its own.
func (b *bench) latency(ctx context.Context, c contestant) (run LatencyRun, err error) {
	dir, err := os.MkdirTemp(b.dir, "latency-")
	if err != nil {
		return run, err
	}
	defer os.RemoveAll(dir)
	cluster, err := mysqltest.LaunchCluster(ctx, dir, 1, settings(c.options...)...)
	if err != nil {
		return run, err
	}
	defer cluster.Close()
	leader, follower := cluster.Leader, cluster.Followers[0]
	_, err = leader.DB().ExecContext(ctx, "CREATE DATABASE bench; "+
		"CREATE TABLE bench.beat (id BIGINT PRIMARY KEY, writer INT NOT NULL, text CHAR(120) NOT NULL)")
	if err != nil {
		return run, err
	}
	r, err := c.replicate(ctx, b.opts.baton, dir, nil, leader, follower)
	if err != nil {
		return run, err
	}
	defer r.stop()
	if err := r.start(ctx); err != nil {
		return run, err
	}
	has, err := executed(ctx, leader)
	if err != nil {
		return run, err
	}
	if err := waitFor(ctx, follower, r, has); err != nil {
		return run, err
	}
	if err := apart(leader, r, follower); err != nil {
		return run, err
	}
	beats, err := b.beat(ctx, leader, follower)
	if err != nil {
		if said := r.trouble(ctx); said != nil {
			return run, said
		}
		return run, err
	}
	if run, err = summary(beats), r.stop(); err != nil {
		return run, err
	}
	return run, verify(ctx, leader, follower, true)
}

// A beat is one transaction: when it was sent to the leader, when that said that it is committed, and when the follower
// had it.
type beat struct{ sent, committed, visible time.Time }

// beat writes at the rate and waits for every transaction on the follower.
func (b *bench) beat(ctx context.Context, leader, follower *mysqltest.Server) ([]beat, error) {
	interval := time.Second * writers / time.Duration(b.opts.rate)
	each := int((warmUp + time.Duration(b.opts.seconds)*time.Second) / interval)
	skipped := int(warmUp / interval)
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now().Add(50 * time.Millisecond)
	beats := make([][]beat, writers)
	for w := range writers {
		beats[w] = make([]beat, each)
		announced := make(chan int, each)
		writer := &beater{number: w, at: begin.Add(interval * time.Duration(w) / writers), interval: interval, beats: beats[w]}
		group.Go(func() error {
			defer close(announced)
			return writer.write(ctx, leader, announced)
		})
		group.Go(func() error { return writer.await(ctx, follower, announced) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var counted []beat
	for w := range writers {
		counted = append(counted, beats[w][skipped:]...)
	}
	return counted, nil
}

// beater is one of the writers and its waiter.
type beater struct {
	number   int
	at       time.Time // of its first transaction
	interval time.Duration
	mu       sync.Mutex
	beats    []beat
}

// id is both the row's key and the number of the GTID.
func (w *beater) id(i int) int { return 1 + i*writers + w.number }

func (w *beater) note(i int, set func(*beat)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	set(&w.beats[i])
}

// write commits a transaction at every interval, or as soon as the one before is committed.
func (w *beater) write(ctx context.Context, leader *mysqltest.Server, announced chan<- int) error {
	conn, err := leader.DB().Conn(ctx)
	if err != nil {
		return err
	}
	defer discard(conn)
	for i := range w.beats {
		select {
		case <-time.After(time.Until(w.at.Add(time.Duration(i) * w.interval))):
		case <-ctx.Done():
			return ctx.Err()
		}
		id := w.id(i)
		statement := fmt.Sprintf("SET GTID_NEXT='%s:%d'; INSERT INTO bench.beat VALUES (%d, %d, 'what a small transaction writes')",
			writerUUID, id, id, w.number)
		announced <- i
		sent := time.Now()
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("write to the leader: %w", err)
		}
		committed := time.Now()
		w.note(i, func(b *beat) { b.sent, b.committed = sent, committed })
	}
	return nil
}

// await waits on the follower for each transaction that is announced: the server itself says when it has it.
func (w *beater) await(ctx context.Context, follower *mysqltest.Server, announced <-chan int) error {
	conn, err := follower.DB().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	const limit = 60 // seconds
	for i := range announced {
		var timedOut int
		query := fmt.Sprintf("SELECT WAIT_FOR_EXECUTED_GTID_SET('%s:%d', %d)", writerUUID, w.id(i), limit)
		if err := conn.QueryRowContext(ctx, query).Scan(&timedOut); err != nil {
			return fmt.Errorf("wait for a transaction on the follower: %w", err)
		}
		visible := time.Now()
		if timedOut != 0 {
			return fmt.Errorf("a transaction did not reach the follower within %d s", limit)
		}
		w.note(i, func(b *beat) { b.visible = visible })
	}
	return nil
}

// discard closes a connection for good: its GTID_NEXT is not for others.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}

func summary(beats []beat) LatencyRun {
	var commit, visible, whole []float64
	for _, b := range beats {
		commit = append(commit, b.committed.Sub(b.sent).Seconds())
		visible = append(visible, b.visible.Sub(b.committed).Seconds())
		whole = append(whole, b.visible.Sub(b.sent).Seconds())
	}
	return LatencyRun{Transactions: len(beats), Commit: quantilesOf(commit), Visible: quantilesOf(visible), Whole: quantilesOf(whole)}
}
