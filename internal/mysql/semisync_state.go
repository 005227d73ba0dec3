package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// SemiSync is the state of the semi-synchronous plugins.
type SemiSync struct {
	Source, Replica               bool // the plugins are loaded
	SourceEnabled, ReplicaEnabled bool
	// SourceTimeout is how long a commit waits before it goes on unprotected.
	SourceTimeout time.Duration
	WaitNoReplica bool   // commits wait while no replica is attached, too
	WaitPoint     string // AFTER_SYNC or AFTER_COMMIT
	WaitCount     int    // how many replicas have to acknowledge
	OldNames      bool   // the plugins are those of MySQL before 8.0.26, rpl_semi_sync_master and _slave

	// SourceActive tells that commits wait for an acknowledgement now
	// (Rpl_semi_sync_source_status). It ends when one has waited for SourceTimeout,
	// and is so again when everything was acknowledged.
	SourceActive  bool
	SourceClients int // no evidence that anybody is there: it stays up after a disconnect
	// Unacknowledged is how many commits were not acknowledged since the server's
	// start, while it was enabled (Rpl_semi_sync_source_no_tx).
	Unacknowledged int64
	// Waiting is how many groups of commits wait now.
	Waiting int
}

// semiSyncStatusNames are the status variables of the source plugin, by either
// name.
var semiSyncStatusNames = []string{
	"Rpl_semi_sync_source_status", "Rpl_semi_sync_source_clients", "Rpl_semi_sync_source_no_tx", "Rpl_semi_sync_source_wait_sessions",
	"Rpl_semi_sync_master_status", "Rpl_semi_sync_master_clients", "Rpl_semi_sync_master_no_tx", "Rpl_semi_sync_master_wait_sessions",
}

// semiSyncVariables are the variables of the source plugin, by either name.
func semiSyncVariables() []string {
	var names []string
	for _, n := range []semiSyncNames{sourceNames, masterNames} {
		names = append(names, n.prefix+"enabled")
		for _, s := range n.settings(SemiSyncSettings{}) {
			names = append(names, s.name)
		}
	}
	return names
}

func semiSyncOf(v values) SemiSync {
	var s SemiSync
	names, replica := sourceNames, "rpl_semi_sync_replica"
	if _, old := v[masterNames.prefix+"enabled"]; old {
		names, s.OldNames = masterNames, true
	}
	if _, old := v["rpl_semi_sync_slave_enabled"]; old {
		replica, s.OldNames = "rpl_semi_sync_slave", true
	}
	_, s.Source = v[names.prefix+"enabled"]
	_, s.Replica = v[replica+"_enabled"]
	s.SourceEnabled, s.ReplicaEnabled = v.on(names.prefix+"enabled"), v.on(replica+"_enabled")
	s.SourceTimeout = time.Duration(v.integer(names.prefix+"timeout")) * time.Millisecond
	s.WaitNoReplica = v.on(names.prefix + "wait_no_" + names.replica)
	s.WaitPoint = strings.ToUpper(v[names.prefix+"wait_point"])
	s.WaitCount = int(v.integer(names.prefix + "wait_for_" + names.replica + "_count"))
	return s
}

// setStatus fills in what is status, by names in lower case.
func (s *SemiSync) setStatus(v values) {
	either := func(name string) int64 {
		return max(v.integer("rpl_semi_sync_source_"+name), v.integer("rpl_semi_sync_master_"+name))
	}
	s.SourceActive = v.on("rpl_semi_sync_source_status") || v.on("rpl_semi_sync_master_status")
	s.SourceClients = int(either("clients"))
	s.Unacknowledged = either("no_tx")
	s.Waiting = int(either("wait_sessions"))
}

// Drift says, each in words, what of a leader's semi-sync settings differs from
// the wanted ones; nothing if [SetUpSemiSync] would change nothing.
func (s SemiSync) Drift(want SemiSyncSettings) []string {
	if !s.Source {
		return []string{"the plugin is not loaded"}
	}
	names := sourceNames
	if s.OldNames {
		names = masterNames
	}
	have := []string{fmt.Sprint(s.SourceTimeout.Milliseconds()), onOff(s.WaitNoReplica), s.WaitPoint, fmt.Sprint(s.WaitCount), onOff(s.SourceEnabled)}
	var drift []string
	for i, w := range append(names.settings(want), setting{names.prefix + "enabled", "ON"}) {
		if have[i] != w.value {
			drift = append(drift, fmt.Sprintf("%s is %s, not %s", w.name, have[i], w.value))
		}
	}
	return drift
}

// An Acknowledger is a replica whose acknowledgement lets a commit go on.
type Acknowledger struct {
	Connection uint64
	User       string
	Host       string
	UUID       string // the server_uuid that it told; empty if none
}

// batonUUIDs is what the server_uuid of every baton's stream begins with: "baton".
const batonUUIDs = "6261746f-6e00-8000-8000-0000"

// uuidOf returns the server_uuid under which baton's stream registers, which ends
// with its server_id.
func uuidOf(batonID uint32) string { return fmt.Sprintf("%s%08x", batonUUIDs, batonID) }

// OtherAcknowledgers returns those that are not baton's stream. With a batonID of
// 0, which says that it isn't known, no baton's stream counts as another.
func (f *Facts) OtherAcknowledgers(batonID uint32) []Acknowledger {
	var others []Acknowledger
	for _, a := range f.Acknowledgers {
		uuid := strings.ToLower(a.UUID)
		if uuid != uuidOf(batonID) && (batonID != 0 || !strings.HasPrefix(uuid, batonUUIDs)) {
			others = append(others, a)
		}
	}
	return others
}

// readAcknowledgers finds them by what a replica sets before it asks for the
// binlog.
func readAcknowledgers(ctx context.Context, conn *sql.Conn, f *Facts) error {
	if !f.SemiSync.Source {
		return nil
	}
	rows, err := namedRows(ctx, conn, `
SELECT t.PROCESSLIST_ID AS id, t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host,
       (SELECT MAX(CONVERT(u.VARIABLE_VALUE USING utf8mb4)) FROM performance_schema.user_variables_by_thread u
        WHERE u.THREAD_ID = t.THREAD_ID AND u.VARIABLE_NAME IN ('replica_uuid', 'slave_uuid')) AS uuid
FROM performance_schema.threads t
JOIN performance_schema.user_variables_by_thread v ON v.THREAD_ID = t.THREAD_ID
WHERE v.VARIABLE_NAME IN ('rpl_semi_sync_replica', 'rpl_semi_sync_slave') AND v.VARIABLE_VALUE = '1'
  AND t.PROCESSLIST_COMMAND LIKE 'Binlog Dump%'
GROUP BY t.THREAD_ID, t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST
ORDER BY t.PROCESSLIST_ID`)
	for _, r := range rows {
		f.Acknowledgers = append(f.Acknowledgers, Acknowledger{Connection: uint64(r.integer("id")), User: r["user"], Host: r["host"], UUID: r["uuid"]})
	}
	return err
}
