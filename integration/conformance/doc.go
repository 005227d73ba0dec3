// Package conformance holds followers against their leader, for everything that a leader can write into its binlog.
//
// TestCorpus runs the files in testdata, each of one subject, statement by statement on a leader, and TestGenerated random
// statements of several sessions at once. Beside the leader stand two followers of baton's, one applied to transaction by
// transaction and one in batches, and a native replica, all with the same settings. They are compared with the leader
// where a file says so, before everything that would take a difference away (DROP, TRUNCATE), and at the end: rows,
// definitions, accounts, whatever DDL leaves behind, and gtid_executed; and, transaction by transaction, the row images in
// the follower's own binlog with the leader's. What the native replica does otherwise stands in the files as well; the
// manual's page on fidelity is held against them.
package conformance
