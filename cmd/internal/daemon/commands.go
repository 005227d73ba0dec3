package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/cmd/internal/admin"
)

// Pause implements [admin.Commands]. The pause lasts through restarts.
func (d *Daemon) Pause(_ context.Context, instance string) error {
	return d.each(instance, func(name string, f *follower) error {
		err := d.state.change(func(m *memory) {
			if !slices.Contains(m.Paused, name) {
				m.Paused = append(m.Paused, name)
			}
		})
		if err == nil {
			f.applier.Pause()
		}
		return err
	})
}

// Resume implements [admin.Commands].
func (d *Daemon) Resume(_ context.Context, instance string) error {
	return d.each(instance, func(name string, f *follower) error {
		err := d.state.change(func(m *memory) {
			m.Paused = slices.DeleteFunc(m.Paused, func(p string) bool { return p == name })
		})
		if err == nil {
			f.applier.Resume()
		}
		return err
	})
}

// Skip implements [admin.Commands].
func (d *Daemon) Skip(ctx context.Context, instance string, g gtid.GTID) error {
	d.mu.Lock()
	f, err := d.follower(instance)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	err = f.applier.Skip(ctx, g)
	if errors.Is(err, applier.ErrNotStopped) {
		return &admin.Error{Code: admin.Refused, Message: err.Error(),
			Mend: "`baton status` names the transaction that a stopped follower waits at; only that one can be left out"}
	}
	return err
}

// each does f to a follower, or to all when no name is given.
func (d *Daemon) each(instance string, f func(string, *follower) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if instance != "" {
		one, err := d.follower(instance)
		if err != nil {
			return err
		}
		return f(instance, one)
	}
	var errs []error
	for name, one := range d.followers {
		errs = append(errs, f(name, one))
	}
	return errors.Join(errs...)
}

// follower finds a follower by its name. d.mu is held.
func (d *Daemon) follower(name string) (*follower, error) {
	if f := d.followers[name]; f != nil {
		return f, nil
	}
	leader := d.state.get().Leader
	var names []string
	for _, in := range d.cfg.Instances {
		if in.Name == name && name == leader {
			return nil, &admin.Error{Code: admin.Refused, Message: name + " is the leader: nothing is applied to it", Mend: "name a follower"}
		}
		if in.Name == name {
			return nil, &admin.Error{Code: admin.Refused, Message: name + " isn't applied to yet: the relay waits for the leader to answer", Mend: "look at `baton status`, and try again when the leader is reachable"}
		}
		if in.Name != leader {
			names = append(names, in.Name)
		}
	}
	return nil, &admin.Error{Code: admin.NotFound, Message: fmt.Sprintf("there is no instance %q in cluster %s", name, d.cfg.Cluster),
		Mend: "the followers are " + strings.Join(names, ", ")}
}
