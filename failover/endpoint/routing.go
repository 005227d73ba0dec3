package endpoint

import (
	"fmt"
	"math"
	"time"
)

// A Route says where an endpoint leads its clients.
type Route string

// The routes, as the configuration names them.
const (
	ToLeader    Route = "leader"
	ToFollowers Route = "followers"
)

// A Follower is what is known of an instance that doesn't lead.
type Follower struct {
	Name string
	// Problem is why it isn't to be read from; empty if it is.
	Problem string
	// Lag is how far what it shows may be behind the leader.
	Lag time.Duration
}

// A View is who leads and who follows at one moment, as far as clients are
// concerned. Its zero value knows nobody.
type View struct {
	// Leader is whom clients who write are led to; empty while they are held.
	Leader string
	// Held is why they are held; empty while they are not.
	Held string
	// Followers are all others, in the configuration's order.
	Followers []Follower
}

// NotLeader says why clients who write are not led to an instance; empty if they
// are.
func (v View) NotLeader(name string) string {
	switch {
	case v.Leader == name:
		return ""
	case v.Leader == "":
		return v.Held
	}
	return v.Leader + " leads"
}

// NotFollower says why clients who read with that bound are not led to an
// instance; empty if they may be.
func (v View) NotFollower(name string, maxLag time.Duration) string {
	for _, f := range v.Followers {
		if f.Name == name {
			return f.unfit(maxLag)
		}
	}
	if v.Leader == name {
		return "it leads"
	}
	return "it is not known to follow"
}

func (f Follower) unfit(maxLag time.Duration) string {
	switch {
	case f.Problem != "":
		return f.Problem
	case f.Lag > maxLag:
		return fmt.Sprintf("it is %s behind, more than %s", f.Lag.Round(time.Millisecond), maxLag)
	}
	return ""
}

// A load is how many clients an instance has now, and has had.
type load struct {
	open  int
	total uint64
}

// follower chooses whom a client is led to who reads with that bound: of those
// that qualify and are not excluded, the one with the fewest clients, now and then
// ever. Where there is none, why says what is wrong with each.
func (v View) follower(maxLag time.Duration, loads map[string]load, excluded map[string]string) (name, why string) {
	least := load{open: math.MaxInt}
	for _, f := range v.Followers {
		unfit := excluded[f.Name]
		if unfit == "" {
			unfit = f.unfit(maxLag)
		}
		if unfit != "" {
			if why != "" {
				why += "; "
			}
			why += f.Name + ": " + unfit
			continue
		}
		l := loads[f.Name]
		if l.open < least.open || l.open == least.open && l.total < least.total {
			name, least = f.Name, l
		}
	}
	switch {
	case name != "":
		return name, ""
	case why == "":
		return "", "there are no followers"
	}
	return "", why
}
