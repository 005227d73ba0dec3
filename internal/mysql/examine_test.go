package mysql_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	leaderUUID = "11111111-1111-1111-1111-111111111111"
	otherUUID  = "22222222-2222-2222-2222-222222222222"
	thirdUUID  = "33333333-3333-3333-3333-333333333333"
)

// healthy returns the facts of a server with which nothing is wrong.
func healthy(id uint32, uuid, executed string) *mysql.Facts {
	f := &mysql.Facts{
		Version: mysql.ParseVersion("8.4.5", "MySQL Community Server - GPL"), Account: "`baton`@`%`",
		ServerUUID: uuid, ServerID: id,
		GTIDMode: "ON", EnforceGTID: true, GTIDExecuted: gtid.MustParseSet(executed),
		LogBin: true, LogReplicaUpdates: true, BinlogFormat: "ROW", BinlogRowImage: "FULL", BinlogChecksum: "CRC32",
		BinlogRetention: 30 * 24 * time.Hour, PersistedLoad: true, SyncBinlog: 1, FlushLogAtCommit: 1,
		MaxAllowedPacket: 64 << 20, TrustFunctionCreators: true, ReadOnly: true, MaxConnectErrors: 100,
		SemiSync: mysql.SemiSync{Source: true, SourceEnabled: id == 1}, BootsFenced: id == 2,
	}
	for _, p := range mysql.Privileges(f.Version) {
		f.Grants.Global = append(f.Grants.Global, p.Name)
	}
	slices.Sort(f.Grants.Global)
	return f
}

// pair is a healthy leader with one healthy follower, to be spoiled by a case.
func pair() mysql.Cluster {
	leader := healthy(1, leaderUUID, leaderUUID+":1-100")
	leader.ReadOnly = false
	return mysql.Cluster{
		BatonID: 9000, SemiSync: true,
		Members: []mysql.Member{
			{Name: "db1", Address: "10.0.0.1:3306", Leader: true, Facts: leader, Tables: &mysql.Tables{}},
			{Name: "db2", Address: "10.0.0.2:3306", Facts: healthy(2, otherUUID, leaderUUID+":1-90"), Tables: &mysql.Tables{}},
		},
	}
}

type spoiled struct {
	name  string
	spoil func(c *mysql.Cluster, leader, follower *mysql.Facts)
}

func cases() []spoiled {
	return []spoiled{
		{"everything right", func(*mysql.Cluster, *mysql.Facts, *mysql.Facts) {}},
		{"nothing answers", func(c *mysql.Cluster, _, _ *mysql.Facts) {
			c.Members[1].Fault = mysql.Classify(&mysql.Fault{Kind: mysql.Refused, Message: "the host refuses the connection", Mend: "start mysqld there"})
			c.Members[1].Facts = nil
		}},
		{"the leader never answered", func(c *mysql.Cluster, _, _ *mysql.Facts) {
			c.Members[0].Fault = mysql.Classify(errors.New("no luck"))
			c.Members[0].Facts = nil
		}},
		{"MariaDB", func(_ *mysql.Cluster, _, f *mysql.Facts) {
			*f = mysql.Facts{Version: mysql.ParseVersion("10.11.14-MariaDB-0+deb12u2-log", "Debian 12")}
		}},
		{"too old", func(_ *mysql.Cluster, l, _ *mysql.Facts) { l.Version = mysql.ParseVersion("5.7.44-log", "") }},
		{"follower of an older series", func(_ *mysql.Cluster, l, _ *mysql.Facts) {
			l.Version = mysql.ParseVersion("9.7.4", "")
			l.Grants.Global = slices.Sorted(slices.Values(append(l.Grants.Global, "CREATE_SPATIAL_REFERENCE_SYSTEM")))
		}},
		{"the follower's binlog is read, with batches", func(c *mysql.Cluster, _, f *mysql.Facts) {
			c.Batches, f.BinlogReaders = mysql.BatchesAuto, []string{"cdc@10.0.0.9:50112"}
		}},
		{"the follower's binlog is read, with batches always", func(c *mysql.Cluster, _, f *mysql.Facts) {
			c.Batches, f.BinlogReaders = mysql.BatchesAlways, []string{"cdc@10.0.0.9:50112", "repl@10.0.0.8:50113"}
		}},
		{"nobody reads the follower's binlog", func(c *mysql.Cluster, _, _ *mysql.Facts) { c.Batches = mysql.BatchesAuto }},
		{"one server under two names", func(_ *mysql.Cluster, l, f *mysql.Facts) { *f = *l }},
		{"two followers are one server", func(c *mysql.Cluster, _, f *mysql.Facts) {
			c.Members = append(c.Members, mysql.Member{Name: "db3", Address: "10.0.0.3:3306", Facts: f})
		}},
		{"a copied data directory", func(_ *mysql.Cluster, l, f *mysql.Facts) { f.ServerUUID = l.ServerUUID }},
		{"duplicate server_id", func(_ *mysql.Cluster, l, f *mysql.Facts) { f.ServerID = l.ServerID }},
		{"baton's own server_id", func(c *mysql.Cluster, l, f *mysql.Facts) { c.BatonID, f.ServerID = l.ServerID, 0 }},
		{"required privileges missing", func(_ *mysql.Cluster, _, f *mysql.Facts) {
			f.Grants = mysql.Grants{Global: []string{"REPLICATION SLAVE", "SELECT"}, Ungrantable: []string{"REPLICATION SLAVE", "SELECT"}}
		}},
		{"privilege for views missing", func(_ *mysql.Cluster, _, f *mysql.Facts) {
			f.Grants.Global = slices.DeleteFunc(f.Grants.Global, func(p string) bool { return p == "CREATE VIEW" })
		}},
		{"partial revokes", func(_ *mysql.Cluster, _, f *mysql.Facts) { f.Grants.Revoked = []string{"hr"} }},
		{"GTIDs off", func(_ *mysql.Cluster, l, f *mysql.Facts) {
			l.GTIDMode, l.EnforceGTID, f.GTIDMode = "OFF", false, "ON_PERMISSIVE"
		}},
		{"no binlog", func(_ *mysql.Cluster, l, f *mysql.Facts) { l.LogBin, f.LogBin = false, false }},
		{"statement format", func(_ *mysql.Cluster, l, f *mysql.Facts) { l.BinlogFormat, f.BinlogFormat = "STATEMENT", "STATEMENT" }},
		{"mixed format", func(_ *mysql.Cluster, l, f *mysql.Facts) { l.BinlogFormat, f.BinlogFormat = "MIXED", "MIXED" }},
		{"partial rows without checksums", func(_ *mysql.Cluster, l, _ *mysql.Facts) { l.BinlogRowImage, l.BinlogChecksum = "MINIMAL", "NONE" }},
		{"short retention", func(_ *mysql.Cluster, l, f *mysql.Facts) { l.BinlogRetention, f.BinlogRetention = time.Hour, 0 }},
		{"purged what the follower lacks", func(_ *mysql.Cluster, l, _ *mysql.Facts) { l.GTIDPurged = gtid.MustParseSet(leaderUUID + ":1-95") }},
		{"the relay begins after the follower", func(c *mysql.Cluster, _, f *mysql.Facts) {
			c.Relay = &mysql.RelaySets{Base: f.GTIDExecuted.Union(gtid.MustParseSet(leaderUUID + ":91")), Durable: gtid.MustParseSet(leaderUUID + ":1-100")}
		}},
		{"purged what the relay lacks", func(c *mysql.Cluster, l, _ *mysql.Facts) {
			l.GTIDPurged = gtid.MustParseSet(leaderUUID + ":1-95")
			c.Relay = &mysql.RelaySets{Durable: gtid.MustParseSet(leaderUUID + ":1-93")}
		}},
		{"another leader's follower", func(_ *mysql.Cluster, _, f *mysql.Facts) {
			f.Channels = []mysql.Channel{{Source: "10.9.9.9:3306", Receiving: true, Applying: true}, {Name: "it's two", Source: "10.9.9.8:3306"}}
		}},
		{"stopped replication", func(_ *mysql.Cluster, l, f *mysql.Facts) {
			f.Channels = []mysql.Channel{{Source: "10.9.9.9:3306"}}
			l.Channels = []mysql.Channel{{Source: "10.8.8.8:3306", Applying: true}}
			f.Version = mysql.ParseVersion("8.0.19", "")
		}},
		{"errant transactions", func(_ *mysql.Cluster, _, f *mysql.Facts) {
			f.GTIDExecuted = gtid.MustParseSet(leaderUUID + ":1-90," + otherUUID + ":1-3:7")
		}},
		{"ahead of the leader as far as the relay", func(c *mysql.Cluster, _, f *mysql.Facts) {
			c.Relay = &mysql.RelaySets{Durable: gtid.MustParseSet(leaderUUID + ":1-103")}
			f.GTIDExecuted = gtid.MustParseSet(leaderUUID + ":1-102")
		}},
		{"many errant transactions", func(_ *mysql.Cluster, _, f *mysql.Facts) {
			for i := int64(1); i < 200; i++ {
				third, _ := gtid.Parse(fmt.Sprintf("%s:%d", thirdUUID, 2*i))
				f.GTIDExecuted.Add(third)
			}
		}},
		{"writable follower, read-only leader", func(_ *mysql.Cluster, l, f *mysql.Facts) { l.ReadOnly, f.ReadOnly = true, false }},
		{"settings that differ", func(_ *mysql.Cluster, _, f *mysql.Facts) {
			f.MaxAllowedPacket, f.LowerCaseTableNames, f.PersistedLoad, f.TrustFunctionCreators = 1<<20, 1, false, false
			f.SyncBinlog, f.FlushLogAtCommit, f.LogReplicaUpdates = 0, 2, false
		}},
		{"endpoints, whose clients can have their host blocked", func(c *mysql.Cluster, _, f *mysql.Facts) {
			c.Endpoints, f.MaxConnectErrors = true, 1000000
		}},
		{"endpoints, and no host is ever blocked", func(c *mysql.Cluster, l, f *mysql.Facts) {
			c.Endpoints, l.MaxConnectErrors, f.MaxConnectErrors = true, 0, 0
		}},
		{"no semi-sync", func(_ *mysql.Cluster, l, f *mysql.Facts) {
			l.SemiSync.SourceEnabled = false
			f.SemiSync.Source = false
		}},
		{"semi-sync is not as wanted, another replica acknowledges", func(c *mysql.Cluster, l, _ *mysql.Facts) {
			c.SemiSyncSettings = &mysql.SemiSyncSettings{Timeout: 10 * time.Second}
			l.SemiSync.SourceTimeout, l.SemiSync.WaitPoint, l.SemiSync.WaitCount = time.Second, "AFTER_COMMIT", 1
			l.Acknowledgers = []mysql.Acknowledger{
				{User: "baton", Host: "10.0.0.9", UUID: "6261746f-6e00-8000-8000-000000002328"}, // baton's stream
				{User: "repl", Host: "10.0.0.7", UUID: thirdUUID},
			}
		}},
		{"whose baton it is isn't known, as without a daemon", func(c *mysql.Cluster, l, _ *mysql.Facts) {
			c.BatonID = 0
			l.Acknowledgers = []mysql.Acknowledger{{User: "baton", Host: "10.0.0.9", UUID: "6261746f-6e00-8000-8000-000000002328"}}
		}},
		{"another baton reads the leader", func(_ *mysql.Cluster, l, _ *mysql.Facts) {
			l.Acknowledgers = []mysql.Acknowledger{{User: "baton", Host: "10.0.0.8", UUID: "6261746f-6e00-8000-8000-000000002329"}}
		}},
		{"clocks", func(_ *mysql.Cluster, l, f *mysql.Facts) {
			l.Clock = mysql.Clock{Offset: -95 * time.Second, Error: time.Millisecond}
			f.Clock = mysql.Clock{Offset: 1500 * time.Millisecond, Error: 600 * time.Millisecond}
		}},
		{"tables", func(c *mysql.Cluster, _, _ *mysql.Facts) {
			c.Members[0].Tables = &mysql.Tables{
				NoKey:            mysql.TableList{Count: 7, Names: []string{"`a`.`b`", "`a`.`c`", "`a`.`d`", "`a`.`e`", "`a`.`f`"}},
				NonTransactional: mysql.TableList{Count: 1, Names: []string{"`a`.`log`"}},
			}
		}},
		{"events that rest", func(c *mysql.Cluster, _, _ *mysql.Facts) {
			rest := mysql.Tables{Events: mysql.TableList{Count: 2, Names: []string{"`a`.`hourly`", "`a`.`nightly`"}}}
			c.Members[0].Tables, c.Members[1].Tables = &rest, &rest
		}},
		{"events that rest where native replication goes on", func(c *mysql.Cluster, _, f *mysql.Facts) {
			c.Members[1].Tables = &mysql.Tables{Events: mysql.TableList{Count: 1, Names: []string{"`a`.`hourly`"}}}
			f.Channels = []mysql.Channel{{Source: "10.0.0.1:3306"}}
		}},
	}
}

func TestWhatExamineSays(t *testing.T) {
	var text strings.Builder
	for i, spoil := range cases() {
		c := pair()
		spoil.spoil(&c, c.Members[0].Facts, c.Members[1].Facts)
		findings := mysql.Examine(c)
		require.Equal(t, findings, mysql.Examine(c), "the same facts give the same findings")
		fmt.Fprintf(&text, "# %s\n", spoil.name)
		for _, f := range findings {
			if f.Level != mysql.OK || i == 0 {
				require.NotContains(t, f.String(), "\n")
				fmt.Fprintln(&text, f)
			}
		}
		for _, name := range []string{"db1", "db2", "db3"} {
			if b := mysql.Blocking(findings, name); b != nil {
				fmt.Fprintf(&text, "%s is blocked by %s\n", name, b.Subject)
			}
		}
		text.WriteString("\n")
	}
	golden := filepath.Join("testdata", "findings.txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(golden, []byte(text.String()), 0o666))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), text.String())
}

func TestFindingsAreSortedByInstance(t *testing.T) {
	c := pair()
	slices.Reverse(c.Members)
	findings := mysql.Examine(c)
	require.True(t, slices.IsSortedFunc(findings, func(a, b mysql.Finding) int { return strings.Compare(a.Instance, b.Instance) }))
	require.Equal(t, mysql.Examine(pair()), findings)
}

func TestStartIsWhatAllUsableFollowersHaveInCommon(t *testing.T) {
	c := pair()
	c.Members = append(c.Members,
		mysql.Member{Name: "db3", Facts: healthy(3, thirdUUID, leaderUUID+":1-50:60-70")},
		mysql.Member{Name: "errant", Facts: healthy(4, "44444444-4444-4444-4444-444444444444", otherUUID+":1")},
		mysql.Member{Name: "away", Fault: &mysql.Fault{Kind: mysql.Refused}},
	)
	base, ok := c.Start()
	require.True(t, ok)
	require.Equal(t, leaderUUID+":1-50:60-70", base.String())

	c.Members[2].Facts.ServerID = c.Members[1].Facts.ServerID
	require.NotNil(t, mysql.Blocking(mysql.Examine(c), "db3"))
	base, ok = c.Start()
	require.True(t, ok)
	require.Equal(t, leaderUUID+":1-50:60-70", base.String(), "what an operator mends costs no follower its place")

	c.Members[0].Facts.GTIDPurged = gtid.MustParseSet(leaderUUID + ":1-55")
	base, ok = c.Start()
	require.True(t, ok)
	require.Equal(t, leaderUUID+":1-90", base.String(), "who needs a seed holds nobody back")

	c.Members = c.Members[:1]
	base, ok = c.Start()
	require.True(t, ok)
	require.Equal(t, leaderUUID+":1-100", base.String(), "without followers: from now on")

	c.Members[0].Facts = nil
	_, ok = c.Start()
	require.False(t, ok)
}

func TestVersions(t *testing.T) {
	for _, v := range []struct {
		text, comment string
		flavour       mysql.Flavour
		numbers       [3]int
	}{
		{"9.7.4-2", "(Debian)", mysql.MySQL, [3]int{9, 7, 4}},
		{"8.0.36-28", "Percona Server (GPL), Release 28", mysql.MySQL, [3]int{8, 0, 36}},
		{"8.4.0", "MySQL Community Server - GPL", mysql.MySQL, [3]int{8, 4, 0}},
		{"10.11.14-MariaDB-0+deb12u2", "Debian 12", mysql.MariaDB, [3]int{10, 11, 14}},
		{"5.5.5-10.6.16-MariaDB", "", mysql.MariaDB, [3]int{10, 6, 16}},
		{"8.0.11-TiDB-v7.5.0", "TiDB Server", mysql.TiDB, [3]int{8, 0, 11}},
		{"unheard of", "", mysql.MySQL, [3]int{0, 0, 0}},
	} {
		got := mysql.ParseVersion(v.text, v.comment)
		require.Equal(t, v.flavour, got.Flavour, v.text)
		require.Equal(t, v.numbers, [3]int{got.Major, got.Minor, got.Patch}, v.text)
	}
}
