// Package config turns the YAML file of one cluster into a [Config]: defaults
// filled in, account overrides inherited, passwords read, every value checked.
//
// It promises that a Config which [Load] returned is consistent, so that no
// other package has to check a range or a contradiction again; that all
// mistakes of a file are reported together, each with its line and its mend
// ([Error]); and that a password is never printed ([Secret]). [Settings]
// states, once, each key's kind, range, default and whether SIGHUP may change
// it; [Changes] compares two Configs by it.
//
// Relative paths in the file are relative to the file's own folder.
package config

import (
	"net"
	"time"
)

// Config is everything that one daemon is told about its one cluster. The
// parts are passed by value to the package that each is for; no package below
// cmd is given the whole.
type Config struct {
	// Cluster names the cluster in file names, metric labels and logs: letters,
	// digits, '.', '_' and '-', at most 64 bytes. Required.
	Cluster string `mapstructure:"cluster"`
	// StateDir is the folder of the relay, the epoch and the history. Required;
	// it belongs on a disk whose fsync is fast and true, and to one daemon only.
	StateDir string `mapstructure:"state_dir"`
	// MySQL is the account for every instance that does not override it.
	MySQL MySQL `mapstructure:"mysql"`
	// Instances are the servers of the cluster, at least one. A single one is
	// allowed: the relay is then a durable copy of the leader's binlog, and
	// followers may be added by SIGHUP.
	Instances []Instance `mapstructure:"instances"`
	// Leader names the leader of the very first start; later the state folder
	// knows better and this is ignored. Empty: found out, or asked for when
	// several instances look like leaders.
	Leader     string     `mapstructure:"leader"`
	Durability Durability `mapstructure:"durability"`
	Relay      Relay      `mapstructure:"relay"`
	Apply      Apply      `mapstructure:"apply"`
	Failover   Failover   `mapstructure:"failover"`
	Switchover Switchover `mapstructure:"switchover"`
	Hooks      Hooks      `mapstructure:"hooks"`
	// Endpoints are the TCP ports that lead clients to instances; none by
	// default.
	Endpoints []Endpoint `mapstructure:"endpoints"`
	Admin     Admin      `mapstructure:"admin"`
	Log       Log        `mapstructure:"log"`
}

// MySQL is an account and how its connections are encrypted.
type MySQL struct {
	// User is the account's name. Required for the cluster; an instance
	// inherits it.
	User string `mapstructure:"user"`
	// Password is the account's password, wherever it came from: the file
	// itself, PasswordFile, or, for the cluster's account, the environment
	// variable BATON_MYSQL_PASSWORD, which goes before both. Default: none.
	Password Secret `mapstructure:"password"`
	// PasswordFile is the file whose content, without the newline at its end,
	// is the password. Others may not be able to read it (chmod 600).
	// Recommended over Password. Load has read it into Password.
	PasswordFile string `mapstructure:"password_file"`
	TLS          TLS    `mapstructure:"tls"`
}

// Instance is one MySQL server.
type Instance struct {
	// Name is how operators, logs and metrics call it: as Config.Cluster, and
	// unique in the file whatever its case.
	Name string `mapstructure:"name"`
	// Address is its host and port, "10.0.0.1:3306" or "[2001:db8::1]:3306";
	// unique in the file.
	Address string `mapstructure:"address"`
	// Promotion says whether it may become the leader. Default: neutral.
	Promotion Promotion `mapstructure:"promotion"`
	// MySQL is the account to use on it: what Load found in the instance's own
	// user, password, password_file and tls, the rest inherited from
	// Config.MySQL.
	MySQL MySQL `mapstructure:",squash"`
}

// Host returns the host of the address, without brackets.
func (i Instance) Host() string {
	host, _, err := net.SplitHostPort(i.Address)
	if err != nil {
		return i.Address
	}
	return host
}

// Durability is what a commit's success promises.
type Durability struct {
	// Mode is the promise. Default: balanced.
	Mode DurabilityMode `mapstructure:"mode"`
	// AckTimeout is how long a commit on the leader waits for the relay before
	// the leader runs on unprotected: 100ms to 1h, default 10s. It has no
	// meaning in mode strict, which waits however long.
	AckTimeout time.Duration `mapstructure:"ack_timeout"`
}

// Relay bounds the durable log of what the leader sent.
type Relay struct {
	// SegmentSize is the size at which a new segment begins: 4KiB to 1GiB (the
	// limits of MySQL's max_binlog_size), default 256MiB. A transaction is never
	// split, so a segment may be larger by one transaction.
	SegmentSize Size `mapstructure:"segment_size"`
	// MaxSize is what the relay may occupy on disk: SegmentSize to 1PiB, default
	// 50GiB. Beyond it the oldest segments go, and followers that still needed
	// them must be seeded anew: allow for the longest stop of a follower.
	MaxSize Size `mapstructure:"max_size"`
	// Retention is how long a segment is kept though every follower has it: 0s
	// to 8760h, default 24h.
	Retention time.Duration `mapstructure:"retention"`
	// Memory bounds the newest transactions, which are also held decoded in
	// memory for all followers at the head: 1MiB to 64GiB, default 64MiB.
	Memory Size `mapstructure:"memory"`
}

// Apply is how followers are fed.
type Apply struct {
	// Sessions is the number of connections that one follower is applied to
	// with: 1 to 256, default 16. More than 48 has not been seen to help.
	Sessions int `mapstructure:"sessions"`
	// Order says in which order transactions become visible. Default: relaxed.
	Order   Order   `mapstructure:"order"`
	CatchUp CatchUp `mapstructure:"catch_up"`
}

// CatchUp is how a follower that is behind is fed in batches.
type CatchUp struct {
	// Mode says when batches are used. Default: auto. It must be off where
	// somebody reads the follower's own binlog, which batches do not write.
	Mode CatchUpMode `mapstructure:"mode"`
	// After is the lag from which mode auto uses batches: 0s to 24h, default 10s.
	After time.Duration `mapstructure:"after"`
	// Batch is the largest number of leader transactions in one follower
	// transaction: 1 to 100000, default 500.
	Batch int `mapstructure:"batch"`
}

// Failover is how the death of the leader is found out and answered.
type Failover struct {
	// Mode says whether a failover needs an operator. Default: automatic.
	Mode FailoverMode `mapstructure:"mode"`
	// Interval is the time between two probes of an instance: 50ms to 1m,
	// default 500ms.
	Interval time.Duration `mapstructure:"interval"`
	// Timeout is how long a probe waits for its answer: 50ms to 1m, default 1s.
	Timeout time.Duration `mapstructure:"timeout"`
	// Window is how long probes and stream must fail before a silent leader is
	// taken for dead: at least Interval and Timeout, to 1h, default 3s. Shorter
	// than a pause of the network or of a virtual machine, it causes failovers.
	Window time.Duration `mapstructure:"window"`
	// Cooldown is the time after a hand-over in which no automatic failover
	// follows: 0s to 168h, default 10m.
	Cooldown time.Duration `mapstructure:"cooldown"`
	// Boot says whether instances start read-only until baton says otherwise
	// (super_read_only is persisted for their next start), so that an old leader
	// that comes back by itself can harm nobody. Default: fenced. Recommended: fenced.
	Boot BootMode `mapstructure:"boot"`
}

// Switchover bounds the planned hand-over.
type Switchover struct {
	// Timeout bounds the whole until the promotion; after it everything is
	// undone: 1s to 1h, default 30s.
	Timeout time.Duration `mapstructure:"timeout"`
	// DrainTimeout is how long transactions on the old leader may still run
	// before their connections are ended: 0s to less than Timeout, default 5s.
	DrainTimeout time.Duration `mapstructure:"drain_timeout"`
	// MaxLag is the lag of the candidate above which a switchover is refused:
	// 0s to 24h, default 10s.
	MaxLag time.Duration `mapstructure:"max_lag"`
}

// Hooks are the programs run around a hand-over, one after the other in the
// order of each list. All lists are empty by default.
type Hooks struct {
	// BeforePromote runs before the candidate becomes writable; a failure stops
	// the hand-over.
	BeforePromote []Hook `mapstructure:"before_promote"`
	// Fence makes sure that a silent old leader can commit nothing more. It must
	// power off, kill -9 or cut the network: an orderly stop of mysqld
	// acknowledges the commits that still wait.
	Fence []Hook `mapstructure:"fence"`
	// AfterPromote runs when the new leader is writable, after a failover or a
	// switchover.
	AfterPromote []Hook `mapstructure:"after_promote"`
	// AfterSwitchover runs at the end of a switchover, when the old leader
	// follows.
	AfterSwitchover []Hook `mapstructure:"after_switchover"`
}

// Hook is one program. In the file it is a command or {command: …, timeout: …},
// and a command is a text, which /bin/sh -c is given as it stands, or a list of
// program and arguments, which is run without a shell, so that nothing is split
// or expanded.
type Hook struct {
	// Command is the program and its arguments, never empty.
	Command []string `mapstructure:"command"`
	// Timeout is how long it may run before it is killed and counts as failed:
	// 100ms to 1h, default 30s.
	Timeout time.Duration `mapstructure:"timeout"`
}

// Endpoint is a TCP port that leads clients to an instance.
type Endpoint struct {
	// Listen is host and port; an empty host means every address of the
	// machine, port 0 a free port.
	Listen string `mapstructure:"listen"`
	// Route says where its connections are led. Required.
	Route Route `mapstructure:"route"`
	// MaxLag is the lag above which a follower gets no new connection, for route
	// followers only: 100ms to 24h, default 5s.
	MaxLag time.Duration `mapstructure:"max_lag"`
	// Fallback says what becomes of connections while no follower is within
	// MaxLag, for route followers only. Default: leader.
	Fallback Fallback `mapstructure:"fallback"`
	// MaxConnections is how many clients may be connected, those that are held
	// included: 1 to 100000, default 1000. Each takes up to six file descriptors.
	MaxConnections int `mapstructure:"max_connections"`
	// MaxHeld is how many clients may wait at a time until somebody leads: 0 to
	// 100000, default 1000.
	MaxHeld int `mapstructure:"max_held"`
	// HoldTimeout is how long a client waits until it is told that nobody leads:
	// 0s to 10m, default 30s. It should be longer than a failover takes.
	HoldTimeout time.Duration `mapstructure:"hold_timeout"`
	// ConnectTimeout is how long an instance may take to greet a client before
	// another is tried: 100ms to 1m, default 3s.
	ConnectTimeout time.Duration `mapstructure:"connect_timeout"`
	// Allow are the networks from which clients may connect, each as "10.0.0.0/8";
	// empty, the default: all.
	Allow []string `mapstructure:"allow"`
	// AcceptProxy are the networks of load balancers, whose connections begin with
	// a header of the PROXY protocol, version 2; empty by default.
	AcceptProxy []string `mapstructure:"accept_proxy"`
	// SendProxy says whether instances are told the client's address by such a
	// header. MySQL itself doesn't understand it. Default: none.
	SendProxy ProxyHeader `mapstructure:"send_proxy"`
}

// Log is what the daemon writes of itself to standard error.
type Log struct {
	// Level is the least level written. Default: info.
	Level LogLevel `mapstructure:"level"`
	// Format is how a line looks. Default: auto.
	Format LogFormat `mapstructure:"format"`
}

const defaultHookTimeout = 30 * time.Second

// The defaults of an endpoint.
const (
	defaultEndpointLag = 5 * time.Second
	defaultConnections = 1000
	defaultHeld        = 1000
	defaultHold        = 30 * time.Second
	defaultConnect     = 3 * time.Second
)

// Default returns the value of every setting that has one. It is no valid
// Config: cluster, state_dir, mysql.user and instances have no default, and
// Load derives admin.socket from the cluster's name.
func Default() Config {
	return Config{
		MySQL:      MySQL{TLS: TLS{Mode: TLSPreferred}},
		Durability: Durability{Mode: Balanced, AckTimeout: 10 * time.Second},
		Relay:      Relay{SegmentSize: 256 * MiB, MaxSize: 50 * GiB, Retention: 24 * time.Hour, Memory: 64 * MiB},
		Apply: Apply{
			Sessions: 16,
			Order:    OrderRelaxed,
			CatchUp:  CatchUp{Mode: CatchUpAuto, After: 10 * time.Second, Batch: 500},
		},
		Failover: Failover{
			Mode:     FailoverAutomatic,
			Interval: 500 * time.Millisecond,
			Timeout:  time.Second,
			Window:   3 * time.Second,
			Cooldown: 10 * time.Minute,
			Boot:     BootFenced,
		},
		Admin:      Admin{TLS: AdminTLS{ClientRole: RoleRead}},
		Switchover: Switchover{Timeout: 30 * time.Second, DrainTimeout: 5 * time.Second, MaxLag: 10 * time.Second},
		Log:        Log{Level: LogInfo, Format: LogAuto},
	}
}

// Instance returns the instance of that name, which is compared exactly.
func (c Config) Instance(name string) (Instance, bool) {
	for _, i := range c.Instances {
		if i.Name == name {
			return i, true
		}
	}
	return Instance{}, false
}
