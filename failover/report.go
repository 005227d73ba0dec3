package failover

import (
	"context"
	"time"

	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

// reportInterval is how often the cluster is judged to tell what has changed.
// What is not so twice in a row is not told: a restart of a server that takes a
// blink is no news.
const reportInterval = time.Second

// report tells the recorder, once each, which instances can't take part and
// which can again.
func (o *Observer) report(ctx context.Context) {
	ticker := time.NewTicker(reportInterval)
	defer ticker.Stop()
	last := map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		findings := o.Findings()
		now := map[string]string{}
		for _, i := range o.View().Instances {
			if !i.Observed {
				continue
			}
			subject := ""
			blocking := mysql.Blocking(findings, i.Name)
			if blocking != nil {
				subject = blocking.Subject
			}
			now[i.Name] = subject
			if before, known := last[i.Name]; known && before == subject {
				o.tell(i.Name, blocking)
			}
		}
		last = now
	}
}

// tell records the problem of an instance, nil for none, unless it was the
// last that was recorded of it.
func (o *Observer) tell(instance string, blocking *mysql.Finding) {
	subject := ""
	if blocking != nil {
		subject = blocking.Subject
	}
	o.mu.Lock()
	before := o.said[instance]
	o.said[instance] = subject
	o.mu.Unlock()
	switch {
	case before == subject:
	case blocking == nil:
		o.deps.Recorder.Record(history.Event{Kind: history.InstanceRecovered, Instance: instance, Message: "the instance can take part again"})
	default:
		r := refusalOf(*blocking)
		o.deps.Recorder.Record(history.Event{
			Level: history.Error, Kind: history.InstanceProblem, Instance: instance,
			Message: r.Message, Mend: r.Mend,
		})
	}
}
