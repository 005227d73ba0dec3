// Package writeset decides which transactions of rows depend on which, by what
// their rows hold in primary, unique and foreign keys, where the leader's logical
// clock says little.
//
// A [Set] collects what the rows of one transaction use; a [History] tells from
// it the last earlier transaction with which it shares something. All up to that
// one are to be committed before it starts, those after it needn't be.
//
// What can't be known counts as used: a value that can be equal to any other is
// left out of its key, so that all rows that differ in nothing else collide; a row
// whose keys aren't in its image uses its whole table; and of a transaction that
// is opaque nothing is told, and all later ones depend on it.
//
// The package is pure, as schedule is. Its idea is that of
// binlog_transaction_dependency_tracking=WRITESET in MySQL's manual; other than
// there, rows that refer to the same parent don't depend on each other.
package writeset
