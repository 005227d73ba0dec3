package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// example is a report with round figures.
func example() *Report {
	runs := func(baton bool, seconds ...float64) []Run {
		var all []Run
		for i, s := range seconds {
			r := Run{Round: i + 1, Seconds: s, FollowerCPU: 1.5 * s, LeaderCPU: 1, FollowerPeak: 500 << 20}
			if baton {
				r.FollowerCPU, r.BatonCPU, r.BatonPeak = s, s/4, int64(60+i)<<20
			}
			all = append(all, r)
		}
		return all
	}
	latency := func(ms float64) []LatencyRun {
		var all []LatencyRun
		for i := range 3 {
			q := func(f float64) Quantiles {
				return Quantiles{P50: f * ms / 1e3, P99: 4 * f * ms / 1e3, Max: float64(8+i) * f * ms / 1e3}
			}
			all = append(all, LatencyRun{Round: i + 1, Transactions: 2000, Commit: q(1), Visible: q(2), Whole: q(3)})
		}
		return all
	}
	commits := func(rate float64, baton bool) []CommitsRun {
		r := CommitsRun{Run: Run{Round: 1, Seconds: 6, Transactions: int(6 * rate), LeaderCPU: 3, FollowerCPU: 3}, Rate: rate, P99: 8 / rate, Behind: 0.25}
		if baton {
			r.BatonCPU, r.BatonPeak = 1.2, 90<<20
		}
		return []CommitsRun{r}
	}
	fanOut := func(followers int, baton float64) []Run {
		return []Run{{Round: 1, Seconds: 6, Transactions: 2000, LeaderCPU: 2, FollowerCPU: float64(followers), BatonCPU: baton, BatonPeak: int64(baton * 100 * (1 << 20))}}
	}
	return &Report{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Command: "make bench", Threads: 16, Revision: "0123456789ab",
		Machine: Machine{CPU: "Swift 3000", Cores: 2, MemoryBytes: 16 << 30, Kernel: "Linux 6.1.0", Filesystem: "ext4", FsyncSeconds: 0.0004,
			FsyncP99: 0.0021, BusyBefore: 0.1, Go: "1.26.0", MySQL: "9.7.4", Sysbench: "1.0.20", BufferPool: "256M", RedoLog: "512M",
			SyncBinlog: 1, FlushAtCommit: 1},
		CatchUp: []*CatchUp{{Load: "oltp", About: "sysbench oltp_write_only", Transactions: 60000, BinlogBytes: 103e6, LeaderSeconds: 30,
			Contestants: []Contestant{
				{Name: nativeDefault, Settings: "none", Native: true, Runs: runs(false, 50, 51, 49)},
				{Name: "native, tuned", Settings: "replica_parallel_workers=16", Native: true, Runs: runs(false, 30, 25, 35)},
				{Name: batonRelaxed, Settings: "apply: {sessions: 16}", Runs: runs(true, 20, 21, 15)},
				{Name: "baton, leader's order", Settings: "apply: {order: leader}", Runs: runs(true, 100)},
				{Name: "baton, never ran", Settings: "x"},
			}}},
		Ingest:  &Ingest{BinlogBytes: 130e6, Baton: []Run{{Round: 1, Seconds: 1.3, BatonCPU: 0.5, BatonPeak: 40 << 20}}, Mysqlbinlog: []Run{{Round: 1, Seconds: 0.65, ToolCPU: 0.25}}},
		Latency: &Latency{Rate: 200, Seconds: 10, Writers: 4, Series: []LatencySeries{{Name: nativeDefault, Native: true, Runs: latency(1)}, {Name: batonRelaxed, Runs: latency(0.5)}}},
		Commits: &Commits{Threads: 16, Seconds: 6, Series: []CommitsSeries{
			{Name: nativeSemiSync, Settings: "semi-sync", Native: true, Runs: commits(1000, false)}, {Name: batonStrict, Settings: "durability: {mode: strict}", Runs: commits(1500, true)}}},
		FanOut: &FanOut{Rate: 300, Seconds: 6, Series: []FanOutSeries{
			{Name: nativeDefault, Native: true, Followers: 1, Runs: fanOut(1, 0)}, {Name: batonRelaxed, Followers: 1, Runs: fanOut(1, 0.5)},
			{Name: batonRelaxed, Followers: 5, Runs: fanOut(5, 0.9)}}},
		Memory: &Memory{Followers: 5, Transactions: 3000, BinlogBytes: 250e6, Runs: []Run{{Round: 1, Seconds: 20, BatonCPU: 5, BatonPeak: 200 << 20}}},
		Proxied: &Proxied{Threads: 16, Seconds: 6, HAProxy: "2.6.12", Series: []ProxiedSeries{
			{Name: direct, Runs: []ProxiedRun{{Round: 1, Rate: 20000, Mean: 60e-6, P99: 120e-6, Connections: 2000, Bytes: 800e6}}},
			{Name: throughHA, Runs: []ProxiedRun{{Round: 1, Rate: 15000, Mean: 90e-6, P99: 150e-6, Connections: 1500, Bytes: 700e6, CPU: 4, PerQuery: 10e-6, PerGigabyte: 0.25}}},
			{Name: throughBaton, Runs: []ProxiedRun{{Round: 1, Rate: 14000, Mean: 95e-6, P99: 160e-6, Connections: 1400, Bytes: 750e6, CPU: 5, PerQuery: 12e-6, PerGigabyte: 0.125}}},
		}},
	}
}

func TestTheReportOnTheTerminal(t *testing.T) { golden(t, "terminal.txt", example().terminal()) }

func TestTheReportAsAPage(t *testing.T) {
	text, err := example().markdown()
	require.NoError(t, err)
	// What is written by hand may change without the page.
	for _, g := range example().missed() {
		why, err := g.Why()
		require.NoError(t, err)
		require.Contains(t, text, why)
		text = strings.ReplaceAll(text, why, "(why/"+g.id+".md)")
	}
	golden(t, "benchmarks.md", text)
}

func TestAReportOfOnePartHasNoTraceOfTheOthers(t *testing.T) {
	r := example()
	r.CatchUp, r.Ingest, r.Commits, r.FanOut, r.Memory, r.Proxied = nil, nil, nil, nil, nil, nil
	text, err := r.markdown()
	require.NoError(t, err)
	require.Contains(t, text, "## At the head")
	for _, other := range []string{"## What the leader commits", "## More followers", "## Memory", "## Endpoints", "benchmarks/cpu.svg"} {
		require.NotContains(t, text, other)
	}
	require.NotContains(t, text, "## Catching up")
	require.NotContains(t, text, "## Taking the binlog")
	require.NotContains(t, text, "<no value>")
}

func TestAMachineThatWasBusyIsSaidToBe(t *testing.T) {
	r := example()
	r.Machine.BusyBefore = 5
	text, err := r.markdown()
	require.NoError(t, err)
	require.Contains(t, text, "the machine was not quiet")
}

func TestTheVerdictSaysWhereBatonIsSlower(t *testing.T) {
	u := example().CatchUp[0]
	require.Equal(t, "the fastest way with baton (baton, 16 sessions) is 1.50 times as fast as the best-tuned native replica (native, tuned)"+
		" and is 2.50 times as fast as the one with defaults; with its follower it uses 0.56 times the CPU of the former"+
		" and 0.33 times that of the latter", u.verdict())
	u.Contestants = u.Contestants[1:4]
	u.Contestants[1].Runs = []Run{{Round: 1, Seconds: 60, FollowerCPU: 45}}
	require.Equal(t, "the fastest way with baton (baton, 16 sessions) takes 2.00 times as long as the best-tuned native replica"+
		" (native, tuned); with its follower it uses 1.00 times the CPU of the former", u.verdict())
	u.Contestants[1].Runs[0].Seconds = 30.5
	require.Contains(t, u.verdict(), "is as fast as the best-tuned native replica")
	onlyDefault := example().CatchUp[0]
	onlyDefault.Contestants = append(onlyDefault.Contestants[:1], onlyDefault.Contestants[2])
	require.Equal(t, "the fastest way with baton (baton, 16 sessions) is 2.50 times as fast as the best-tuned native replica (native, defaults),"+
		" which is the one with defaults; with its follower it uses 0.33 times the CPU of the former", onlyDefault.verdict())
	u.Contestants = u.Contestants[1:]
	require.Empty(t, u.verdict())
}

func TestWhatBatonDoesWorseIsNamed(t *testing.T) {
	r := example()
	require.Equal(t, []string{
		`Catching up with oltp, "baton, leader's order" takes 2.00 times as long as the native replica with defaults.`,
		"Taking the binlog, baton takes 2.00 times as long as mysqlbinlog.",
	}, r.behind())
	r.CatchUp, r.Ingest = nil, nil
	r.Latency.Series[0], r.Latency.Series[1] = LatencySeries{nativeDefault, true, r.Latency.Series[1].Runs}, LatencySeries{batonRelaxed, false, r.Latency.Series[0].Runs}
	require.Equal(t, []string{
		"At the head, the median from sending a transaction until it is visible is 2.00 times the native replica's.",
		"At the head, the 99th percentile from sending a transaction until it is visible is 2.00 times the native replica's.",
	}, r.behind())
	require.Empty(t, (&Report{}).behind())
}

func TestTheResultsAreWrittenAsPageAndData(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, example().write(dir))
	data, err := os.ReadFile(filepath.Join(dir, "benchmarks.json"))
	require.NoError(t, err)
	var read Report
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, *example(), read)
	require.FileExists(t, filepath.Join(dir, "benchmarks.md"))
	page, err := os.ReadFile(filepath.Join(dir, "benchmarks.md"))
	require.NoError(t, err)
	shown := regexp.MustCompile(`\]\((benchmarks/[^)]+)\)`).FindAllSubmatch(page, -1)
	require.Len(t, shown, len(example().charts()), "every chart is shown")
	for _, file := range shown {
		require.FileExists(t, filepath.Join(dir, string(file[1])))
	}
}

// The page in the manual is what its data say: whoever changes the words renders it again, with -from and -write.
func TestThePageInTheManualIsThatOfItsData(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	r, err := readReport(filepath.Join(docs, "benchmarks.json"))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, r.write(dir))
	files := []string{"benchmarks.md", "benchmarks.json"}
	for name := range r.charts() {
		files = append(files, filepath.Join("benchmarks", name+".svg"))
	}
	for _, file := range files {
		want, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(docs, file))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run: bin/bench -from docs/benchmarks.json -write")
	}
	there, err := os.ReadDir(filepath.Join(docs, "benchmarks"))
	require.NoError(t, err)
	require.Len(t, there, len(r.charts()), "no chart is left over")
}

func TestLatencyIsSplitAtTheLeadersAnswer(t *testing.T) {
	at := time.Unix(1000, 0)
	ms := func(n int) time.Time { return at.Add(time.Duration(n) * time.Millisecond) }
	got := summary([]beat{{ms(0), ms(2), ms(5)}, {ms(10), ms(13), ms(12)}, {ms(20), ms(21), ms(41)}})
	require.Equal(t, 3, got.Transactions)
	for _, c := range []struct{ want, got Quantiles }{
		{Quantiles{0.002, 0.003, 0.003}, got.Commit},
		{Quantiles{0.003, 0.020, 0.020}, got.Visible},
		{Quantiles{0.005, 0.021, 0.021}, got.Whole},
	} {
		require.InDelta(t, c.want.P50, c.got.P50, 1e-9)
		require.InDelta(t, c.want.P99, c.got.P99, 1e-9)
		require.InDelta(t, c.want.Max, c.got.Max, 1e-9)
	}
}
