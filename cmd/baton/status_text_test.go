package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/cmd/internal/admin"
)

const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"

func setOf(t testing.TB, text string) *gtid.Set {
	t.Helper()
	s, err := gtid.ParseSet(text)
	require.NoError(t, err)
	return &s
}

func follower(t testing.TB, name string, lag float64, behind int64, rate float64) admin.Instance {
	return admin.Instance{
		Name: name, Address: "10.0.0.2:3306", Role: admin.Follower, State: admin.Streaming, Mode: admin.PerTransaction,
		LagSeconds: &lag, BehindTransactions: &behind, AppliedPerSecond: &rate, Errant: setOf(t, ""),
	}
}

// healthy is a cluster with nothing wrong.
func healthy(t testing.TB) admin.Status {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return admin.Status{
		Cluster: "shop", Epoch: 3, Leader: "db1", Time: now,
		Durability: admin.Durability{Mode: "balanced", State: admin.Protected, Since: new(now.Add(-3*time.Hour - 12*time.Minute))},
		Source:     admin.Source{State: admin.SourceConnected, Since: new(now.Add(-4 * 24 * time.Hour))},
		Relay:      admin.Relay{Received: setOf(t, uuid+":1-9000"), Durable: setOf(t, uuid+":1-9000"), Bytes: 3_650_722_201, Segments: 14},
		Instances: []admin.Instance{
			{Name: "db1", Address: "10.0.0.1:3306", Role: admin.Leader, State: admin.Streaming},
			follower(t, "db2", 0, 0, 1250),
			follower(t, "db3", 0.24, 31, 1187),
		},
		Forecast: admin.Forecast{Candidate: "db2", WouldLose: new(int64(0)), Refused: []admin.Refusal{{Instance: "db3", Reason: "promotion is never"}}},
	}
}

// pictures are the statuses whose text is kept in testdata.
func pictures(t testing.TB) map[string]admin.Status {
	lagging := healthy(t)
	lagging.Instances[2] = follower(t, "db3", 8040.5, 1_234_567, 9120)
	lagging.Instances[2].State, lagging.Instances[2].Mode = admin.CatchingUp, admin.Batch

	read := healthy(t)
	read.Instances[2].BinlogReaders = []string{"cdc@10.0.0.9:50112"}

	stopped := healthy(t)
	s := &stopped.Instances[1]
	s.State, s.LagSeconds, s.AppliedPerSecond = admin.Stopped, new(310.0), new(0.0)
	s.BehindTransactions = new(int64(8312))
	s.Error = admin.Text("can't apply transaction " + uuid + ":45: shop.orders: the server says: Duplicate entry '4711\x1b[31m' for key 'orders.PRIMARY' (1062)")
	s.Mend = admin.Text("remove or change that row on db2 and run `baton resume db2`; or leave the transaction out with `baton skip db2 --gtid " + uuid + ":45`")
	s.FailedGTID, s.FailedTable = admin.Text(uuid+":45"), "shop.orders"
	stopped.Forecast = admin.Forecast{BlockedBy: "no candidate", Refused: []admin.Refusal{
		{Instance: "db2", Reason: "it is stopped"}, {Instance: "db3", Reason: "promotion is never"},
	}}

	seed := healthy(t)
	s = &seed.Instances[2]
	*s = admin.Instance{
		Name: "db3", Address: "10.0.0.3:3306", Role: admin.Follower, State: admin.NeedsSeed,
		Error: admin.Text("it lacks 4000 transactions (" + uuid + ":1-4000) that neither the relay nor db1 has any more"),
		Mend:  "restore it from a backup of db1 that is younger than 24h, then run `baton resume db3`",
	}

	unreachable := healthy(t)
	unreachable.Instances[0].State = admin.Unreachable
	unreachable.Instances[0].Since = new(unreachable.Time.Add(-72 * time.Second))
	unreachable.Durability.State, unreachable.Durability.Since = "", nil
	unreachable.Source = admin.Source{
		State: admin.SourceConnecting, Since: new(unreachable.Time.Add(-72 * time.Second)),
		Error: "dial tcp 10.0.0.1:3306: connection refused", Mend: "start mysqld on db1; baton connects again by itself",
	}
	unreachable.Forecast.BlockedBy = "failover.mode is manual"

	relay := healthy(t)
	relay.Relay.Error, relay.Relay.Mend = "write relay.000014: no space left on device", "free space on the disk of /var/lib/baton/shop; baton goes on by itself"
	relay.Relay.FailedSince = new(relay.Time.Add(-5 * time.Second))
	relay.Relay.Received = setOf(t, uuid+":1-9004")
	relay.Durability.State = admin.Unprotected
	relay.Forecast.WouldLose = new(int64(4))

	errant := healthy(t)
	errant.Instances[1].State, errant.Instances[1].Errant = admin.Quarantined, setOf(t, "4c22fa47-71ca-11e1-9e33-c80aa9429562:1-2")
	errant.Instances[1].Mend = "find out what wrote to db2"

	five := healthy(t)
	five.Instances = append(five.Instances, follower(t, "db-with-a-name-of-more-than-twenty", 100*86400, 123_456_789_012, 1_234_567))
	five.Instances = append(five.Instances,
		admin.Instance{Name: "db5", Address: "10.0.0.5:3306", Role: admin.Follower, State: admin.Paused, Mode: admin.Batch, LagSeconds: new(59.99)},
		admin.Instance{Name: "db6", Address: "10.0.0.6:3306", Role: admin.Follower, State: admin.Unreachable, Error: "connection refused", Mend: "start mysqld"},
	)

	milliards := healthy(t)
	milliards.Instances[2] = follower(t, "db3", 400*86400, 23_456_789_012, 0)
	milliards.Instances[1] = follower(t, "db2", 9*86400, 456_789_012, 0)

	silent := healthy(t)
	silent.Instances[0].State, silent.Instances[0].Since = admin.Unreachable, new(silent.Time.Add(-4*time.Second))
	silent.LeaderHealth = admin.LeaderHealth{Health: admin.Silent, Reason: "neither probes (i/o timeout) nor the stream had an answer for 4.1s"}
	silent.Forecast.BlockedBy = "the leader is silent, not known to be dead, and may wake up and acknowledge: hooks.fence is needed to be sure, or durability.mode strict; decide with `baton failover`"

	dying := healthy(t)
	dying.Instances[0].State, dying.Instances[0].Since = admin.Unreachable, new(dying.Time.Add(-time.Second))
	dying.LeaderHealth = admin.LeaderHealth{Health: admin.Died, Reason: "its host refuses connections for 1s and the stream broke"}
	dying.HandOver = &admin.HandOver{Kind: "failover", From: "db1", To: "db2", Step: "drain", Since: dying.Time.Add(-800 * time.Millisecond)}
	dying.Forecast.Candidates = []admin.Candidate{{Instance: "db2"}, {Instance: "db4", Lacks: 7}}

	suspect := healthy(t)
	suspect.LeaderHealth = admin.LeaderHealth{Health: admin.Suspect, Reason: "probes fail (i/o timeout) for 1.5s, but the stream goes on: no failover"}
	suspect.FailoverPaused = true
	suspect.Forecast.BlockedBy = "automatic failover is paused by an operator: `baton resume failover`"
	suspect.LastHandOver = &admin.LastHandOver{
		Kind: "switchover", From: "db2", To: "db1", At: suspect.Time.Add(-76 * time.Hour), Seconds: new(0.9), UnwritableSeconds: new(0.213),
	}

	unprotected := healthy(t)
	unprotected.Durability = admin.Durability{Mode: "strict", State: admin.Unprotected, Since: new(unprotected.Time.Add(-95 * time.Second))}
	unprotected.LeaderHealth.Health = admin.Alive
	unprotected.Forecast = admin.Forecast{
		Candidate: "db2", WouldLose: new(int64(1)), Candidates: []admin.Candidate{{Instance: "db2"}},
		Refused:   []admin.Refusal{{Instance: "db3", Reason: "its promotion is never"}},
		BlockedBy: "the leader ran unprotected for 1m35s: commits that succeeded since may not be in the relay; decide with `baton failover --allow-loss`",
	}

	async := healthy(t)
	async.Durability = admin.Durability{Mode: "async", State: admin.Unprotected, Since: new(async.Time.Add(-95 * time.Second))}
	async.LeaderHealth = admin.LeaderHealth{Health: admin.Died, Reason: "its host refuses connections for 1s and the stream broke"}

	endpoints := healthy(t)
	endpoints.Endpoints = []admin.Endpoint{
		{Listen: "10.0.0.9:6446", Route: "leader", LeadsTo: "db1", Connections: map[string]int{"db1": 12}},
		{Listen: "10.0.0.9:6447", Route: "followers", Connections: map[string]int{"db3": 19, "db2": 20}, Held: 2},
		{Listen: "[::1]:6448", Route: "leader", LeadsTo: "db1"},
	}
	holding := endpoints
	holding.HandOver = &admin.HandOver{Kind: "switchover", From: "db1", To: "db2", Step: "freeze", Since: holding.Time.Add(-800 * time.Millisecond)}
	holding.Endpoints = []admin.Endpoint{
		{Listen: "10.0.0.9:6446", Route: "leader", Holding: "the leadership is handed over from db1 to db2", Held: 7, Connections: map[string]int{"db1": 1}},
		{Listen: "10.0.0.9:6447", Route: "followers", Connections: map[string]int{}},
	}

	return map[string]admin.Status{
		"endpoints": endpoints, "endpoints-holding": holding,
		"leader-silent": silent, "failover-under-way": dying, "leader-suspect": suspect, "unprotected": unprotected, "async-due": async,
		"healthy": healthy(t), "lagging": lagging, "binlog-read": read, "stopped": stopped, "needs-seed": seed, "leader-unreachable": unreachable,
		"milliards": milliards, "relay-failed": relay, "errant": errant, "five-followers": five, "nothing-known": {Cluster: "shop", Time: five.Time},
	}
}

// requireGolden compares text with a file in testdata. BATON_UPDATE_GOLDEN=1
// writes the file instead.
func requireGolden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("BATON_UPDATE_GOLDEN") == "1" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

func TestStatusText(t *testing.T) {
	p := &program{}
	for name, s := range pictures(t) {
		t.Run(name, func(t *testing.T) {
			text := p.statusText(s)
			requireGolden(t, "status-"+name+".txt", text)
			for line := range strings.Lines(text) {
				if len(strings.Fields(line)) > 1 { // a single word is never broken
					require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), textWidth, line)
				}
			}
			require.Less(t, strings.Count(text, "\n"), 25, "one screen")
			require.NotContains(t, text, "\x1b")
		})
	}
}

func TestColoursOnlyAddToTheText(t *testing.T) {
	coloured := &program{terminal: terminal{colours: true}}
	strip := strings.NewReplacer(string(red), "", string(green), "", string(yellow), "", string(bold), "", resetColour, "")
	for name, s := range pictures(t) {
		text := coloured.statusText(s)
		require.Contains(t, text, "\x1b", name)
		require.Equal(t, (&program{}).statusText(s), strip.Replace(text), name)
	}
}

func TestStatusLines(t *testing.T) {
	requireGolden(t, "status-lines.txt", statusLines(pictures(t)["stopped"]))
}

func TestShortDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 0: "0.0s", 99 * time.Millisecond: "0.0s", 1250 * time.Millisecond: "1.2s",
		9999 * time.Millisecond: "9.9s", 10 * time.Second: "10s", 59999 * time.Millisecond: "59s", time.Minute: "1m00s",
		time.Hour - 1: "59m59s", 5*time.Hour + 12*time.Minute: "5h12m", 76 * time.Hour: "3d04h", 1000 * time.Hour: "41d",
	} {
		require.Equal(t, want, short(d), d)
	}
}

func TestWrapNeverBreaksAWord(t *testing.T) {
	long := strings.Repeat("x", 100)
	require.Equal(t, "> aaa\n  "+long+"\n  b c\n", wrap("aaa "+long+" b c", "> ", "  ", 10))
	require.Equal(t, "> \n", wrap("", "> ", "  ", 10))
}

func TestCell(t *testing.T) {
	require.Equal(t, "ä   ", cell("ä", 4, false))
	require.Equal(t, "   ä", cell("ä", 4, true))
	require.Equal(t, "äöü…", cell("äöüßx", 4, false))
}
