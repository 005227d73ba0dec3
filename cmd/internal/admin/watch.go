package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/history"
)

const (
	maxWatchers   = 32  // pages that are told what happens, at a time
	watchedEvents = 500 // of the history that a page is told when it begins
)

// Session is what whoever asks may do.
type Session struct {
	Name string      `json:"name"` // of the caller, in words
	Role config.Role `json:"role"`
	// Socket and Config find this daemon for the verbs, where commands are typed.
	Socket string `json:"socket"`
}

// Watched is the first thing that a page is told: what happened before.
type Watched struct {
	Samples []Sample        `json:"samples"`
	Events  []history.Event `json:"events"`
	Build   Build           `json:"build"`
	Session Session         `json:"session"`
}

// look looks at the cluster for those who watch, until ctx ends.
func (s *Server) look(ctx context.Context) {
	defer s.samples.end()
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		status := s.current()
		var encoded json.RawMessage
		if len(s.watchers) > 0 {
			encoded, _ = json.Marshal(status) // a Status can always be
		}
		s.samples.look(status, encoded)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// watch tells a page what happens as Server-Sent Events (HTML Living Standard,
// "Server-sent events"): "hello" with a [Watched], then "status" every second,
// "sample" and "event" as they come. Nothing is queued for a page: what it is
// too slow for it misses, but for events, and one that takes nothing for
// writeTimeout is dropped.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) error {
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		return &Error{Code: TooMany, Message: fmt.Sprintf("%d pages are open already", maxWatchers), Mend: "close some of them; this one tries again by itself"}
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	kept, _, changed := s.samples.after(0)
	recent := s.deps.Events.Recent(watchedEvents)
	out := &eventStream{w: w, control: http.NewResponseController(w)}
	if err := out.send("hello", Watched{Samples: listed(kept), Events: listed(recent), Build: s.deps.Build, Session: s.sessionOf(r)}); err != nil {
		return nil // nobody is there to be told, here and below
	}
	if err := out.send("status", s.current()); err != nil {
		return nil
	}
	events := s.followed(ctx, recent)
	defer func() {
		cancel()
		for range events {
			// until whoever sends has ended
		}
	}()
	sent := last(kept)
	for changed != nil && ctx.Err() == nil {
		var err error
		select {
		case <-changed:
			var status json.RawMessage
			kept, status, changed = s.samples.after(sent)
			for i := 0; i < len(kept) && err == nil; i++ {
				err = out.send("sample", kept[i])
				sent = kept[i].N
			}
			if err == nil && status != nil {
				err = out.send("status", status)
			}
		case e, ok := <-events:
			if !ok {
				return nil // the history is closed: the daemon stops
			}
			err = out.send("event", e)
		case <-ctx.Done():
		}
		if err != nil {
			return nil
		}
	}
	return nil
}

// followed are the events after the recent ones, until ctx ends; the channel is
// closed when nobody sends any more.
func (s *Server) followed(ctx context.Context, recent []history.Event) <-chan history.Event {
	var after uint64
	if n := len(recent); n > 0 {
		after = recent[n-1].Seq
	}
	events := make(chan history.Event)
	go func() {
		defer close(events)
		for e, err := range s.deps.Events.Follow(ctx, after) {
			if err != nil {
				return
			}
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events
}

func last(kept []Sample) uint64 {
	if len(kept) == 0 {
		return 0
	}
	return kept[len(kept)-1].N
}

// listed is a list that is [] in JSON when it is empty.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// session says what whoever asks may do.
func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	answer(w, http.StatusOK, s.sessionOf(r))
	return nil
}

func (s *Server) sessionOf(r *http.Request) Session {
	who := callerOf(r.Context())
	return Session{Name: who.name, Role: who.role, Socket: s.cfg.Socket}
}

// eventStream is an answer of Server-Sent Events.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (e *eventStream) send(name string, thing any) error {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", "text/event-stream")
		e.w.Header().Set("Cache-Control", "no-store")
		e.w.Header().Set("X-Content-Type-Options", "nosniff")
		e.w.Header().Set("X-Accel-Buffering", "no") // a proxy shall pass on each at once
	}
	text, err := json.Marshal(thing) // in one line: JSON escapes the ends of lines
	if err != nil {
		return err
	}
	if err := e.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.w, "event: %s\ndata: %s\n\n", name, text); err != nil {
		return err
	}
	return e.control.Flush()
}
