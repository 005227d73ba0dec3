// Package keys tells what transactions hold in the keys of a follower's tables,
// as write sets, of which the package writeset knows what depends on what.
//
// It knows a table's keys as the follower's information_schema describes them
// ([Read]), and which of MySQL's types and collations have values of which it can
// be told from their bytes that they differ ([Column.comparison] in column.go).
// Where it can't tell, it says so: of a table that isn't InnoDB's, or that the
// leader has with other columns, nothing is told.
package keys
