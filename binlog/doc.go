// Package binlog is the vocabulary that the parts of baton share: a binlog
// [Event] exactly as the leader wrote it, the [Format] it was written in, and
// the [Transaction], the unit in which everything is received, kept and applied.
//
// It owns the knowledge of the binary log format that more than one part needs
// (MySQL's manual, "Binary Log Event" pages of the source documentation) and
// nothing else: no connection, no file, no goroutine. Every function that reads
// bytes returns an error for malformed input; none panics.
package binlog
