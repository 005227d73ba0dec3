package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
)

const (
	dialTimeout = 5 * time.Second
	// An answer that is no stream comes within these, or the daemon hangs. Commands
	// are bounded by the daemon, which is given longer than that.
	questionTimeout = 15 * time.Second
	commandTimeout  = DefaultCommandTimeout + 30*time.Second
	// maxAnswer bounds, in bytes, an answer that is read whole, and a line.
	maxAnswer = 64 << 20
)

// ErrSilent says that a daemon is there and doesn't answer: it hangs.
var ErrSilent = errors.New("it takes connections and doesn't answer")

// Client asks the daemon behind a socket. Where no daemon answers, or it ends
// while it answers, the error is a *[NoDaemonError]; what the daemon itself
// refuses is an *[Error].
type Client struct {
	socket   string
	http     *http.Client
	question time.Duration // bounds an answer to a question that is no stream
}

// NewClient makes a Client. It connects at each call.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, question: questionTimeout, http: &http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true},
	}}
}

// Socket is the path of the socket.
func (c *Client) Socket() string { return c.socket }

// Status asks for the status. The second result is the JSON as the daemon gave
// it, which may hold names that this version doesn't know.
func (c *Client) Status(ctx context.Context) (Status, json.RawMessage, error) {
	var s Status
	raw, err := c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, raw, err
}

// Pause, Resume, Skip and Reload command as [Commands] says.
func (c *Client) Pause(ctx context.Context, instance string) error {
	_, err := c.call(ctx, http.MethodPost, "/v1/pause", url.Values{"instance": {instance}}, nil)
	return err
}

// Resume implements [Commands].
func (c *Client) Resume(ctx context.Context, instance string) error {
	_, err := c.call(ctx, http.MethodPost, "/v1/resume", url.Values{"instance": {instance}}, nil)
	return err
}

// Skip implements [Commands].
func (c *Client) Skip(ctx context.Context, instance string, g gtid.GTID) error {
	_, err := c.call(ctx, http.MethodPost, "/v1/skip", url.Values{"instance": {instance}, "gtid": {g.String()}}, nil)
	return err
}

// Reload implements [Commands].
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	var r Reloaded
	_, err := c.call(ctx, http.MethodPost, "/v1/reload", nil, &r)
	return r, err
}

// RelaySegments implements [RelayLog].
func (c *Client) RelaySegments(ctx context.Context) ([]RelaySegment, error) {
	var segments []RelaySegment
	_, err := c.call(ctx, http.MethodGet, "/v1/relay/segments", nil, &segments)
	return segments, err
}

// RelayTransactions implements [RelayLog].
func (c *Client) RelayTransactions(ctx context.Context, q RelayQuery) iter.Seq2[RelayTransaction, error] {
	query := url.Values{}
	if q.GTIDs != nil {
		query.Set("gtid", q.GTIDs.String())
	}
	if q.Segment > 0 {
		query.Set("segment", strconv.FormatUint(q.Segment, 10))
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	return streamed[RelayTransaction](ctx, c, "/v1/relay/transactions", query)
}

// Events yields the newest n events and, with follow, those that come.
func (c *Client) Events(ctx context.Context, n int, follow bool) iter.Seq2[history.Event, error] {
	query := url.Values{"n": {strconv.Itoa(n)}, "follow": {strconv.FormatBool(follow)}}
	return streamed[history.Event](ctx, c, "/v1/events", query)
}

// do sends a request and returns an answer that is a success.
func (c *Client) do(ctx context.Context, method, path string, query url.Values) (*http.Response, error) {
	// The host only fills the place that HTTP has for one.
	u := url.URL{Scheme: "http", Host: "baton", Path: path, RawQuery: query.Encode()}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	var e Error
	if json.Unmarshal(body, &e) != nil || e.Message == "" {
		return nil, &Error{
			Code: Failed, Message: fmt.Sprintf("what listens on %s answered %s, not as baton does", c.socket, answer.Status),
			Mend: "look at who listens there, and whether it is the same version as this program (`baton version`)",
		}
	}
	return nil, &e
}

// awake returns an error if the daemon hangs, or isn't there: what is asked next
// may rightly be answered late.
func (c *Client) awake(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodGet, "/v1/status", nil, nil)
	if _, absent := errors.AsType[*NoDaemonError](err); absent {
		return err
	}
	return nil
}

// lost tells a daemon that isn't there from a caller that has had enough.
func (c *Client) lost(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), ErrSilent) {
		return &NoDaemonError{Socket: c.socket, Err: ErrSilent}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// What the operator must know stands inside: connection refused, no such
	// file, permission denied.
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	} else if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &NoDaemonError{Socket: c.socket, Err: err}
}

// call reads the whole answer, into result when that is not nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, result any) (json.RawMessage, error) {
	patience := c.question
	if method != http.MethodGet {
		patience = commandTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, ErrSilent)
	defer cancel()
	answer, err := c.do(ctx, method, path, query)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	if result != nil {
		if err := json.Unmarshal(body, result); err != nil {
			return nil, c.misunderstood(err)
		}
	}
	return bytes.TrimSpace(body), nil
}

func (c *Client) misunderstood(err error) error {
	return &Error{
		Code: Failed, Message: fmt.Sprintf("can't read the answer of the daemon on %s: %v", c.socket, err),
		Mend: "compare `baton version` with the daemon's version; restart the daemon after an upgrade",
	}
}

// streamed yields the lines of an answer. An error is yielded last.
func streamed[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := c.awake(ctx); err != nil {
			yield(none, err)
			return
		}
		answer, err := c.do(ctx, http.MethodGet, path, query)
		if err != nil {
			yield(none, err)
			return
		}
		defer answer.Body.Close()
		in := bufio.NewScanner(answer.Body)
		in.Buffer(nil, maxAnswer)
		for in.Scan() {
			thing, err := parseLine[T](c, in.Bytes())
			if !yield(thing, err) || err != nil {
				return
			}
		}
		if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
			yield(none, c.misunderstood(err))
		} else if err != nil {
			yield(none, c.lost(ctx, err))
		}
	}
}

func parseLine[T any](c *Client, line []byte) (thing T, err error) {
	var e Error
	if json.Unmarshal(line, &e) == nil && e.Code != "" && e.Message != "" {
		if e.Code == Stopping {
			return thing, &NoDaemonError{Socket: c.socket, Err: &e}
		}
		return thing, &e
	}
	if err := json.Unmarshal(line, &thing); err != nil {
		return thing, c.misunderstood(err)
	}
	return thing, nil
}
