// Package mysql is baton's one place for SQL that asks or sets the state of a
// server: opening connections to an instance ([Target]), telling apart why one
// can't be had ([Classify]), reading everything that decides whether an
// instance can be replicated from or to ([Inspect]), judging it ([Examine]),
// and the few settings that baton changes ([SetReadOnly] and its neighbours).
//
// It promises that reading changes nothing on a server, that [Examine] reads
// nothing but its argument, so that `baton check`, `baton status` and the log
// say the same of the same facts, and that no error holds a password.
package mysql
