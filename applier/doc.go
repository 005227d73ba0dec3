// Package applier brings one follower from its gtid_executed to the relay's
// head and keeps it there.
//
// An [Applier] reads whole, durable transactions from the relay, lets the
// schedule decide which may run beside which, and has as many sessions as are
// useful apply them. The follower's gtid_executed is the only position: it is
// read anew for every stream of transactions, so that a kill of either side at
// any instant neither skips nor repeats one.
//
// It promises that a transaction that the follower refuses stops this follower
// and no other, with what an operator needs to know, and that nothing is left
// out unless an operator says so ([Applier.Skip]). It never waits for another
// applier, and no one waits for it.
package applier
