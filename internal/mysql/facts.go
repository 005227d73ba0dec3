package mysql

import (
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// Facts is what a server said of itself at one moment. A value that the server
// doesn't have, since its version has dropped it or doesn't know it yet, is the
// zero value; where that is not what the server then does, the field says so.
type Facts struct {
	At, Read time.Time // the facts were read between the two, by this machine's clock
	Version  Version
	Account  string // the account that the server took us for, as `user`@`host`

	ServerUUID string
	ServerID   uint32

	GTIDMode    string // ON, ON_PERMISSIVE, OFF_PERMISSIVE or OFF
	EnforceGTID bool   // enforce_gtid_consistency=ON
	// GTIDOwned are transactions that are being committed: they may be in the
	// binlog, and with replicas, before they are in GTIDExecuted. It was read before
	// that.
	GTIDOwned         gtid.Set
	GTIDExecuted      gtid.Set
	GTIDPurged        gtid.Set
	LogBin            bool
	LogReplicaUpdates bool
	BinlogFormat      string // ROW where the server knows no other
	BinlogRowImage    string // FULL, MINIMAL or NOBLOB
	BinlogRowMetadata string // FULL or MINIMAL
	BinlogChecksum    string // CRC32 or NONE
	// BinlogRetention is the age at which the server removes binlogs; 0 if it
	// keeps them.
	BinlogRetention time.Duration

	ReadOnly      bool
	SuperReadOnly bool
	// PersistedLoad tells whether the server reads at its start what SET PERSIST
	// wrote (persisted_globals_load).
	PersistedLoad bool
	// BootsFenced tells whether super_read_only=ON is persisted for its next start.
	BootsFenced bool

	SyncBinlog       int64
	FlushLogAtCommit int64 // innodb_flush_log_at_trx_commit

	// TrustFunctionCreators is log_bin_trust_function_creators. Where it is OFF
	// nobody but an account with SUPER may create a trigger or a deterministic
	// function, and nobody at all another function.
	TrustFunctionCreators bool

	MaxAllowedPacket    int64 // bytes
	LowerCaseTableNames int

	// MaxConnectErrors is after how many connections in a row that end before their
	// login the server refuses a host; 0 if it refuses none (host_cache_size=0).
	MaxConnectErrors int64

	Clock    Clock
	Channels []Channel // replication channels that are configured, running or not
	// BinlogReaders are who reads the server's own binlog now, as user@host, but for
	// baton's account. Without PROCESS they can't be seen.
	BinlogReaders []string
	SemiSync      SemiSync
	// Acknowledgers are the replicas that the server takes acknowledgements from,
	// baton's stream among them. They are not known where performance_schema is
	// off.
	Acknowledgers []Acknowledger
	Grants        Grants
	// Unasked holds what the server refused to tell, by subject.
	Unasked map[string]*Fault
}

// A Clock is how far a server's clock is from this machine's.
type Clock struct {
	Offset time.Duration // the server's minus ours; positive when the server's is ahead
	Error  time.Duration // Offset is true to ± this: half of the round trip
}

// Beyond tells whether the clocks surely differ by more than d.
func (c Clock) Beyond(d time.Duration) bool { return c.Offset.Abs()-c.Error > d }

// variableNames are those that Inspect asks for. A name that a server doesn't
// have is not in its answer.
var variableNames = []string{
	"version", "version_comment", "server_uuid", "server_id",
	"gtid_mode", "enforce_gtid_consistency", "log_bin", "log_replica_updates", "log_slave_updates",
	"binlog_format", "binlog_row_image", "binlog_row_metadata", "binlog_checksum",
	"binlog_expire_logs_seconds", "binlog_expire_logs_auto_purge", "expire_logs_days",
	"read_only", "super_read_only", "persisted_globals_load",
	"sync_binlog", "innodb_flush_log_at_trx_commit", "max_allowed_packet", "lower_case_table_names",
	"log_bin_trust_function_creators", "max_connect_errors", "host_cache_size",
	"rpl_semi_sync_replica_enabled", "rpl_semi_sync_slave_enabled",
}

// setVariables fills in what SHOW GLOBAL VARIABLES answered.
func (f *Facts) setVariables(v values) {
	f.Version = ParseVersion(v["version"], v["version_comment"])
	f.ServerUUID = v["server_uuid"]
	f.ServerID = uint32(v.integer("server_id"))
	f.GTIDMode = strings.ToUpper(v["gtid_mode"])
	f.EnforceGTID = v.on("enforce_gtid_consistency")
	f.LogBin = v.on("log_bin")
	f.LogReplicaUpdates = v.on("log_replica_updates") || v.on("log_slave_updates")
	f.BinlogFormat = strings.ToUpper(v["binlog_format"])
	if _, known := v["binlog_format"]; !known {
		f.BinlogFormat = "ROW"
	}
	f.BinlogRowImage = strings.ToUpper(v["binlog_row_image"])
	f.BinlogRowMetadata = strings.ToUpper(v["binlog_row_metadata"])
	f.BinlogChecksum = strings.ToUpper(v["binlog_checksum"])
	f.BinlogRetention = v.seconds("binlog_expire_logs_seconds")
	if f.BinlogRetention == 0 {
		f.BinlogRetention = 24 * time.Hour * time.Duration(v.integer("expire_logs_days"))
	}
	if purges, known := v["binlog_expire_logs_auto_purge"]; known && !isOn(purges) {
		f.BinlogRetention = 0
	}
	f.ReadOnly, f.SuperReadOnly = v.on("read_only"), v.on("super_read_only")
	f.PersistedLoad = v.on("persisted_globals_load")
	f.SyncBinlog = v.integer("sync_binlog")
	f.FlushLogAtCommit = v.integer("innodb_flush_log_at_trx_commit")
	f.MaxAllowedPacket = v.integer("max_allowed_packet")
	f.LowerCaseTableNames = int(v.integer("lower_case_table_names"))
	if v.integer("host_cache_size") > 0 {
		f.MaxConnectErrors = v.integer("max_connect_errors")
	}
	trust, known := v["log_bin_trust_function_creators"]
	f.TrustFunctionCreators = !known || isOn(trust)
	f.SemiSync = semiSyncOf(v)
}

// setStatus fills in what SHOW GLOBAL STATUS answered, whose names vary in case.
func (f *Facts) setStatus(v values) {
	f.SemiSync.setStatus(v)
}
