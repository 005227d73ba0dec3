// Package relay owns the durable copy of the leader's binlog: it takes the
// events of the stream, makes them durable a group at a time, and gives whole
// transactions to any number of readers.
//
// # Promises
//
//   - What a successful [Relay.Sync] covered is there after any crash: whole, in
//     the leader's order, exactly once. Nothing else is ever shown to a reader.
//   - After a failed write or fsync nothing more is published, and the segment is
//     never written to again: a page that could not be written may be gone from
//     memory too, and a second fsync would not say so. What was made durable
//     before stays readable all the while.
//   - A reader never makes the writer or another reader wait, and the memory that
//     the relay holds is bounded by [Config.Memory] and the largest event.
//   - Damage is reported with segment and offset as a [DamageError], never skipped.
//
// # Files
//
// A segment, such as relay.000042, is an ordinary binlog file, readable with
// mysqlbinlog: the magic number; the leader's Format_description_event byte for
// byte; a Previous_gtids_log_event with everything that came before the segment;
// an artificial Rotate_event; the leader's transactions byte for byte. The
// Rotate_event says in which of the leader's files and at which offset what
// follows stands there: its offset has 64 bits, so that the end of a transaction
// can be told although the positions in event headers wrap at 4 GiB. Another
// stands before the first transaction from another file, or of another stream.
// The stream's own Rotate, Stop, Previous_gtids and heartbeat events are not
// kept, nor a Format_description_event that says the same as the segment's.
//
// What was made durable by one fsync, the header too, ends with a sync mark: an
// Ignorable_log_event (which mysqlbinlog and replicas pass over) that says up to
// where the file had been fsynced before this group was written, and holds a
// CRC32C of the bytes from there to the mark.
//
// Beside each sealed segment stands its index (relay.000042.index), which says in
// which stretch of about 64 KiB which GTIDs are. It is verified before it is used,
// and made again from the segment when it is missing or doesn't fit. The active
// segment's index is in memory only. relay.base holds the set that [Relay.Init]
// was given; the first segment's Previous_gtids supersede it.
//
// # Torn tail or damage
//
// When the last segment is read at [Relay.Open], let X be the first byte that
// doesn't continue it: an impossible size, a wrong checksum, an event in the wrong
// place, the end of the file inside a transaction.
//
//   - If a sync mark stands anywhere after X and says that the file had been
//     fsynced beyond X, the disk lost or changed what it had promised to keep:
//     that is damage.
//   - Otherwise X lies in the last group, whose fsync may never have returned, so
//     that after a power loss any part of it may be missing, whatever of it stands
//     further on: a torn tail. It is cut back to the last whole transaction, or,
//     where the leader's events have no checksums, to the last mark whose CRC32C fits.
//
// So damage is told from a torn tail in everything but the very last group of a
// process that was killed; [Relay.Close] leaves a mark that covers that one too.
// What is kept of the last group is written and fsynced again at Open, before it
// counts as durable: its fsync may have failed, and the kernel shows pages that it
// could not write as if they were on disk.
//
// A sealed segment holds exactly what the next one's Previous_gtids say came
// before: less is damage, and what stands behind it is the tail of an abandoned
// segment, which is cut. Its events are verified when they are read; events
// without checksums can be verified only where the whole segment is read again.
package relay
