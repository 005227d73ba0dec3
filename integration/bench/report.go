package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// Report is everything that was measured, as docs/benchmarks.json holds it. Durations are in seconds, sizes in bytes.
type Report struct {
	Time     time.Time  `json:"time"`
	Command  string     `json:"command"`
	Revision string     `json:"revision,omitempty"` // of baton
	Machine  Machine    `json:"machine"`
	Threads  int        `json:"threads"` // connections that wrote the loads
	CatchUp  []*CatchUp `json:"catch_up,omitempty"`
	Ingest   *Ingest    `json:"ingest,omitempty"`
	Latency  *Latency   `json:"latency,omitempty"`
	Commits  *Commits   `json:"commits,omitempty"`
	FanOut   *FanOut    `json:"fan_out,omitempty"`
	Memory   *Memory    `json:"memory,omitempty"`
	Proxied  *Proxied   `json:"proxied,omitempty"`
}

// CatchUp is how the contestants caught up with one load.
type CatchUp struct {
	Load          string       `json:"load"`
	About         string       `json:"about"`
	Transactions  int          `json:"transactions"`
	BinlogBytes   int64        `json:"binlog_bytes"`
	LeaderSeconds float64      `json:"leader_seconds"` // that writing the load took
	Contestants   []Contestant `json:"contestants"`
}

// Contestant is what was measured of one.
type Contestant struct {
	Name     string `json:"name"`
	Settings string `json:"settings"`
	Native   bool   `json:"native"`
	Runs     []Run  `json:"runs"`
}

// Run is one measurement. What wasn't taken part in is zero.
type Run struct {
	Round        int     `json:"round"`
	Seconds      float64 `json:"seconds"`
	Transactions int     `json:"transactions,omitempty"` // where they aren't the same for all
	FollowerCPU  float64 `json:"follower_cpu_seconds,omitempty"`
	LeaderCPU    float64 `json:"leader_cpu_seconds,omitempty"`
	BatonCPU     float64 `json:"baton_cpu_seconds,omitempty"`
	ToolCPU      float64 `json:"tool_cpu_seconds,omitempty"` // mysqlbinlog's
	FollowerPeak int64   `json:"follower_peak_bytes,omitempty"`
	BatonPeak    int64   `json:"baton_peak_bytes,omitempty"`
}

func (r Run) of(round int) Run {
	r.Round = round
	return r
}

// Ingest is how fast the leader's binary logs are taken.
type Ingest struct {
	BinlogBytes int64 `json:"binlog_bytes"`
	Baton       []Run `json:"baton"`
	Mysqlbinlog []Run `json:"mysqlbinlog"`
}

// Latency is how soon commits are visible on a follower at the head.
type Latency struct {
	Rate    int             `json:"rate"` // transactions a second
	Seconds int             `json:"seconds"`
	Writers int             `json:"writers"`
	Series  []LatencySeries `json:"series"`
}

// LatencySeries is that of one contestant.
type LatencySeries struct {
	Name   string       `json:"name"`
	Native bool         `json:"native"`
	Runs   []LatencyRun `json:"runs"`
}

// LatencyRun is one measurement of it.
type LatencyRun struct {
	Round        int       `json:"round"`
	Transactions int       `json:"transactions"`
	Commit       Quantiles `json:"commit_seconds"`  // from sending to the leader's OK
	Visible      Quantiles `json:"visible_seconds"` // from that to the follower having it; below 0 where it is there before
	Whole        Quantiles `json:"whole_seconds"`   // both
}

// Quantiles are of one series of measurements.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func quantilesOf(values []float64) Quantiles {
	return Quantiles{P50: percentile(values, 50), P99: percentile(values, 99), Max: spreadOf(values).max}
}

// over is the spread of one figure over runs.
func over[T any](runs []T, figure func(T) float64) spread {
	return spreadOf(valuesOf(runs, figure))
}

func valuesOf[T any](runs []T, figure func(T) float64) []float64 {
	var values []float64
	for _, r := range runs {
		values = append(values, figure(r))
	}
	return values
}

// seconds is the median time of the contestant; 0 if it never ran.
func (c Contestant) seconds() float64 {
	return over(c.Runs, secondsOf).median
}

// cpu is the median of what its follower and baton use.
func (c Contestant) cpu() float64 { return over(c.Runs, Run.followerSide).median }

func secondsOf(r Run) float64   { return r.Seconds }
func batonPeakOf(r Run) float64 { return float64(r.BatonPeak) }

// followerSide is the CPU of all that is not the leader.
func (r Run) followerSide() float64 { return r.FollowerCPU + r.BatonCPU }

// What a transaction costs, in microseconds of CPU.
func leaderCost(r Run) float64   { return 1e6 * r.LeaderCPU / float64(r.Transactions) }
func batonCost(r Run) float64    { return 1e6 * r.BatonCPU / float64(r.Transactions) }
func followerCost(r Run) float64 { return 1e6 * r.FollowerCPU / float64(r.Transactions) }

func rateOf(r CommitsRun) float64 { return r.Rate }

// p99 is that of one contestant, from sending a transaction until it is visible; 0 if it wasn't measured.
func (l *Latency) p99(name string) float64 {
	for _, s := range l.Series {
		if s.Name == name {
			return over(s.Runs, func(r LatencyRun) float64 { return r.Whole.P99 }).median
		}
	}
	return 0
}

// rate is how much the leader commits a second with one kind of follower; 0 if it wasn't measured.
func (c *Commits) rate(name string) float64 {
	for _, s := range c.Series {
		if s.Name == name {
			return over(s.Runs, rateOf).median
		}
	}
	return 0
}

// of are the runs with so many followers; nil if there are none.
func (f *FanOut) of(name string, followers int) []Run {
	for _, s := range f.Series {
		if s.Name == name && s.Followers == followers {
			return s.Runs
		}
	}
	return nil
}

// rate is how many transactions it applied a second; 0 if it never ran.
func (u *CatchUp) rate(c Contestant) float64 {
	if s := c.seconds(); s > 0 {
		return float64(u.Transactions) / s
	}
	return 0
}

// defaults is the native replica with default settings; nil if it wasn't measured.
func (u *CatchUp) defaults() *Contestant {
	for i, c := range u.Contestants {
		if c.Name == nativeDefault && len(c.Runs) > 0 {
			return &u.Contestants[i]
		}
	}
	return nil
}

// best is the fastest contestant, of the native ones or of baton; nil if none was measured.
func (u *CatchUp) best(native bool) *Contestant {
	var best *Contestant
	for i, c := range u.Contestants {
		if c.Native == native && len(c.Runs) > 0 && (best == nil || c.seconds() < best.seconds()) {
			best = &u.Contestants[i]
		}
	}
	return best
}

// write puts the page, its charts and the data into a folder.
func (r *Report) write(folder string) error {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return err
	}
	text, err := r.markdown()
	if err != nil {
		return fmt.Errorf("render the report: %w", err)
	}
	files := map[string]string{"benchmarks.json": data.String(), "benchmarks.md": text}
	for name, c := range r.charts() {
		files[filepath.Join("benchmarks", name+".svg")] = c.svg()
	}
	if err := os.MkdirAll(filepath.Join(folder, "benchmarks"), 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := renameio.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
