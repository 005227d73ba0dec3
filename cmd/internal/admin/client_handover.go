package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/batondb/baton/failover"
)

// PlanSwitchover asks what Switchover would do.
func (c *Client) PlanSwitchover(ctx context.Context, o failover.Order) (from, to string, err error) {
	query := queryOf(o)
	query.Set("dry_run", "true")
	var p Planned
	_, err = c.call(ctx, http.MethodPost, "/v1/switchover", query, &p)
	return p.From, p.To, err
}

// Switchover orders what [HandOvers] says, and calls say with each step as it
// is reported. Where ctx ends, the switchover goes on. Where the daemon ends in
// the middle, the error is a *[NoDaemonError].
func (c *Client) Switchover(ctx context.Context, o failover.Order, say func(failover.StepReport)) (failover.Result, error) {
	return ordered[failover.Result](ctx, c, "/v1/switchover", queryOf(o), say)
}

// Failover is as Switchover.
func (c *Client) Failover(ctx context.Context, o failover.Order, say func(failover.StepReport)) (failover.Result, error) {
	return ordered[failover.Result](ctx, c, "/v1/failover", queryOf(o), say)
}

// PauseFailover suspends automatic failovers, or allows them again.
func (c *Client) PauseFailover(ctx context.Context, paused bool) error {
	path := "/v1/failover/resume"
	if paused {
		path = "/v1/failover/pause"
	}
	_, err := c.call(ctx, http.MethodPost, path, nil, nil)
	return err
}

// Rejoin is as Switchover.
func (c *Client) Rejoin(ctx context.Context, instance string, rewind bool, say func(failover.StepReport)) error {
	query := url.Values{"instance": {instance}, "rewind": {strconv.FormatBool(rewind)}}
	_, err := ordered[Rejoined](ctx, c, "/v1/rejoin", query, say)
	return err
}

func queryOf(o failover.Order) url.Values {
	query := url.Values{}
	if o.To != "" {
		query.Set("to", o.To)
	}
	if o.Timeout > 0 {
		query.Set("timeout", o.Timeout.String())
	}
	if o.AllowLoss {
		query.Set("allow_loss", "true")
	}
	return query
}

// ordered gives an order and follows its progress to the end.
func ordered[T any](ctx context.Context, c *Client, path string, query url.Values, say func(failover.StepReport)) (result T, err error) {
	if err := c.awake(ctx); err != nil {
		return result, err
	}
	answer, err := c.do(ctx, http.MethodPost, path, query)
	if err != nil {
		return result, c.stopped(err)
	}
	defer answer.Body.Close()
	in := bufio.NewScanner(answer.Body)
	in.Buffer(nil, maxAnswer)
	for in.Scan() {
		var line Progress[T]
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return result, c.misunderstood(err)
		}
		switch {
		case line.Step != nil:
			say(*line.Step)
		case line.Result != nil:
			return *line.Result, nil
		case line.Error != nil:
			return result, c.stopped(line.Error)
		}
	}
	err = in.Err()
	switch {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case errors.Is(err, bufio.ErrTooLong):
		return result, c.misunderstood(err)
	case err == nil:
		err = errors.New("it ended")
	}
	return result, &NoDaemonError{Socket: c.socket, Err: fmt.Errorf("%w in the middle; at its next start it finishes or undoes what it began", err)}
}

// stopped makes of a daemon that stops one that isn't there.
func (c *Client) stopped(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == Stopping {
		return &NoDaemonError{Socket: c.socket, Err: e}
	}
	return err
}
