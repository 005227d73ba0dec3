// Package rewind deals with the errant transactions of an old leader that comes
// back: it reads them from that server's own binlog, keeps them for people
// ([Errant.Export]), says whether they can be undone ([Errant.Plan]), and undoes
// them ([Errant.Rewind]), so that the server may follow again instead of being
// built anew.
//
// Undone is by inverting their own row events, newest first, in one transaction
// of InnoDB without a trace in the binlog. It promises that every row is what
// the errant transactions left before it is changed back, to the byte, and that
// otherwise nothing is changed at all ([*Conflict]); and that what the binlog
// doesn't tell enough of is refused with the reason, before anything is touched
// ([*Refused]): DDL, incomplete row images, JSON diffs, XA, tables that are not
// InnoDB, cascades of foreign keys that were not logged.
//
// Then the errant GTIDs are taken out of gtid_executed, which a server does only
// by forgetting all its binlogs. A [Mark] in the server, committed together with
// the undone rows, says until the end that this is still to be done, so that a
// death of anybody at any point is followed by [Finish]. An instance with a mark
// may not follow: its gtid_executed may be empty while its tables are full.
//
// The server must be out of everybody's use meanwhile: fenced, and nothing
// applied to it. It is left fenced, whatever happens.
//
// Limits: errant transactions that lie before others of the leader's are undone
// too, but rows that only a foreign key ties to them are not looked at. The one
// transaction that undoes all takes as much undo log as the errant ones did.
package rewind
