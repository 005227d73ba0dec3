package mysql

import (
	"fmt"
	"strings"
	"time"
)

func judgeErrant(c *Cluster, m *Member) verdict {
	if m.Leader {
		return verdict{}
	}
	errant, ok := c.Errant(m)
	switch {
	case !ok:
		return verdict{level: Error, message: fmt.Sprintf("it has %s that the relay doesn't have, and the leader, which may have them, has not answered yet", show(errant)),
			mend: "bring the leader back, or see why it doesn't answer"}
	case !errant.IsEmpty():
		return verdict{level: Error, message: fmt.Sprintf("it has %s that neither the leader nor the relay has (errant)", show(errant)),
			mend: "find out who wrote there and what (mysqlbinlog --include-gtids); then undo it and seed the instance anew, or, where the leader needs no such change, commit an empty transaction with each of these GTIDs on the leader"}
	}
	return fine("everything it has executed comes from the leader")
}

func judgeSeed(c *Cluster, m *Member) verdict {
	if m.Leader {
		return verdict{}
	}
	gone := c.Unavailable(m)
	if gone.IsEmpty() {
		if c.leader() == nil && c.Relay == nil {
			return verdict{}
		}
		return fine("all that it lacks can be given to it")
	}
	who := "the leader has purged"
	if c.Relay != nil {
		who = "the relay no longer holds"
	}
	return verdict{level: Error, message: fmt.Sprintf("it lacks %s that %s", show(gone), who),
		mend: "seed it anew from a newer backup, or a CLONE, of the leader; baton goes on from there by itself"}
}

func judgeReadOnly(_ *Cluster, m *Member) verdict {
	f := m.Facts
	switch {
	case !m.Leader && f.ReadOnly && !f.SuperReadOnly:
		return fine("read_only=ON")
	case !m.Leader:
		return fine("read_only=%s, super_read_only=%s: baton sets them to ON and OFF when it begins to apply", onOff(f.ReadOnly), onOff(f.SuperReadOnly))
	case f.ReadOnly:
		return verdict{level: Warn, message: "the leader is read_only: clients can't write",
			mend: "allow writes if it is meant to lead", command: "SET GLOBAL read_only = OFF"}
	}
	return fine("the leader is writable")
}

func judgePersisted(_ *Cluster, m *Member) verdict {
	switch {
	case m.Facts.PersistedLoad && m.Facts.BootsFenced:
		return fine("the server starts fenced (super_read_only=ON is persisted)")
	case m.Facts.PersistedLoad:
		return fine("persisted_globals_load=ON")
	}
	return verdict{level: Warn, message: "persisted_globals_load=OFF: the server ignores SET PERSIST when it starts, so that it can't be made to start fenced",
		mend: "remove persisted_globals_load from the server's option file, and restart it"}
}

func judgeCommitSync(_ *Cluster, m *Member) verdict {
	f := m.Facts
	if f.FlushLogAtCommit == 1 && (f.SyncBinlog == 1 || !f.LogBin) {
		return fine("every commit is fsynced")
	}
	return verdict{level: Warn,
		message: fmt.Sprintf("sync_binlog=%d, innodb_flush_log_at_trx_commit=%d: a crash of the host can lose the newest commits, or leave binlog and tables apart", f.SyncBinlog, f.FlushLogAtCommit),
		mend:    "have every commit fsynced", command: "SET PERSIST sync_binlog = 1; SET PERSIST innodb_flush_log_at_trx_commit = 1"}
}

func judgeFunctions(_ *Cluster, m *Member) verdict {
	f := m.Facts
	if m.Leader || !f.LogBin {
		return verdict{}
	}
	if f.TrustFunctionCreators {
		return fine("log_bin_trust_function_creators=ON")
	}
	return fine("log_bin_trust_function_creators=OFF: baton sets it ON when it begins to apply, so that triggers and functions can be replayed")
}

func judgePacket(c *Cluster, m *Member) verdict {
	leader, f := c.leader(), m.Facts
	if m.Leader || leader == nil || f.MaxAllowedPacket >= leader.Facts.MaxAllowedPacket {
		return fine("max_allowed_packet=%d", f.MaxAllowedPacket)
	}
	return verdict{level: Warn, message: fmt.Sprintf("max_allowed_packet=%d is smaller than the leader's %d: a statement or a value of the leader may not fit", f.MaxAllowedPacket, leader.Facts.MaxAllowedPacket),
		mend: "raise it to the leader's", command: fmt.Sprintf("SET PERSIST max_allowed_packet = %d", leader.Facts.MaxAllowedPacket)}
}

// judgeHostBlocking looks at what clients of endpoints can do to baton: they come from its address.
func judgeHostBlocking(c *Cluster, m *Member) verdict {
	limit := m.Facts.MaxConnectErrors
	switch {
	case limit == 0:
		return fine("no host is blocked")
	case !c.Endpoints || limit >= manyConnectErrors:
		return fine("max_connect_errors=%d", limit)
	}
	return verdict{level: Warn, message: fmt.Sprintf("max_connect_errors=%d: after so many connections through baton's endpoints in a row that end before their login, the server refuses this host, and with it baton", limit),
		mend: "raise it", command: fmt.Sprintf("SET PERSIST max_connect_errors = %d", manyConnectErrors)}
}

func judgeLetterCase(c *Cluster, m *Member) verdict {
	leader, f := c.leader(), m.Facts
	if m.Leader || leader == nil || f.LowerCaseTableNames == leader.Facts.LowerCaseTableNames {
		return fine("lower_case_table_names=%d", f.LowerCaseTableNames)
	}
	return verdict{level: Error, message: fmt.Sprintf("lower_case_table_names=%d and the leader's is %d: names would not mean the same tables", f.LowerCaseTableNames, leader.Facts.LowerCaseTableNames),
		mend: "the value is fixed when a data directory is initialized: initialize the follower's anew with the leader's, and seed it by a dump"}
}

func judgeClock(_ *Cluster, m *Member) verdict {
	clock := m.Facts.Clock
	if !clock.Beyond(clockTolerance) {
		return fine("the clock agrees with this machine's")
	}
	where := "ahead of"
	if clock.Offset < 0 {
		where = "behind"
	}
	return verdict{level: Warn, message: fmt.Sprintf("the clock is %s %s this machine's: lag in seconds is wrong by that (lag in transactions, and replication itself, are not)",
		clock.Offset.Abs().Round(100*time.Millisecond), where), mend: "set the clocks by NTP"}
}

func judgePrimaryKeys(_ *Cluster, m *Member) verdict {
	if m.Tables == nil {
		return verdict{}
	}
	list := m.Tables.NoKey
	if list.Count == 0 {
		return fine("every table has a key that a row can be found by")
	}
	return verdict{level: Warn, message: fmt.Sprintf("%s without a primary key: each change of a row there searches the whole table on a follower", list),
		mend: "give them a primary key (for new tables: sql_generate_invisible_primary_key=ON)"}
}

func judgeEngines(_ *Cluster, m *Member) verdict {
	if m.Tables == nil {
		return verdict{}
	}
	list := m.Tables.NonTransactional
	if list.Count == 0 {
		return fine("every table is transactional")
	}
	return verdict{level: Warn, message: fmt.Sprintf("%s of an engine without transactions: what a crash interrupts there is neither whole nor undone, and may be applied twice", list),
		mend: "convert them: ALTER TABLE … ENGINE=InnoDB"}
}

// judgeEvents looks for events that native replication has put to rest. While it
// goes on, that is as it should be.
func judgeEvents(_ *Cluster, m *Member) verdict {
	if m.Tables == nil {
		return verdict{}
	}
	list := m.Tables.Events
	if list.Count == 0 || len(m.Facts.Channels) > 0 {
		return fine("no event is disabled as on a replica")
	}
	resting := list.of("event") + " DISABLE ON REPLICA, as native replication leaves them on a replica: "
	first := "ALTER EVENT " + list.Names[0] + " ENABLE"
	if m.Leader {
		return verdict{level: Warn, message: resting + "nobody runs them on the leader",
			mend: "enable each that is to run", command: first}
	}
	return verdict{level: Warn, message: resting + "nobody will run them when the instance leads",
		mend: "once it is applied to, when its scheduler rests until it leads, enable each that is to run then, unlogged", command: "SET SESSION sql_log_bin = 0; " + first}
}

// String is "3 tables (`a`.`b`, …)".
func (l TableList) String() string { return l.of("table") }

func (l TableList) of(kind string) string {
	names := strings.Join(l.Names, ", ")
	switch {
	case l.Count == 1:
		return "1 " + kind + " (" + names + ")"
	case l.Count > len(l.Names):
		names += ", …"
	}
	return fmt.Sprintf("%d %ss (%s)", l.Count, kind, names)
}
