package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/logkey"
)

const (
	// DefaultCommandTimeout bounds a command that Config says nothing about.
	DefaultCommandTimeout = time.Minute

	readTimeout  = 10 * time.Second // of the head of a request; none has a body
	writeTimeout = 10 * time.Second // of one piece of an answer
	idleTimeout  = time.Minute
	closeTimeout = 5 * time.Second // for answers under way when the server closes
	maxHeader    = 16 << 10        // bytes
	maxBody      = 64 << 10        // bytes
	maxStreams   = 64              // answers of any length at a time
)

// Config says where the API is.
type Config struct {
	// Socket is the path of the unix socket.
	Socket string
	// HTTP is host and port for whom Tokens or TLS admit over TCP; empty: none.
	HTTP string
	// Tokens are who may ask over TCP. Where there are none, and no ClientCA in
	// TLS, whoever is on this machine may ask questions, and nobody else anything.
	Tokens []config.Token
	// TLS encrypts TCP.
	TLS config.AdminTLS
	// CommandTimeout bounds one command. 0: DefaultCommandTimeout.
	CommandTimeout time.Duration
}

// Deps are what a Server needs of others; all are required but HandOvers,
// Measured and Logger.
type Deps struct {
	Cluster Cluster
	// HandOvers hands the leadership over; nil: whoever asks for it is refused.
	HandOvers HandOvers
	Routing   Routing
	Events    Events
	// Measured are metrics beside those of the Status; nil: none.
	Measured *Measured
	Build    Build
	Logger   *zap.Logger
}

// Build says which baton it is.
type Build struct {
	Version  string `json:"version"`  // such as "1.2.0"; "dev" when unknown
	Revision string `json:"revision"` // the commit, with "-dirty" when changed; "" when unknown
	Time     string `json:"time"`     // of the commit, RFC 3339; "" when unknown
	Go       string `json:"go"`       // the Go that compiled it
	Platform string `json:"platform"` // such as "linux/amd64"
}

// A Server answers on the socket and, where configured, on TCP.
type Server struct {
	cfg     Config
	deps    Deps
	streams chan struct{} // a token for each stream
	// For pages: what they are told, and a token for each.
	samples  samples
	watchers chan struct{}
	access   *access // over TCP

	mu      sync.Mutex
	closed  bool
	ordered context.Context // of hand-overs, which outlive their requests
	end     context.CancelFunc
	cancel  context.CancelFunc
	servers []*http.Server
	addr    net.Addr // of HTTP
	serving sync.WaitGroup
	orders  sync.WaitGroup // hand-overs and rejoins under way
}

// New makes a Server that Open starts.
func New(cfg Config, deps Deps) *Server {
	if cfg.CommandTimeout <= 0 {
		cfg.CommandTimeout = DefaultCommandTimeout
	}
	if deps.Logger == nil {
		deps.Logger = zap.NewNop()
	}
	s := &Server{cfg: cfg, deps: deps, streams: make(chan struct{}, maxStreams), watchers: make(chan struct{}, maxWatchers)}
	s.access = &access{tls: cfg.TLS, logger: deps.Logger, socket: cfg.Socket}
	s.access.set(cfg.Tokens)
	return s
}

// SetTokens replaces who may ask over TCP, for every request from now on.
func (s *Server) SetTokens(tokens []config.Token) { s.access.set(tokens) }

// Open begins to answer. When it returns nil, both addresses can be connected
// to. An error wraps [ErrInUse] when another daemon answers on the socket.
func (s *Server) Open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.servers != nil {
		return errors.New("open the admin API: it was opened or closed before")
	}
	socket, err := listenUnix(ctx, s.cfg.Socket)
	if err != nil {
		return fmt.Errorf("open the admin API: %w", err)
	}
	var tcp net.Listener
	if s.cfg.HTTP != "" {
		if tcp, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.HTTP); err != nil {
			err = fmt.Errorf("open the admin API: %w; choose another address for admin.http, or remove it", err)
			return errors.Join(err, socket.Close())
		}
	}
	// Requests end with the Server, not with the context of Open.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.ordered, s.end = context.WithCancel(base)
	registry := s.registry()
	s.serve(socket, s.socketRoutes(registry), &http.Server{
		BaseContext: func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return withCaller(ctx, peerOf(c)) },
	})
	if tcp != nil {
		s.addr = tcp.Addr()
		s.access.local = config.IsLoopback(tcp.Addr().String())
		server := &http.Server{BaseContext: func(net.Listener) context.Context { return base }}
		if s.cfg.TLS.Cert != "" {
			server.TLSConfig = s.access.encrypted()
		}
		mux := s.tcpRoutes(registry)
		s.pageRoutes(mux)
		s.serve(tcp, onlyLocalNames(tcp.Addr(), s.access.admit(public, mux)), server)
		s.serving.Go(func() { s.look(base) })
	}
	return nil
}

// serve has server answer with h on l, with TLS where it is set up for it.
func (s *Server) serve(l net.Listener, h http.Handler, server *http.Server) {
	server.Handler = inTime(http.MaxBytesHandler(h, maxBody))
	server.ReadHeaderTimeout = readTimeout
	server.IdleTimeout = idleTimeout
	server.MaxHeaderBytes = maxHeader
	server.ErrorLog = zap.NewStdLog(s.deps.Logger)
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		serve := server.Serve
		if server.TLSConfig != nil {
			serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		}
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.deps.Logger.Error("the admin API stopped answering", zap.Error(err), zap.Stringer(logkey.Address, l.Addr()),
				zap.String(logkey.Mend, "restart the daemon when it suits; replication goes on"))
		}
	})
}

// HTTPAddr is the address that requests over TCP are answered on, with the
// port that was chosen when the configured one is 0; nil when there is none.
func (s *Server) HTTPAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// EndOrders has hand-overs and rejoins under way told to end, waits for them, and
// lets none begin any more; everything else is still answered. The daemon calls it
// before it stops what they work with.
func (s *Server) EndOrders() {
	s.mu.Lock()
	if s.end != nil {
		s.end()
	}
	s.mu.Unlock()
	s.orders.Wait()
}

// Close ends streams, has hand-overs under way told to end, lets other answers
// finish for a few seconds, removes the socket, and waits. Later calls do
// nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	servers := s.servers
	if s.closed {
		servers = nil
	}
	s.closed = true
	if s.end != nil {
		s.end()
	}
	s.mu.Unlock()
	var errs []error
	if servers != nil {
		ctx, stop := context.WithTimeout(context.Background(), closeTimeout)
		defer stop()
		s.cancel()
		for _, server := range servers {
			if err := server.Shutdown(ctx); err != nil {
				errs = append(errs, server.Close())
			}
		}
	}
	s.serving.Wait()
	s.orders.Wait()
	return errors.Join(errs...)
}
