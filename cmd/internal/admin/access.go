package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/logkey"
)

// refusalsEvery is the time between two lines of the log about refused requests.
const refusalsEvery = 10 * time.Second

// caller is who sent a request.
type caller struct {
	name string // in words
	role config.Role
}

type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf returns who sent the request of ctx. Whoever wraps a handler has seen
// to it that there is somebody.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// peerOf returns whose process is at the other end of the socket. Who may open it
// may command; the kernel says who it is.
func peerOf(conn net.Conn) caller {
	c := caller{name: "somebody on the socket", role: config.RoleCommand}
	uid, err := peerUID(conn)
	if err != nil {
		return c
	}
	c.name = "uid " + strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		c.name = fmt.Sprintf("%s (%s)", u.Username, c.name)
	}
	return c
}

// access decides who may do what over TCP.
type access struct {
	local  bool // only this machine can connect
	tls    config.AdminTLS
	logger *zap.Logger
	socket string // where no token is needed, for the mends

	mu     sync.Mutex
	tokens []config.Token
	said   time.Time // when a refusal was last logged
	unsaid int       // refusals since then
}

func (a *access) set(tokens []config.Token) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens = slices.Clone(tokens)
}

// admit lets those requests through whose caller may make them: a GET with role
// read, anything else with role command. public paths are open to everybody.
func (a *access) admit(public func(path string) bool, next http.Handler) http.Handler {
	// A certificate is sent by a browser whoever made the page that asks.
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asks := r.Method == http.MethodGet || r.Method == http.MethodHead
		if asks && public(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		who, err := a.identify(r)
		if err == nil && !asks {
			err = a.mayCommand(r, who, origin)
		}
		if err != nil {
			a.refused(r, err)
			if err.Code == Unauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="baton"`)
			}
			answerError(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(withCaller(r.Context(), who)))
	})
}

// identify finds out who sent a request: by its token, by its certificate, or,
// where neither is asked for, by its being on this machine.
func (a *access) identify(r *http.Request) (caller, *Error) {
	a.mu.Lock()
	tokens := a.tokens
	a.mu.Unlock()
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, text, _ := strings.Cut(header, " ")
		if found := tokenOf(tokens, text); found != nil && strings.EqualFold(scheme, "Bearer") {
			return caller{"token " + found.Name, found.Role}, nil
		}
		return caller{}, &Error{Code: Unauthorized, Message: "this token is not known here",
			Mend: "send the text of a file of admin.tokens as: Authorization: Bearer TOKEN"}
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		subject := r.TLS.VerifiedChains[0][0].Subject
		return caller{"certificate " + cmp.Or(subject.CommonName, subject.String()), a.tls.ClientRole}, nil
	}
	if a.local && len(tokens) == 0 && a.tls.ClientCA == "" {
		return caller{"somebody on this machine", config.RoleRead}, nil
	}
	return caller{}, &Error{Code: Unauthorized, Message: "nobody may ask here without showing who they are", Mend: a.show()}
}

// show says how a caller shows who it is.
func (a *access) show() string {
	mend := "send a token of admin.tokens as: Authorization: Bearer TOKEN"
	if a.tls.ClientCA != "" {
		mend += "; or a client certificate"
	}
	return mend
}

// tokenOf finds the token of that text. How long it takes says nothing about how
// much of it is right, nor which one it is.
func tokenOf(tokens []config.Token, text string) *config.Token {
	var found *config.Token
	given := sha256.Sum256([]byte(text))
	for i := range tokens {
		known := sha256.Sum256([]byte(tokens[i].Text.Reveal()))
		if subtle.ConstantTimeCompare(given[:], known[:]) == 1 && tokens[i].Text.Reveal() != "" {
			found = &tokens[i]
		}
	}
	return found
}

func (a *access) mayCommand(r *http.Request, who caller, origin *http.CrossOriginProtection) *Error {
	if who.role != config.RoleCommand {
		return &Error{Code: Forbidden, Message: fmt.Sprintf("%s may ask questions, and give no commands", who.name),
			Mend: "use baton's verbs, or " + a.socket + "; or a token of admin.tokens with role: command"}
	}
	if err := origin.Check(r); err != nil {
		return &Error{Code: Forbidden, Message: "a command that a page of another site sent: " + err.Error(),
			Mend: "open baton's own page, or use baton's verbs"}
	}
	return nil
}

// refused logs that a request was refused, now and then only: whoever can connect
// can send as many as they like.
func (a *access) refused(r *http.Request, why *Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.said) < refusalsEvery {
		a.unsaid++
		return
	}
	a.logger.Warn("a request over HTTP was refused", zap.String(logkey.Address, r.RemoteAddr), zap.String(logkey.Path, r.Method+" "+r.URL.Path),
		zap.Error(why), zap.Int(logkey.Count, a.unsaid+1))
	a.said, a.unsaid = time.Now(), 0
}

// encrypted is the server's side of TLS for those who connect, with the files as
// they are then.
func (a *access) encrypted() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := a.tls.Config()
		if err != nil {
			return nil, fmt.Errorf("%w; nobody can connect to admin.http before that is mended", err)
		}
		return c, nil
	}}
}

// commanded has a command written into the history, with whoever gave it, before it
// is carried out. A dry run is none.
func (s *Server) commanded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if dry, _ := strconv.ParseBool(r.URL.Query().Get("dry_run")); !dry {
			s.deps.Events.Record(history.Event{Kind: history.Command, Instance: r.URL.Query().Get("instance"),
				Message: fmt.Sprintf("%s, by %s", inWords(r), callerOf(r.Context()).name)})
		}
		next.ServeHTTP(w, r)
	})
}

// inWords is a command with its parameters.
func inWords(r *http.Request) string {
	words := []string{strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/v1/"), "/", " ")}
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if value := query.Get(name); value != "" && value != "false" {
			words = append(words, name+"="+value)
		}
	}
	return strings.Join(words, " ")
}
