package main

import (
	"context"
	"fmt"
	"maps"
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
	always   bool               // measured with every load, not only with the first
	head     bool               // measured at the head too
}

func (c contestant) native() bool { return c.apply == nil }

// Names that more than the list below knows.
const (
	nativeDefault = "native, defaults"
	batonRelaxed  = "baton, 16 sessions"
	batonBatches  = "baton, batches"
)

// contestants lists those whose names match a regular expression.
func contestants(only string) []contestant {
	set := mysqltest.Setting
	workers := set("replica_parallel_workers", "16")
	unlogged, unordered := set("log_replica_updates", "OFF"), set("replica_preserve_commit_order", "OFF")
	all := []contestant{
		{name: nativeDefault, settings: "none: 4 workers, commits in the leader's order", always: true, head: true},
		{name: "native, 16 workers", settings: "replica_parallel_workers=16", options: []mysqltest.Option{workers}},
		{name: "native, 16 workers, no own binlog", settings: "and log_replica_updates=OFF", options: []mysqltest.Option{workers, unlogged}},
		{name: "native, 16 workers, no own binlog, any order", settings: "and replica_preserve_commit_order=OFF",
			options: []mysqltest.Option{workers, unlogged, unordered}, always: true},
		withBaton(batonRelaxed, "relaxed", "off", true),
		withBaton("baton, leader's order", "leader", "off", false),
		withBaton(batonBatches, "relaxed", "auto", true),
		withBaton("baton, always batches", "relaxed", "always", false),
	}
	return chosen(all, only)
}

func (c contestant) String() string { return c.name }

// chosen are those whose names match a regular expression, as all do the empty one.
func chosen[T fmt.Stringer](all []T, only string) []T {
	names, err := regexp.Compile(only)
	if err != nil {
		return nil // the command line was checked
	}
	return slices.DeleteFunc(all, func(each T) bool { return !names.MatchString(each.String()) })
}

// withBaton is a contestant with baton. In mode auto it takes batches however little the follower lacks, so that what
// is measured doesn't depend on when the load was written.
func withBaton(name, order, mode string, always bool) contestant {
	catchUp := map[string]any{"mode": mode}
	settings := fmt.Sprintf("apply: {sessions: 16, order: %s, catch_up: {mode: %s}}", order, mode)
	if mode == "auto" {
		catchUp["after"] = "0s"
		settings = fmt.Sprintf("apply: {sessions: 16, order: %s, catch_up: {mode: auto, after: 0s}}", order)
	}
	return contestant{name: name, settings: settings, always: always, head: mode != "auto",
		apply: map[string]any{"sessions": 16, "order": order, "catch_up": catchUp}}
}

// replication is a contestant at work on one follower.
type replication interface {
	start(ctx context.Context) error
	// trouble is why it will not go on by itself; nil while it does.
	trouble(ctx context.Context) error
	// used is what baton has used since its start; zeros for MySQL's own replication, which is part of the server.
	used() (cpu float64, peak int64, err error)
	// pids are baton's processes.
	pids() []int
	// stop may be called twice, and before start.
	stop() error
}

// replicate makes everything ready so that start only starts. dir is for the relay; settings of baton that the
// contestant doesn't set are added.
func (c contestant) replicate(ctx context.Context, binary, dir string, settings map[string]any, leader *mysqltest.Server, followers ...*mysqltest.Server) (replication, error) {
	if c.native() {
		var all natives
		for _, follower := range followers {
			all = append(all, &native{follower: follower})
		}
		return all, all.each(func(n *native) error { return n.prepare(ctx, leader) })
	}
	whole := map[string]any{"apply": c.apply}
	maps.Copy(whole, settings)
	instances := []instance{{leader.Name, leader.Addr()}}
	for _, follower := range followers {
		instances = append(instances, instance{follower.Name, follower.Addr()})
	}
	return newDaemon(binary, filepath.Clean(dir), whole, instances...)
}

// natives are the replicas of one leader.
type natives []*native

func (all natives) each(do func(*native) error) error {
	for _, n := range all {
		if err := do(n); err != nil {
			return err
		}
	}
	return nil
}

func (all natives) start(ctx context.Context) error {
	return all.each(func(n *native) error { return n.start(ctx) })
}

func (all natives) trouble(ctx context.Context) error {
	return all.each(func(n *native) error { return n.trouble(ctx) })
}

func (all natives) stop() error                   { return all.each((*native).stop) }
func (all natives) used() (float64, int64, error) { return 0, 0, nil }
func (all natives) pids() []int                   { return nil }

// native is MySQL's own replication of one follower.
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
