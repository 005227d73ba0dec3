package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/batondb/baton/integration/mysqltest"
)

// A contestant is a way to bring a follower to what its leader has.
type contestant struct {
	name     string
	settings string             // what is set beside the common settings, for the reader
	options  []mysqltest.Option // of the follower
	apply    map[string]any     // baton's section of that name; nil for MySQL's own replication
}

func (c contestant) native() bool { return c.apply == nil }

// Names that more than the list below knows.
const (
	nativeDefault = "native, defaults"
	batonRelaxed  = "baton, 16 sessions"
)

// contestants lists those whose names match a regular expression, as all do the empty one.
func contestants(only string) []contestant {
	set := mysqltest.Setting
	workers := set("replica_parallel_workers", "16")
	unlogged, unordered := set("log_replica_updates", "OFF"), set("replica_preserve_commit_order", "OFF")
	// Transaction by transaction, also where a later version would choose batches by itself.
	perTransaction := func(order string) map[string]any {
		return map[string]any{"sessions": 16, "order": order, "catch_up": map[string]any{"mode": "off"}}
	}
	all := []contestant{
		{nativeDefault, "none: 4 workers, commits in the leader's order", nil, nil},
		{"native, 16 workers", "replica_parallel_workers=16", []mysqltest.Option{workers}, nil},
		{"native, 16 workers, no own binlog", "and log_replica_updates=OFF", []mysqltest.Option{workers, unlogged}, nil},
		{"native, 16 workers, no own binlog, any order", "and replica_preserve_commit_order=OFF",
			[]mysqltest.Option{workers, unlogged, unordered}, nil},
		{batonRelaxed, "apply: {sessions: 16, order: relaxed, catch_up: {mode: off}}", nil, perTransaction("relaxed")},
		{"baton, leader's order", "apply: {sessions: 16, order: leader, catch_up: {mode: off}}", nil, perTransaction("leader")},
	}
	names, err := regexp.Compile(only)
	if err != nil {
		return nil // the command line was checked
	}
	return slices.DeleteFunc(all, func(c contestant) bool { return !names.MatchString(c.name) })
}

// replication is a contestant at work on one follower.
type replication interface {
	start(ctx context.Context) error
	// trouble is why it will not go on by itself; nil while it does.
	trouble(ctx context.Context) error
	// used is what baton has used since its start; zeros for MySQL's own replication, which is part of the server.
	used() (cpu float64, peak int64, err error)
	// stop may be called twice, and before start.
	stop() error
}

// replicate makes everything ready so that start only starts. dir is for the relay.
func (c contestant) replicate(ctx context.Context, binary, dir string, leader, follower *mysqltest.Server) (replication, error) {
	if c.native() {
		n := &native{follower: follower}
		return n, n.prepare(ctx, leader)
	}
	return newDaemon(binary, filepath.Clean(dir), map[string]any{"apply": c.apply},
		instance{leader.Name, leader.Addr()}, instance{follower.Name, follower.Addr()})
}

// native is MySQL's own replication.
type native struct{ follower *mysqltest.Server }

func (n *native) prepare(ctx context.Context, leader *mysqltest.Server) error {
	err := n.exec(ctx, "SET GLOBAL read_only = ON", fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %d, "+
		"SOURCE_USER = '%s', SOURCE_PASSWORD = '%s', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1", leader.Port, mysqltest.User, mysqltest.Password))
	if err != nil {
		return fmt.Errorf("make %s a replica: %w", n.follower.Name, err)
	}
	return nil
}

func (n *native) start(ctx context.Context) error { return n.exec(ctx, "START REPLICA") }
func (n *native) stop() error                     { return n.exec(context.Background(), "STOP REPLICA") }

func (n *native) used() (float64, int64, error) { return 0, 0, nil }

func (n *native) exec(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := n.follower.DB().ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%.30s: %w", statement, err)
		}
	}
	return nil
}

func (n *native) trouble(ctx context.Context) error {
	var errors string
	err := n.follower.DB().QueryRowContext(ctx, `SELECT CONCAT_WS('; ',
		(SELECT NULLIF(MAX(last_error_message), '') FROM performance_schema.replication_connection_status),
		(SELECT NULLIF(MAX(last_error_message), '') FROM performance_schema.replication_applier_status_by_coordinator),
		(SELECT NULLIF(MAX(last_error_message), '') FROM performance_schema.replication_applier_status_by_worker))`).Scan(&errors)
	if err != nil {
		return fmt.Errorf("ask %s how its replication is: %w", n.follower.Name, err)
	}
	if errors != "" {
		return fmt.Errorf("native replication stopped: %s", errors)
	}
	return nil
}
