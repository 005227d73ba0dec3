package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/batondb/baton/failover/endpoint"
)

// Endpoint is a port that leads clients to instances. What counts does so since
// it was opened.
type Endpoint struct {
	Listen string `json:"listen"` // with the port that was chosen
	Route  string `json:"route"`  // leader or followers
	// LeadsTo is whom clients of route leader are led to, Holding why they wait
	// instead; both are empty of another route.
	LeadsTo Text `json:"leads_to"`
	Holding Text `json:"holding"`
	// Held is the number of clients that wait, HeldTotal of all that ever had to.
	Held      int    `json:"held"`
	HeldTotal uint64 `json:"held_total"`
	// Connections are the clients of each instance now, Opened all it ever had.
	Connections map[string]int    `json:"connections"`
	Opened      map[string]uint64 `json:"opened"`
	// Refused are the clients that were refused, by reason.
	Refused map[string]uint64 `json:"refused"`
}

// Routing says whom clients are led to; endpoints lead them by the same.
type Routing interface {
	View() endpoint.View
}

// defaultFollowerLag is what a follower may be behind where the question doesn't
// say.
const defaultFollowerLag = 5 * time.Second

// routingRoutes answer load balancers, which look at the code of HTTP, and people,
// who read why.
func (s *Server) routingRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/leader", route(s.leader))
	mux.Handle("GET /v1/instances/{instance}/leader", route(s.isLeader))
	mux.Handle("GET /v1/instances/{instance}/follower", route(s.isFollower))
}

// leader names whom clients who write are led to.
func (s *Server) leader(w http.ResponseWriter, r *http.Request) error {
	if err := onlyParameters(r.URL.Query()); err != nil {
		return err
	}
	view := s.deps.Routing.View()
	if view.Leader == "" {
		say(w, http.StatusServiceUnavailable, view.Held)
		return nil
	}
	i, err := s.instance(view.Leader)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, struct {
		Name    string `json:"name"`
		Address string `json:"address"`
	}{i.Name, i.Address})
	return nil
}

func (s *Server) isLeader(w http.ResponseWriter, r *http.Request) error {
	if err := onlyParameters(r.URL.Query()); err != nil {
		return err
	}
	i, err := s.instance(r.PathValue("instance"))
	if err != nil {
		return err
	}
	sayWhether(w, s.deps.Routing.View().NotLeader(i.Name), "it leads")
	return nil
}

func (s *Server) isFollower(w http.ResponseWriter, r *http.Request) error {
	if err := onlyParameters(r.URL.Query(), "max_lag"); err != nil {
		return err
	}
	maxLag := defaultFollowerLag
	if text := r.URL.Query().Get("max_lag"); text != "" {
		var err error
		if maxLag, err = time.ParseDuration(text); err != nil || maxLag < 0 {
			return &Error{Code: BadRequest, Message: fmt.Sprintf("max_lag=%q is no duration", text), Mend: "write it like max_lag=5s"}
		}
	}
	i, err := s.instance(r.PathValue("instance"))
	if err != nil {
		return err
	}
	sayWhether(w, s.deps.Routing.View().NotFollower(i.Name, maxLag), "it follows, within "+maxLag.String())
	return nil
}

// instance finds an instance by its name.
func (s *Server) instance(name string) (Instance, error) {
	status := s.deps.Cluster.Status()
	i, ok := status.Instance(name)
	if !ok {
		return i, &Error{Code: NotFound, Message: fmt.Sprintf("there is no instance %q in cluster %s", name, status.Cluster), Mend: "`baton status` shows their names"}
	}
	return i, nil
}

// onlyParameters refuses parameters that are not known, lest one misspelt be
// passed over.
func onlyParameters(given url.Values, known ...string) error {
	for name := range given {
		if !slices.Contains(known, name) {
			return &Error{Code: BadRequest, Message: fmt.Sprintf("the parameter %q is not known here", name), Mend: fmt.Sprintf("the parameters are %q", known)}
		}
	}
	return nil
}

// sayWhether answers 200 and yes, or 503 and why not.
func sayWhether(w http.ResponseWriter, whyNot, yes string) {
	if whyNot != "" {
		say(w, http.StatusServiceUnavailable, whyNot)
		return
	}
	say(w, http.StatusOK, yes)
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // a client that went away needs no answer
}
