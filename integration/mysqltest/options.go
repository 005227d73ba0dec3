package mysqltest

import "fmt"

// Option changes how an instance is started.
type Option func(*options)

type options struct {
	name         string
	serverID     uint32 // 0: the port, which no other instance on this machine has
	port         int    // 0: any free one
	settings     []string
	copyOf       string
	dataDir      string
	noBinlog     bool
	relaxed      bool
	ownClock     bool
	installation *Installation
	testFolder   string // holds all servers of one Start or StartCluster; goes with the last of them
}

// Name names the instance, in its folder and in messages. The default is "mysqld".
func Name(name string) Option { return func(o *options) { o.name = name } }

// ServerID sets server_id. The default is the port, so that instances that live at the same time differ.
func ServerID(id uint32) Option { return func(o *options) { o.serverID = id } }

// Port sets the TCP port. The default is a free one, which then is the instance's own until Close.
func Port(port int) Option { return func(o *options) { o.port = port } }

// Setting adds a line to the instance's option file, after (so stronger than) the harness's own. The name may have the
// prefix loose_ for a variable that not every version knows.
func Setting(name, value string) Option {
	return func(o *options) { o.settings = append(o.settings, name+"="+value) }
}

// SemiSyncSource loads the semisync_source plugin. It stays disabled until somebody sets
// rpl_semi_sync_source_enabled.
func SemiSyncSource() Option { return Setting("plugin_load_add", "semisync_source.so") }

// SemiSyncReplica loads the semisync_replica plugin, for instances that replicate natively.
func SemiSyncReplica() Option { return Setting("plugin_load_add", "semisync_replica.so") }

// NoBinlog starts the instance without a binary log.
func NoBinlog() Option { return func(o *options) { o.noBinlog = true } }

// Relaxed gives up durability for speed (no fsync at commit). A kill of the server still loses nothing, since what was
// written is with the kernel; a loss of power would.
func Relaxed() Option { return func(o *options) { o.relaxed = true } }

// OwnClock gives the server a clock that SetClock sets. Only its wall clock is another: what it waits for takes as long
// as ever. It takes a C compiler.
func OwnClock() Option { return func(o *options) { o.ownClock = true } }

// CopyOf starts from a copy of the data directory of a server that was stopped, with a server_uuid of its own. The
// default is an empty server.
func CopyOf(dataDir string) Option { return func(o *options) { o.copyOf = dataDir } }

// InDataDir runs the server in an existing data directory, which Close leaves in place.
func InDataDir(dataDir string) Option { return func(o *options) { o.dataDir = dataDir } }

// On runs the server that was found by an earlier Find. The default is to run Find.
func On(installation Installation) Option {
	return func(o *options) { o.installation = &installation }
}

// inTestFolder names the folder that exists only for the servers below it.
func inTestFolder(dir string) Option { return func(o *options) { o.testFolder = dir } }

// optionFile is the instance's my.cnf. It is a --defaults-file, so that SET PERSIST works (with --no-defaults the
// server does not read what was persisted).
func (s *Server) optionFile() []byte {
	o := s.options
	id := o.serverID
	if id == 0 {
		id = uint32(s.Port)
	}
	lines := []string{
		"[mysqld]",
		"basedir=" + s.Installation.BaseDir,
		"plugin_dir=" + s.Installation.PluginDir,
		"lc_messages_dir=" + s.Installation.LCMessagesDir,
		"character_sets_dir=" + s.Installation.CharsetsDir,
		"datadir=" + s.DataDir,
		"tmpdir=" + s.dir + "/tmp",
		"socket=" + s.Socket,
		"pid_file=" + s.dir + "/mysqld.pid",
		"log_error=" + s.errorLog(),
		"secure_file_priv=",
		"bind_address=127.0.0.1",
		fmt.Sprintf("port=%d", s.Port),
		fmt.Sprintf("server_id=%d", id),
		"mysqlx=OFF",
		"skip_name_resolve=ON",
		"max_connections=300",
		"gtid_mode=ON",
		"enforce_gtid_consistency=ON",
		"loose_skip_replica_start=ON",
		"innodb_buffer_pool_size=64M",
		"loose_innodb_redo_log_capacity=64M",
		// Defaults for big machines, which would cost each instance another 200 MB. The performance schema stays on,
		// with its processlist, locks and replication tables; only its histories and digests of statements go.
		"innodb_log_buffer_size=16M",
		"table_open_cache=400",
		"table_definition_cache=800",
		"performance_schema_digests_size=0",
		"performance_schema_events_statements_history_long_size=0",
		"performance_schema_events_transactions_history_long_size=0",
		"performance_schema_events_stages_history_long_size=0",
		"performance_schema_events_waits_history_long_size=0",
		"performance_schema_error_size=0",
	}
	if asRoot() {
		lines = append(lines, "user=root")
	}
	if o.noBinlog {
		lines = append(lines, "skip_log_bin")
	} else {
		lines = append(lines, "log_bin=binlog", "binlog_format=ROW", "loose_log_replica_updates=ON")
	}
	if o.relaxed {
		lines = append(lines, "sync_binlog=0", "innodb_flush_log_at_trx_commit=2")
	} else {
		lines = append(lines, "sync_binlog=1", "innodb_flush_log_at_trx_commit=1")
	}
	lines = append(lines, o.settings...)
	var file []byte
	for _, line := range lines {
		file = append(append(file, line...), '\n')
	}
	return file
}
