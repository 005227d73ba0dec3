package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/failover/rewind"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

// Rejoin implements [admin.HandOvers]: an instance is fenced if it has led, an
// unfinished rewind of it is finished, its errant transactions are kept in files
// and, where rewind is set, undone; then it follows.
func (h handOvers) Rejoin(ctx context.Context, instance string, rewind bool, say func(failover.StepReport)) error {
	h.d.mu.Lock()
	f, err := h.d.follower(instance)
	h.d.mu.Unlock()
	if err != nil {
		return err
	}
	began := time.Now()
	step := func(name, detail string) {
		say(failover.StepReport{At: time.Now(), Elapsed: time.Since(began).Seconds(), Step: name, Detail: detail})
	}
	// An instance that is just being promoted is no follower any more.
	err = h.Exclusively(ctx, func(ctx context.Context) error {
		h.d.mu.Lock()
		_, err := h.d.follower(instance)
		h.d.mu.Unlock()
		if err == nil {
			err = h.d.rejoin(ctx, f, rewind, step)
		}
		return err
	})
	if err != nil {
		return err
	}
	step("follow", instance+" is applied to")
	f.applier.Resume()
	return nil
}

func (d *Daemon) rejoin(ctx context.Context, f *follower, undo bool, step func(name, detail string)) error {
	err := f.gate.Admit(ctx)
	var blocked *applier.Blocked
	if !errors.As(err, &blocked) {
		return err
	}
	if blocked.State != applier.Quarantined {
		return &failover.Refused{Reason: f.target.Name + ": " + blocked.Reason, Mend: blocked.Mend}
	}
	f.gate.mu.Lock()
	defer f.gate.mu.Unlock()
	errant, err := d.keepErrant(ctx, f.target, step)
	if err != nil {
		return err
	}
	defer func() { _ = errant.Close() }() // the files stay
	if !undo {
		return refuseRejoin(f.target.Name, errant)
	}
	err = errant.Rewind(ctx, func(s rewind.Step, detail string) { step(string(s), detail) })
	var refused *rewind.Refused
	var conflict *rewind.Conflict
	if errors.As(err, &refused) || errors.As(err, &conflict) {
		return &failover.Refused{Reason: err.Error(), Mend: "its transactions are kept in " + errant.Folder()}
	}
	if err == nil {
		d.history.Record(history.Event{Kind: history.InstanceRecovered, Instance: f.target.Name, GTID: errant.Set().String(),
			Message: fmt.Sprintf("%d errant transactions were undone; they are kept in %s", errant.Plan().Transactions, errant.Folder())})
	}
	return err
}

func refuseRejoin(name string, errant *rewind.Errant) error {
	p := errant.Plan()
	return &failover.Refused{
		Reason: fmt.Sprintf("%s has %d transactions that nobody else has (%d rows): %s", name, p.Transactions, p.Rows, errant.Set()),
		Mend:   mendErrant(name, errant),
	}
}

// mendErrant says what an operator can do about errant transactions.
func mendErrant(name string, errant *rewind.Errant) string {
	if p := errant.Plan(); !p.Possible() {
		return fmt.Sprintf("look at them in %s; they can't be undone (%s), so rebuild %s from another instance", errant.Folder(), p.Refusals[0], name)
	}
	return fmt.Sprintf("look at them in %s, then `baton rejoin %s --rewind` undoes them", errant.Folder(), name)
}

// keepErrant reads an instance's errant transactions and keeps them in files.
func (d *Daemon) keepErrant(ctx context.Context, target mysql.Target, step func(name, detail string)) (*rewind.Errant, error) {
	set, err := d.errantOf(ctx, target)
	if err != nil {
		return nil, err
	}
	deps, err := d.rewindDeps(target)
	if err != nil {
		return nil, err
	}
	step("read", fmt.Sprintf("the errant transactions %s, from its binlog", set))
	errant, err := rewind.Read(ctx, deps, set, d.state.dir())
	if err != nil {
		return nil, err
	}
	files, err := errant.Export(func(gtid.GTID) rewind.Label { return d.labelOf(target.Name) })
	if err != nil {
		return nil, errors.Join(err, errant.Close())
	}
	step("keep", "in "+files.Folder)
	return errant, nil
}

func (d *Daemon) rewindDeps(target mysql.Target) (rewind.Deps, error) {
	id, err := d.state.serverID()
	return rewind.Deps{Target: target, ServerID: id, Logger: d.logger.Named("rewind")}, err
}

// labelOf says what the clients of an instance's errant transactions were told:
// whoever wrote to an instance that didn't lead was told of success.
func (d *Daemon) labelOf(instance string) rewind.Label {
	if label, ok := d.state.get().Labels[instance]; ok {
		return rewind.Label(label)
	}
	return rewind.AcknowledgedAndLost
}

// errantOf is what an instance has executed and neither leader nor relay has. The
// sets are read in this order, since what is read later may hold more.
func (d *Daemon) errantOf(ctx context.Context, target mysql.Target) (gtid.Set, error) {
	leader, err := d.target(d.state.get().Leader)
	if err != nil {
		return gtid.Set{}, err
	}
	var sets [2]gtid.Set
	for i, t := range []mysql.Target{target, leader} {
		db, err := t.Open()
		if err != nil {
			return gtid.Set{}, err
		}
		sets[i], err = mysql.GTIDExecuted(ctx, db)
		_ = db.Close() // nothing was written
		if err != nil {
			return gtid.Set{}, fmt.Errorf("on %s: %w", t.Name, err)
		}
	}
	return sets[0].Subtract(sets[1]).Subtract(d.relay.Durable()), nil
}

// finishRewind goes on with a rewind that was cut off: until it is done, the
// instance's gtid_executed doesn't say what is in its tables.
func (d *Daemon) finishRewind(ctx context.Context, target mysql.Target) error {
	deps, err := d.rewindDeps(target)
	if err != nil {
		return err
	}
	done, err := rewind.Finish(ctx, deps, nil)
	if done {
		d.history.Record(history.Event{Kind: history.InstanceRecovered, Instance: target.Name, Message: "a rewind that was cut off is finished"})
	}
	return err
}
