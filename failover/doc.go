// Package failover watches a cluster's instances and, from what it sees,
// decides who may take part.
//
// An [Observer] keeps one connection to each instance and asks it for its
// state at every interval. It promises that an instance that hangs delays
// nobody else's observation, nor its own being called silent; that what it
// calls errant is never an artefact of sets that were read at different times;
// and that observing changes nothing on any server, but for the heartbeat, which
// writes to the leader and leaves nothing behind.
package failover
