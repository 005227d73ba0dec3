package main

import (
	"context"
	"fmt"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/mysqltest"
)

// base is the data directory in which all servers begin that are written to by loads.
type base struct{ server *mysqltest.Server } // stopped

// close may be called twice, and on nil.
func (d *base) close() {
	if d != nil {
		d.server.Close() // the folder goes with the whole run's
	}
}

// theBase fills it when it is first asked for.
func (b *bench) theBase(ctx context.Context) (*base, error) {
	if b.base != nil {
		return b.base, nil
	}
	b.begin("%s: creating the tables and %d rows in each of %d … ", clock(time.Since(b.began)), sysbenchRows, sysbenchTables)
	s, err := b.launch(ctx, b.dir, "base")
	if err != nil {
		return nil, err
	}
	d := &base{s}
	if err := d.fill(ctx); err != nil {
		d.close()
		return nil, err
	}
	b.base = d
	b.end("done")
	return d, nil
}

func (d *base) fill(ctx context.Context) error {
	if err := d.server.CreateAccount(ctx, mysqltest.User, mysqltest.Password); err != nil {
		return err
	}
	if err := createTables(ctx, d.server); err != nil {
		return err
	}
	if _, err := d.server.DB().ExecContext(ctx, "CREATE DATABASE sbtest"); err != nil {
		return err
	}
	if _, err := runSysbench(ctx, everywhere, d.server, "oltp_write_only", "prepare", "--threads=4"); err != nil {
		return err
	}
	return d.server.Stop(ctx)
}

// fromBase is the option of a server that begins there.
func (b *bench) fromBase(ctx context.Context) (mysqltest.Option, error) {
	d, err := b.theBase(ctx)
	if err != nil {
		return nil, err
	}
	return mysqltest.CopyOf(d.server.DataDir), nil
}

// loaded is a leader that has been written to.
type loaded struct {
	load        load
	leader      *mysqltest.Server
	firstBinlog string   // that the leader has written the load to
	executed    gtid.Set // of the leader after the load
	result      *CatchUp // with nobody in it
}

// close may be called twice, and on nil.
func (l *loaded) close() {
	if l != nil && l.leader != nil {
		l.leader.Close() // the folder goes with the whole run's
	}
}

// leaderWith is a leader that the load has been written to, which is closed when another one is asked for.
func (b *bench) leaderWith(ctx context.Context, what load) (*loaded, error) {
	if b.loaded != nil && b.loaded.load.name == what.name {
		return b.loaded, nil
	}
	b.loaded.close()
	b.loaded = nil
	l := &loaded{load: what}
	if err := b.fillLeader(ctx, l); err != nil {
		l.close()
		return nil, fmt.Errorf("write the load %s to a leader: %w", what.name, err)
	}
	b.loaded = l
	return l, nil
}

func (b *bench) fillLeader(ctx context.Context, l *loaded) error {
	from, err := b.fromBase(ctx)
	if err != nil {
		return err
	}
	transactions := l.load.count(b.opts.transactions)
	b.begin("%s: writing %d transactions with %d threads (%s) … ", clock(time.Since(b.began)), transactions, b.opts.threads, l.load.about)
	if l.leader, err = b.launch(ctx, b.dir, "leader", from); err != nil {
		return err
	}
	logs, err := binlogs(ctx, l.leader)
	if err != nil {
		return err
	}
	l.firstBinlog = logs[len(logs)-1].name
	began := time.Now()
	if err := l.load.write(ctx, l.leader, transactions, b.opts.threads); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	if l.executed, err = executed(ctx, l.leader); err != nil {
		return err
	}
	l.result = &CatchUp{Load: l.load.name, About: l.load.about, Transactions: transactions, LeaderSeconds: took}
	if l.result.BinlogBytes, err = binlogSize(ctx, l.leader, l.firstBinlog); err != nil {
		return err
	}
	b.end("%.1f s, %.0f MB of binlog", took, float64(l.result.BinlogBytes)/1e6)
	return nil
}
