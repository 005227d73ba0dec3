// Package plan decides about hand-overs from what is known of a cluster: whether
// the leader is dead, who would lead after it, what that would lose, and why
// not, where it is refused.
//
// It is pure: it knows no clock, socket or goroutine. The same [Cluster] gives
// the same [Plan], so that the standing forecast in `baton status` and what a
// failover does are one decision.
package plan
