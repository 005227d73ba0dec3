package mysql

import (
	"fmt"
	"slices"
	"strings"
)

func judgeVersion(c *Cluster, m *Member) verdict {
	v := m.Facts.Version
	switch {
	case v.Flavour != MySQL:
		return verdict{level: Error, message: fmt.Sprintf("the server is %s; its binlog and GTIDs are not MySQL's", v),
			mend: "use a MySQL server, 8.0 or newer"}
	case !v.AtLeast(8, 0, 0):
		return verdict{level: Error, message: fmt.Sprintf("%s is too old", v), mend: "upgrade the server to MySQL 8.0 or newer"}
	}
	leader := c.leader()
	if leader == nil || m.Leader || v.compareSeries(leader.Facts.Version) >= 0 {
		return fine("%s", v)
	}
	return verdict{level: Warn,
		message: fmt.Sprintf("%s is older than the leader's %s; MySQL supports no replication to an older series: the follower stops at the first transaction it doesn't understand, and is no candidate for promotion", v, leader.Facts.Version.Text),
		mend:    "upgrade the follower; followers first, the leader last"}
}

func judgeServerUUID(c *Cluster, m *Member) verdict {
	uuid := m.Facts.ServerUUID
	other := c.earlier(m, func(f *Facts) bool { return f.ServerUUID == uuid })
	if other == nil {
		return fine("server_uuid %s", uuid)
	}
	if other.Facts.ServerID == m.Facts.ServerID {
		return verdict{level: Error, message: fmt.Sprintf("%s and %s are the same server (server_uuid %s)", other.Name, m.Name, uuid),
			mend: "remove one of them from the config, or correct its address"}
	}
	return verdict{level: Error, message: fmt.Sprintf("%s has the same server_uuid, %s", other.Name, uuid),
		mend: "a copied data directory: stop this server, delete auto.cnf from its data directory, and start it again"}
}

func judgeServerID(c *Cluster, m *Member) verdict {
	id := m.Facts.ServerID
	renumber := func(message string) verdict {
		return verdict{level: Error, message: message,
			mend:    "give the server a number that no other server of the cluster has, and set the same in its option file",
			command: "SET PERSIST server_id = <number>"}
	}
	if id == 0 {
		return renumber("server_id is 0, with which a server takes no part in replication")
	}
	if id == c.BatonID {
		return renumber(fmt.Sprintf("server_id %d is the one under which baton itself reads the leader", id))
	}
	uuid := m.Facts.ServerUUID
	if other := c.earlier(m, func(f *Facts) bool { return f.ServerID == id && f.ServerUUID != uuid }); other != nil {
		return renumber(fmt.Sprintf("server_id %d is also that of %s", id, other.Name))
	}
	return fine("server_id %d", id)
}

func judgePrivileges(_ *Cluster, m *Member) verdict {
	f := m.Facts
	needed := Privileges(f.Version)
	var missing []Privilege
	level := Warn
	for _, p := range needed {
		if !f.Grants.Has(p.Name) {
			missing = append(missing, p)
			if p.Required {
				level = Error
			}
		}
	}
	if len(missing) == 0 {
		if len(f.Grants.Revoked) > 0 {
			return verdict{level: Warn, message: fmt.Sprintf("%s lacks privileges in %s (partial revokes): a transaction there may stop the follower", f.Account, strings.Join(f.Grants.Revoked, ", ")),
				mend: "drop the partial revokes of the account", command: grantOf(needed, f.Account)}
		}
		return fine("%s has all that baton needs", f.Account)
	}
	consequence := "without it a follower stops at the first transaction that needs it; "
	if level == Error {
		consequence = ""
	}
	return verdict{level: level, message: fmt.Sprintf("%s lacks %s", f.Account, named(missing)),
		mend: consequence + "grant what is missing", command: grantOf(missing, f.Account, f.Grants.Ungrantable...)}
}

// named lists privileges, with what they are for where they are few.
func named(privileges []Privilege) string {
	const few = 3
	var names []string
	for _, p := range privileges {
		name := p.Name
		if len(privileges) <= few {
			name += " (to " + p.For + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// gtidSteps are the values that gtid_mode goes through; each may only be set
// from a neighbour.
var gtidSteps = []string{"OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"}

func judgeGTIDMode(_ *Cluster, m *Member) verdict {
	f := m.Facts
	if f.GTIDMode == "ON" {
		return fine("gtid_mode=ON")
	}
	var steps []string
	if !f.EnforceGTID {
		steps = append(steps, "SET PERSIST enforce_gtid_consistency = ON")
	}
	for _, mode := range gtidSteps[slices.Index(gtidSteps, f.GTIDMode)+1:] {
		steps = append(steps, "SET PERSIST gtid_mode = "+mode)
	}
	return verdict{level: Error, message: fmt.Sprintf("gtid_mode=%s: transactions have no GTIDs to go by", f.GTIDMode),
		mend:    "turn GTIDs on, each step on all instances before the next, the last when Ongoing_anonymous_transaction_count is 0 everywhere",
		command: strings.Join(steps, "; ")}
}

func judgeBinlog(_ *Cluster, m *Member) verdict {
	switch {
	case m.Facts.LogBin && m.Facts.LogReplicaUpdates:
		return fine("log_bin=ON")
	case m.Facts.LogBin:
		// It counts for the server's own replication only.
		return fine("log_bin=ON (log_replica_updates=OFF doesn't matter to what baton applies)")
	case m.Leader:
		return verdict{level: Error, message: "log_bin=OFF: the leader has no binlog to read", mend: "remove skip-log-bin and disable-log-bin from the server's option file, and restart it"}
	}
	return verdict{level: Warn, message: "log_bin=OFF: the follower can't be promoted", mend: "remove skip-log-bin and disable-log-bin from the server's option file, and restart it"}
}

func judgeFormat(_ *Cluster, m *Member) verdict {
	f := m.Facts
	toRow := "SET PERSIST binlog_format = ROW"
	mend := "set the format, then have clients reconnect: a session keeps the format it began with"
	switch {
	case !f.LogBin:
		return verdict{}
	case f.BinlogFormat == "ROW":
		return fine("binlog_format=ROW")
	case m.Leader:
		return verdict{level: Error, message: fmt.Sprintf("binlog_format=%s: the leader's binlog may hold statements instead of rows", f.BinlogFormat), mend: mend, command: toRow}
	case f.BinlogFormat == "STATEMENT":
		return verdict{level: Error, message: "binlog_format=STATEMENT: the follower refuses rows", mend: mend, command: toRow}
	}
	return verdict{level: Warn, message: fmt.Sprintf("binlog_format=%s: once promoted, the follower would log statements instead of rows", f.BinlogFormat), mend: mend, command: toRow}
}

func judgeRowImage(_ *Cluster, m *Member) verdict {
	f := m.Facts
	if !f.LogBin || f.BinlogRowImage == "" {
		return verdict{}
	}
	if f.BinlogRowImage == "FULL" {
		return fine("binlog_row_image=FULL")
	}
	return verdict{level: Warn, message: fmt.Sprintf("binlog_row_image=%s: transactions of this server can't be undone by `baton rejoin --rewind`", f.BinlogRowImage),
		mend: "log whole rows", command: "SET PERSIST binlog_row_image = FULL"}
}

func judgeChecksum(_ *Cluster, m *Member) verdict {
	f := m.Facts
	if !f.LogBin {
		return verdict{}
	}
	if f.BinlogChecksum == "CRC32" {
		return fine("binlog_checksum=CRC32")
	}
	return verdict{level: Warn, message: fmt.Sprintf("binlog_checksum=%s: damage to an event goes unnoticed", f.BinlogChecksum),
		mend: "have events checksummed", command: "SET PERSIST binlog_checksum = CRC32"}
}

func judgeRetention(c *Cluster, m *Member) verdict {
	f := m.Facts
	if !f.LogBin {
		return verdict{}
	}
	if m.Leader && c.Relay != nil {
		if gone := f.GTIDPurged.Subtract(c.Relay.Durable); !gone.IsEmpty() {
			return verdict{level: Error, message: fmt.Sprintf("the leader has purged %s that the relay has not received: the stream can't go on", show(gone)),
				mend: "stop baton, move the relay out of its state directory, seed the followers from a backup or a CLONE of the leader, and start baton"}
		}
	}
	if f.BinlogRetention != 0 && f.BinlogRetention < shortRetention {
		return verdict{level: Warn, message: fmt.Sprintf("binlogs are kept for %s only: a stop of baton that lasts longer cuts the stream for good", span(f.BinlogRetention)),
			mend: "keep them for a day at least", command: fmt.Sprintf("SET PERSIST binlog_expire_logs_seconds = %d", int(shortRetention.Seconds()))}
	}
	if f.BinlogRetention == 0 {
		return fine("binlogs are kept until somebody purges them")
	}
	return fine("binlogs are kept for %s", span(f.BinlogRetention))
}

func judgeChannels(_ *Cluster, m *Member) verdict {
	f := m.Facts
	if fault := f.Unasked[SubjectChannels]; fault != nil {
		return verdict{level: Warn, message: "whether the server replicates from another can't be seen: " + fault.Message, mend: fault.Mend}
	}
	if len(f.Channels) == 0 {
		return fine("the server replicates from no other")
	}
	var sources []string
	running := false
	for _, ch := range f.Channels {
		source := ch.Source
		if ch.Name != "" {
			source += " by channel " + ch.Name
		}
		sources = append(sources, source)
		running = running || ch.Running()
	}
	// Without FOR CHANNEL they are about all channels.
	stop, reset := m.replicaSQL("STOP"), m.replicaSQL("RESET")+" ALL"
	from := strings.Join(sources, ", ")
	switch {
	case m.Leader && running:
		return verdict{level: Warn, message: fmt.Sprintf("the leader itself replicates from %s: a hand-over would leave that behind", from)}
	case running:
		return verdict{level: Error, message: fmt.Sprintf("the server replicates from %s: two would write to it", from),
			mend: "end that replication, or take the instance out of the config", command: stop + "; " + reset}
	}
	return verdict{level: Warn, message: fmt.Sprintf("replication from %s is set up but stopped: it may begin again when the server restarts", from),
		mend: "remove what is set up", command: reset}
}

// replicaSQL is the statement in the words of the server's version.
func (m *Member) replicaSQL(verb string) string {
	if m.Facts.Version.AtLeast(8, 0, 22) {
		return verb + " REPLICA"
	}
	return verb + " SLAVE"
}
