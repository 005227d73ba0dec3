package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/batondb/baton/binlog/gtid"
)

// route is a handler that leaves its error to be answered by others.
type route func(w http.ResponseWriter, r *http.Request) error

func (f route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f(w, r); err != nil {
		answerError(w, err)
	}
}

// inTime bounds the writing of each answer: a connection keeps the deadline of
// its last request. Commands and streams set later ones; a profile takes as long
// as it was asked to.
func inTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var deadline time.Time
		if !strings.HasPrefix(r.URL.Path, "/debug/") {
			deadline = time.Now().Add(writeTimeout)
		}
		_ = http.NewResponseController(w).SetWriteDeadline(deadline)
		next.ServeHTTP(w, r)
	})
}

// public are the paths that are open to everybody who can connect.
func public(path string) bool { return path == "/health" || isPage(path) }

// tcpRoutes are answered on TCP and on the socket.
func (s *Server) tcpRoutes(registry *prometheus.Registry) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /health", route(s.health))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Timeout: writeTimeout}))
	mux.Handle("GET /v1/status", route(s.status))
	mux.Handle("GET /v1/events", route(s.events))
	s.routingRoutes(mux)
	mux.Handle("/", route(s.unknown))
	mux.Handle("POST /v1/pause", s.commanded(s.command(func(ctx context.Context, r *http.Request) (any, error) {
		return nil, s.deps.Cluster.Pause(ctx, r.URL.Query().Get("instance"))
	})))
	mux.Handle("POST /v1/resume", s.commanded(s.command(func(ctx context.Context, r *http.Request) (any, error) {
		return nil, s.deps.Cluster.Resume(ctx, r.URL.Query().Get("instance"))
	})))
	mux.Handle("POST /v1/skip", s.commanded(s.command(s.skip)))
	mux.Handle("POST /v1/reload", s.commanded(s.command(func(ctx context.Context, _ *http.Request) (any, error) {
		return s.deps.Cluster.Reload(ctx)
	})))
	s.handOverRoutes(mux)
	return mux
}

// socketRoutes are answered on the socket only.
func (s *Server) socketRoutes(registry *prometheus.Registry) *http.ServeMux {
	mux := s.tcpRoutes(registry)
	mux.Handle("GET /v1/relay/segments", s.command(func(ctx context.Context, _ *http.Request) (any, error) {
		segments, err := s.deps.Cluster.RelaySegments(ctx)
		if segments == nil {
			segments = []RelaySegment{}
		}
		return segments, err
	}))
	mux.Handle("GET /v1/relay/transactions", route(s.relayTransactions))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// command answers with what do returns within the time of a command.
func (s *Server) command(do func(ctx context.Context, r *http.Request) (any, error)) route {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.CommandTimeout)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.CommandTimeout + writeTimeout))
		result, err := do(ctx, r)
		if err != nil {
			return err
		}
		if result == nil {
			result = struct{}{}
		}
		answer(w, http.StatusOK, result)
		return nil
	}
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, struct {
		OK bool `json:"ok"`
	}{true})
	return nil
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, s.current())
	return nil
}

// current is the status of now.
func (s *Server) current() Status {
	status := s.deps.Cluster.Status()
	if status.Time.IsZero() {
		status.Time = time.Now().UTC()
	}
	return status
}

func (s *Server) skip(ctx context.Context, r *http.Request) (any, error) {
	instance := r.URL.Query().Get("instance")
	if instance == "" {
		return nil, &Error{Code: BadRequest, Message: "skip needs an instance", Mend: "name it: baton skip INSTANCE --gtid GTID"}
	}
	g, err := gtid.Parse(r.URL.Query().Get("gtid"))
	if err != nil {
		return nil, &Error{Code: BadRequest, Message: "skip needs a GTID: " + err.Error(), Mend: "take it from the error in `baton status`"}
	}
	return nil, s.deps.Cluster.Skip(ctx, instance, g)
}

func (s *Server) unknown(_ http.ResponseWriter, r *http.Request) error {
	if strings.HasPrefix(r.URL.Path, "/v1/relay/") || strings.HasPrefix(r.URL.Path, "/debug/") {
		return &Error{
			Code: NotFound, Message: fmt.Sprintf("%s %s is not answered here", r.Method, r.URL.Path),
			Mend: "the relay and profiles are for the unix socket only: use baton's verbs, or " + s.cfg.Socket,
		}
	}
	if r.Method != http.MethodGet {
		return &Error{Code: NotFound, Message: fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path), Mend: "use baton's verbs"}
	}
	return &Error{Code: NotFound, Message: "there is no " + r.URL.Path, Mend: "try /v1/status, /v1/events, /v1/leader, /metrics or /health"}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A client that went away needs no answer.
	_ = json.NewEncoder(w).Encode(body)
}

func answerError(w http.ResponseWriter, err error) {
	e := asError(err)
	answer(w, e.status(), e)
}

// number reads a parameter of a request that is a whole number.
func number(r *http.Request, name string, otherwise uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, &Error{Code: BadRequest, Message: fmt.Sprintf("%s=%q is no number", name, text), Mend: "give a whole number from 0"}
	}
	return n, nil
}
