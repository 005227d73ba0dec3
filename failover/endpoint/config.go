package endpoint

import (
	"net/netip"
	"time"

	"go.uber.org/zap"
)

// Config is one endpoint. The zero value of a field is not a default.
type Config struct {
	// Listen is host and port; an empty host means every address, port 0 a free
	// one.
	Listen string
	Route  Route
	// MaxLag is the lag above which a follower gets no new client.
	MaxLag time.Duration
	// RefuseWithoutFollower has clients refused while no follower qualifies, rather
	// than led to the leader.
	RefuseWithoutFollower bool
	// MaxConnections bounds the clients, those that are held included.
	MaxConnections int
	// MaxHeld bounds those that wait at a time, HoldTimeout how long each does.
	MaxHeld     int
	HoldTimeout time.Duration
	// ConnectTimeout is how long an instance may take to greet a client.
	ConnectTimeout time.Duration
	// Allow are the networks that clients may come from; empty: all.
	Allow []netip.Prefix
	// AcceptProxy are the networks from which connections begin with a header of
	// the PROXY protocol v2, that says where the client is.
	AcceptProxy []netip.Prefix
	// SendProxy has connections to instances begin with such a header.
	SendProxy bool
}

// Deps are what a Set works with; all may be left out.
type Deps struct {
	Logger *zap.Logger
}

// A Reason is why a client was refused.
type Reason string

// The reasons.
const (
	NotAllowed    Reason = "not-allowed"     // its address isn't
	BadHeader     Reason = "bad-header"      // the PROXY header was none, or didn't come
	TooMany       Reason = "max-connections" // there are
	TooManyHeld   Reason = "max-held"        // wait already
	NobodyLeads   Reason = "hold-timeout"    // and it has waited its time
	NoFollower    Reason = "no-follower"     // qualifies
	Stopping      Reason = "stopping"        // is what baton, or the endpoint, does
	InstanceError Reason = "instance"        // refused it itself, with an error of its own
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{NotAllowed, BadHeader, TooMany, TooManyHeld, NobodyLeads, NoFollower, Stopping, InstanceError}
}

// Status is one endpoint at a moment. The counts are since it was opened.
type Status struct {
	Listen string // with the port that was chosen
	Route  Route
	// Held is the number of clients that wait, HeldTotal of all that ever had to.
	Held      int
	HeldTotal uint64
	// Connections are the clients of each instance now, Opened all that it ever
	// had.
	Connections map[string]int
	Opened      map[string]uint64
	Refused     map[Reason]uint64
}

func contains(networks []netip.Prefix, address netip.Addr) bool {
	for _, network := range networks {
		if network.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}
