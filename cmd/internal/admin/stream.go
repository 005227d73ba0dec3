package admin

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"math"
	"net/http"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
)

const defaultEvents = 20

func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	n, err := number(r, "n", defaultEvents)
	if err != nil {
		return err
	}
	after, err := number(r, "after", 0)
	if err != nil {
		return err
	}
	if r.URL.Query().Has("after") {
		n = math.MaxInt32
	}
	follow := r.URL.Query().Get("follow") == "true"
	return stream(s, w, r, func(ctx context.Context) iter.Seq2[history.Event, error] {
		return s.eventsFrom(ctx, int(min(n, math.MaxInt32)), after, follow)
	})
}

// eventsFrom yields the newest n events with a number above after, then, when
// follow is set, each as it comes.
func (s *Server) eventsFrom(ctx context.Context, n int, after uint64, follow bool) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		last := after
		for i, recent := 0, s.deps.Events.Recent(max(n, 1)); i < len(recent); i++ {
			e := recent[i]
			if e.Seq <= after {
				continue
			}
			last = e.Seq
			if n > 0 && !yield(e, nil) {
				return
			}
		}
		if !follow {
			return
		}
		for e, err := range s.deps.Events.Follow(ctx, last) {
			if !yield(e, err) {
				return
			}
		}
	}
}

func (s *Server) relayTransactions(w http.ResponseWriter, r *http.Request) error {
	var q RelayQuery
	var err error
	if q.Segment, err = number(r, "segment", 0); err != nil {
		return err
	}
	limit, err := number(r, "limit", 0)
	if err != nil {
		return err
	}
	q.Limit = int(min(limit, math.MaxInt32))
	if text := r.URL.Query().Get("gtid"); text != "" {
		set, err := gtid.ParseSet(text)
		if err != nil {
			return &Error{Code: BadRequest, Message: err.Error(), Mend: "write GTIDs as UUID:N or UUID:N-M"}
		}
		q.GTIDs = &set
	}
	return stream(s, w, r, func(ctx context.Context) iter.Seq2[RelayTransaction, error] {
		return s.deps.Cluster.RelayTransactions(ctx, q)
	})
}

// stream writes a line of JSON for each thing and sends it at once. An error
// before the first is answered as such; one after it is the last line.
func stream[T any](s *Server, w http.ResponseWriter, r *http.Request, things func(context.Context) iter.Seq2[T, error]) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return &Error{Code: TooMany, Message: "too many answers are being streamed already", Mend: "end some of the `baton events --follow` that run, then try again"}
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := lines{w: w, control: http.NewResponseController(w), encoder: json.NewEncoder(w)}
	for thing, err := range things(ctx) {
		if err != nil {
			return out.fail(err)
		}
		if err := out.send(thing); err != nil {
			return nil // nobody is there to be told
		}
	}
	_ = out.begin()
	return nil
}

// lines is an answer of JSON lines.
type lines struct {
	w       http.ResponseWriter
	control *http.ResponseController
	encoder *json.Encoder
	begun   bool
}

func (l *lines) begin() error {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/jsonl")
		l.w.Header().Set("X-Content-Type-Options", "nosniff")
	}
	return l.control.SetWriteDeadline(time.Now().Add(writeTimeout))
}

func (l *lines) send(thing any) error {
	if err := l.begin(); err != nil {
		return err
	}
	if err := l.encoder.Encode(thing); err != nil {
		return err
	}
	return l.control.Flush()
}

func (l *lines) fail(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, history.ErrClosed) {
		err = &Error{Code: Stopping, Message: "the daemon is stopping", Mend: "start it again, then repeat this"}
	}
	if !l.begun {
		return err
	}
	_ = l.send(asError(err))
	return nil
}
