// Package failover watches a cluster's instances, decides from what it sees who
// may take part and who leads, and hands the leadership over.
//
// An [Observer] keeps one connection to each instance and asks it for its
// state at every interval. It promises that an instance that hangs delays
// nobody else's observation, nor its own being called silent; that what it
// calls errant is never an artefact of sets that were read at different times;
// and that observing changes nothing on any server, but for the heartbeat, which
// writes to the leader and leaves nothing behind.
//
// A [Controller] weighs that at every interval (evidence.go), has package plan
// decide, and acts: it fails over (failover.go), switches over (switchover.go),
// both by the same steps (act.go), and between hand-overs brings the instances to
// what is written down (reconcile.go). It promises that an instance is made
// writable only after the former leader is fenced or can acknowledge nothing; that
// a candidate has all that is durable first; and that each step is written down
// under the [Lease] before anything is done for it, so that whoever begins next
// finishes or undoes it.
//
// Both work on the servers through package internal/mysql, and on everything else
// through small interfaces: the [Stream] from the leader, the [Followers] that are
// applied to, the relay as a [Log].
package failover
