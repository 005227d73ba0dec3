// Package mysql is baton's one place for SQL that asks or sets the state of a
// server: opening connections to an instance ([Target]), telling apart why one
// can't be had ([Classify]), reading everything that decides whether an
// instance can be replicated from or to ([Inspect]), judging it ([Examine]),
// the few settings that baton changes ([MakeFollower] and its neighbours), the
// cut of a hand-over ([FenceLeader], [FreezeLeader]), semi-sync
// ([SetUpSemiSync]), and baton's own tables ([EnsureSchema]).
//
// It promises that reading changes nothing on a server, that [Examine] reads
// nothing but its argument, so that `baton check`, `baton status` and the log
// say the same of the same facts, and that no error holds a password.
package mysql
