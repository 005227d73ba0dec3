// Package daemon plugs the parts of baton together and is `baton run`.
//
// A [Daemon] is one cluster's. [Daemon.Open] starts the parts in the order in
// which they need each other: the lock of the state directory, the history, the
// relay, the observation of the instances, the admin API, and, once it is known
// where the relay begins, the source and an applier for each follower. Close
// ends them in the other order: the source stops receiving, what appliers have
// under way is committed, and the relay, all of it durable, is closed last.
//
// It decides little: what an instance lacks to take part is internal/mysql's
// and failover's business, what is applied when is the applier's.
package daemon
