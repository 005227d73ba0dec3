// Package session applies transactions to a follower over one connection.
//
// A [Session] turns a transaction into as few packets as it takes, one for all
// but large ones: SET of the session context that changed, SET GTID_NEXT, BEGIN,
// BINLOG '…' with the leader's own Table_map and Rows events, COMMIT. It is one
// multi-statement query, so that the server stops at the first error and a part
// of a transaction can't be committed. The follower's server applies the rows:
// types, character sets, generated columns and the like are its business.
// Statements (DDL, XA and what else is in the binlog as a Query_event) run as SQL
// in the context that the event carries.
//
// It promises that a transaction is committed whole, under its GTID, or not at
// all; that one that the follower has already is left alone (the server does
// that by the GTID); and that an event or a context it doesn't know is an error,
// never left out.
package session
