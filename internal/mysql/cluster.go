package mysql

import (
	"slices"

	"github.com/batondb/baton/binlog/gtid"
)

// A Member is what is known of one instance.
type Member struct {
	Name    string
	Address string
	Leader  bool
	// Facts is what the instance said last; nil when it never answered. Fault is
	// why it doesn't answer now; nil when it does.
	Facts *Facts
	Fault *Fault
	// Tables is nil where they were not looked at.
	Tables *Tables
}

// RelaySets are the relay's.
type RelaySets struct {
	Base    gtid.Set // what it can't give any more, or never could
	Durable gtid.Set // Base and everything after it that is fsynced
}

// A Cluster is what is known of all instances, in the config's order.
//
// The followers' facts must have been read before the leader's, and these
// before the relay's: a set that is read later may hold more, and the
// difference would pass for errant transactions.
type Cluster struct {
	Members  []Member
	Relay    *RelaySets // nil where the relay holds nothing yet, or is not known
	BatonID  uint32     // the server_id under which baton reads the leader; 0 when unknown
	SemiSync bool       // the durability of the config wants acknowledgements
	// Endpoints tells whether clients reach the servers through baton, from its host.
	Endpoints bool
	// Batches is when followers are applied to in batches; empty for never, or where
	// that is not judged.
	Batches string
	// SemiSyncSettings is how the leader's commits are to wait; nil where that is
	// not compared.
	SemiSyncSettings *SemiSyncSettings
}

// leader returns the leader if it has ever answered.
func (c *Cluster) leader() *Member {
	for i := range c.Members {
		if m := &c.Members[i]; m.Leader && m.Facts != nil {
			return m
		}
	}
	return nil
}

// earlier returns the first other member before m, the leader counting as the
// first of all, that answers and of which same is true.
func (c *Cluster) earlier(m *Member, same func(*Facts) bool) *Member {
	if m.Leader {
		return nil
	}
	ordered := make([]*Member, 0, len(c.Members))
	for i := range c.Members {
		if c.Members[i].Leader {
			ordered = slices.Insert(ordered, 0, &c.Members[i])
		} else {
			ordered = append(ordered, &c.Members[i])
		}
	}
	for _, other := range ordered {
		if other == m {
			return nil
		}
		if other.Facts != nil && same(other.Facts) {
			return other
		}
	}
	return nil
}

// Errant returns what a member has executed that neither the leader nor the
// relay has. ok is false where that can't be told: the leader never answered,
// and the relay alone doesn't explain all.
func (c *Cluster) Errant(m *Member) (errant gtid.Set, ok bool) {
	errant = m.Facts.GTIDExecuted
	if c.Relay != nil {
		errant = errant.Subtract(c.Relay.Durable)
	}
	leader := c.leader()
	if leader == nil {
		return errant, errant.IsEmpty()
	}
	return errant.Subtract(leader.Facts.GTIDExecuted).Subtract(leader.Facts.GTIDOwned), true
}

// Unavailable returns what a member lacks and can't be given any more, since
// the relay, or where that is empty the leader's binlogs, begin later.
func (c *Cluster) Unavailable(m *Member) gtid.Set {
	if c.Relay != nil {
		return c.Relay.Base.Subtract(m.Facts.GTIDExecuted)
	}
	if leader := c.leader(); leader != nil {
		return leader.Facts.GTIDPurged.Subtract(m.Facts.GTIDExecuted)
	}
	return gtid.Set{}
}

// Start returns where an empty relay should begin: at what all followers that
// can be given what they lack have in common with the leader, or without
// followers at what the leader has executed. A follower that something else
// forbids to be written to counts: once that is mended, it needs the rest. ok is
// false while the leader is not known.
func (c *Cluster) Start() (base gtid.Set, ok bool) {
	leader := c.leader()
	if leader == nil {
		return gtid.Set{}, false
	}
	base = leader.Facts.GTIDExecuted
	for i := range c.Members {
		m := &c.Members[i]
		if m.Leader || m.Facts == nil || m.Facts.GTIDMode != "ON" || !c.Unavailable(m).IsEmpty() {
			continue
		}
		if errant, ok := c.Errant(m); !ok || !errant.IsEmpty() {
			continue
		}
		base = base.Intersect(m.Facts.GTIDExecuted)
	}
	return base, true
}
