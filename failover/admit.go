package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/batondb/baton/internal/mysql"
)

// Admit examines an instance, asked anew, beside what is known of the others,
// and changes nothing. The error wraps a [*Refusal] if the instance can't take
// part: a follower may not be written to, the leader may not be read from. Any
// other error means that it couldn't be judged.
func (o *Observer) Admit(ctx context.Context, name string) error {
	w, err := o.watchOf(name)
	if err != nil {
		return err
	}
	if err := o.awaitAll(ctx); err != nil {
		return fmt.Errorf("admit %s: %w", name, err)
	}
	member := mysql.Member{Name: name, Address: w.target.Address}
	facts, err := w.inspectNow(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("admit %s: %w", name, ctx.Err())
	}
	if err != nil {
		member.Fault = mysql.Classify(err)
	} else {
		member.Facts = &facts
	}
	// The leader after the follower, and the relay, in look, after both.
	newest := o.askLeader(ctx, name)
	_, c := o.look()
	for i := range c.Members {
		m := &c.Members[i]
		switch {
		case m.Name == name:
			member.Leader = m.Leader
			*m = member
		case m.Leader && newest != nil:
			m.Facts, m.Fault = newest, nil
		}
	}
	blocking := mysql.Blocking(mysql.Examine(c), name)
	if blocking == nil {
		return nil
	}
	r := refusalOf(*blocking)
	if r.State == Quarantined {
		if _, told := c.Errant(&member); !told {
			r.State = Stopped
		}
	}
	return r
}

// Prepare admits a follower and then makes it refuse the writes of clients:
// read_only=ON, super_read_only=OFF. Semi-sync is switched off there, since
// nobody acknowledges a follower's commits and each would wait for its time-out.
// Its errors are those of Admit, or wrap a [*mysql.Fault] or [mysql.ErrWaiters].
func (o *Observer) Prepare(ctx context.Context, name string) error {
	if err := o.Admit(ctx, name); err != nil {
		return err
	}
	o.mu.Lock()
	leader := o.leader
	o.mu.Unlock()
	refusal := &Refusal{Instance: name, State: Stopped, Subject: mysql.SubjectReadOnly}
	switch leader {
	case "":
		refusal.Message, refusal.Mend = "no leader is known, so that this one may be it", "name the leader in the config"
		return refusal
	case name:
		refusal.Message = "it is the leader, which is not made read_only"
		return refusal
	}
	w, err := o.watchOf(name)
	if err != nil {
		return err
	}
	if err := mysql.MakeFollower(ctx, w.db); err != nil {
		return fmt.Errorf("make %s read-only: %w", name, err)
	}
	if err := mysql.TearDownSemiSync(ctx, w.db); err != nil {
		return fmt.Errorf("make %s a follower: %w", name, err)
	}
	return nil
}

// awaitAll waits until every instance has failed or said what can be compared
// with the others: who is listed twice, and with whom a server_id is shared, is
// not known before.
func (o *Observer) awaitAll(ctx context.Context) error {
	for {
		changed := o.Changed()
		o.mu.Lock()
		waiting, closed := "", o.closed
		for _, w := range o.watches {
			if !w.observed || w.fault == nil && w.comparable(w.target.Name == o.leader) == nil {
				waiting = w.target.Name
			}
		}
		o.mu.Unlock()
		switch {
		case closed:
			return errClosed
		case waiting == "":
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for news of %s: %w", waiting, ctx.Err())
		case <-changed:
		}
	}
}

// inspectNow asks over a connection of its own.
func (w *watch) inspectNow(ctx context.Context) (mysql.Facts, error) {
	<-w.opened
	if w.openErr != nil {
		return mysql.Facts{}, w.openErr
	}
	ctx, cancel := context.WithTimeout(ctx, max(time.Second, inspectTimeouts*w.o.cfg.Timeout))
	defer cancel()
	return mysql.Inspect(ctx, w.db)
}

// askLeader returns the leader's facts with sets that are asked for now; nil
// if it is the instance itself, never answered, or doesn't answer.
func (o *Observer) askLeader(ctx context.Context, not string) *mysql.Facts {
	o.mu.Lock()
	leader := o.leading()
	ask := leader != nil && leader.target.Name != not && leader.facts != nil && leader.fault == nil
	o.mu.Unlock()
	if !ask {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, max(time.Second, o.cfg.Timeout))
	defer cancel()
	conn, err := leader.db.Conn(ctx)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	p, err := mysql.ReadPulse(ctx, conn)
	if err != nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return leader.facts.With(p)
}
