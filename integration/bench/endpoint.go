package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"github.com/batondb/baton/integration/mysqltest"
)

// Proxied is what it costs clients that something stands between them and the server.
type Proxied struct {
	Threads int             `json:"threads"` // connections, where there are several
	Seconds int             `json:"seconds"` // of each measurement
	HAProxy string          `json:"haproxy"` // its version
	Series  []ProxiedSeries `json:"series"`
}

// ProxiedSeries is what was measured of one way to the server.
type ProxiedSeries struct {
	Name string       `json:"name"`
	Runs []ProxiedRun `json:"runs"`
}

// ProxiedRun is one measurement of it. CPU is that of what stands between, over all of them.
type ProxiedRun struct {
	Round       int     `json:"round"`
	Rate        float64 `json:"queries_per_second"`       // point selects over several connections
	Mean        float64 `json:"mean_seconds"`             // of one over one connection
	P99         float64 `json:"p99_seconds"`              // likewise
	Connections float64 `json:"connections_per_second"`   // each used once
	Bytes       float64 `json:"result_bytes_per_second"`  // of large results
	CPU         float64 `json:"between_cpu_seconds"`      // 0 where nothing stands between
	PerQuery    float64 `json:"between_cpu_per_query"`    // CPU seconds, of the first measurement
	PerGigabyte float64 `json:"between_cpu_per_gigabyte"` // CPU seconds, of the last
}

// A pathway is how a client reaches the server.
type pathway struct {
	name    string
	address string
	pid     int // of what stands between; 0 for nothing
}

const (
	direct       = "directly"
	throughHA    = "HAProxy, TCP mode"
	throughBaton = "baton, endpoint"
	proxyThreads = 16
	largeResult  = 4 << 20 // bytes
)

func (b *bench) planEndpoint() {
	each := time.Duration(4*b.opts.seconds) * time.Second
	st := &stage{rounds: b.opts.rounds, before: b.fillGuess() + overhead, guess: each, names: []string{direct, throughHA, throughBaton}}
	b.add(st, b.endpoint)
}

// endpoint measures reads of one server over each pathway, in one run.
func (b *bench) endpoint(ctx context.Context, st *stage) error {
	dir, err := os.MkdirTemp(b.dir, "endpoint-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	from, err := b.fromBase(ctx)
	if err != nil {
		return err
	}
	server, err := b.launch(ctx, dir, "leader", from)
	if err != nil {
		return err
	}
	defer server.Close()
	pathways, version, stop, err := b.pathways(ctx, dir, server)
	defer stop()
	if err != nil {
		return err
	}
	p := &Proxied{Threads: proxyThreads, Seconds: b.opts.seconds, HAProxy: version}
	for _, way := range pathways {
		p.Series = append(p.Series, ProxiedSeries{Name: way.name})
	}
	b.report.Proxied = p
	return b.inTurns(ctx, st, "endpoint", func(ctx context.Context, i, round int) (string, error) {
		run, err := b.overPathway(ctx, server, pathways[i])
		run.Round = round
		p.Series[i].Runs = append(p.Series[i].Runs, run)
		return fmt.Sprintf("%.0f queries/s, %.0f µs each over one connection, %.0f connections/s, %.0f MB/s",
			run.Rate, 1e6*run.Mean, run.Connections, run.Bytes/1e6), err
	})
}

// pathways starts what stands between. What stop ends is to be ended, whatever the error.
func (b *bench) pathways(ctx context.Context, dir string, server *mysqltest.Server) (ways []pathway, version string, stop func(), err error) {
	var ends []func()
	stop = func() {
		for _, end := range ends {
			end()
		}
	}
	installation, err := mysqltest.FindWith(ctx, "haproxy")
	if err != nil {
		return nil, "", stop, err
	}
	addresses, err := unusedAddresses(2)
	if err != nil {
		return nil, "", stop, err
	}
	haproxy, err := startHAProxy(installation.Haproxy, dir, addresses[0], server.Addr())
	if err != nil {
		return nil, "", stop, err
	}
	ends = append(ends, func() {
		_ = syscall.Kill(-haproxy.Process.Pid, syscall.SIGKILL)
		_ = haproxy.Wait() // it was killed
	})
	d, err := newDaemon(b.opts.baton, dir, map[string]any{"endpoints": []map[string]any{{"listen": addresses[1], "route": "leader"}}},
		instance{"leader", server.Addr()})
	if err != nil {
		return nil, "", stop, err
	}
	if err := d.start(ctx); err != nil {
		return nil, "", stop, err
	}
	ends = append(ends, func() { _ = d.stop() }) // what it says is in its log
	ways = []pathway{{direct, server.Addr(), 0}, {throughHA, addresses[0], haproxy.Process.Pid}, {throughBaton, addresses[1], d.process.Process.Pid}}
	for _, way := range ways {
		if err := awaitGreeting(ctx, way.address); err != nil {
			return nil, "", stop, fmt.Errorf("%s: %w; the end of baton's log:\n%s", way.name, err, d.lastLines())
		}
	}
	out, err := exec.CommandContext(ctx, installation.Haproxy, "-v").Output()
	if err != nil {
		return nil, "", stop, err
	}
	version, _, _ = strings.Cut(strings.TrimPrefix(string(out), "HAProxy version "), " ")
	return ways, version, stop, nil
}

// startHAProxy leads from one address to another, as plainly as HAProxy can.
func startHAProxy(program, dir, listen, to string) (*exec.Cmd, error) {
	file := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf("defaults\n  mode tcp\n  option splice-auto\n  timeout connect 3s\n  timeout client 1h\n  timeout server 1h\nlisten mysql\n  bind %s\n  server leader %s\n", listen, to)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-db", "-f", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start HAProxy: %w", err)
	}
	return cmd, nil
}

func unusedAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// awaitGreeting waits until a server speaks at an address.
func awaitGreeting(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			_, err = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return fmt.Errorf("wait for a server's greeting at %s: %w", address, err)
		}
	}
}

// overPathway is everything that is measured of one pathway.
func (b *bench) overPathway(ctx context.Context, server *mysqltest.Server, way pathway) (run ProxiedRun, err error) {
	between := func() float64 {
		used := 0.0
		if way.pid != 0 && err == nil {
			used, err = cpuSeconds(way.pid)
		}
		return used
	}
	before := between()
	several, err := b.pointSelects(ctx, server, way, proxyThreads)
	if err != nil {
		return run, err
	}
	afterFirst := between()
	one, err := b.pointSelects(ctx, server, way, 1)
	if err != nil {
		return run, err
	}
	connections, err := b.connects(ctx, way)
	if err != nil {
		return run, err
	}
	beforeLast := between()
	bytes, err := b.largeResults(ctx, way)
	if err != nil {
		return run, err
	}
	after := between()
	run = ProxiedRun{Rate: several.rate, Mean: one.mean, P99: one.p99, Connections: connections, Bytes: bytes, CPU: after - before}
	run.PerQuery = (afterFirst - before) / (several.rate * float64(b.opts.seconds))
	run.PerGigabyte = (after - beforeLast) / (bytes * float64(b.opts.seconds) / 1e9)
	return run, err
}

// selects is what sysbench says of point selects.
type selects struct{ rate, mean, p99 float64 }

func (b *bench) pointSelects(ctx context.Context, server *mysqltest.Server, way pathway, threads int) (selects, error) {
	host, port, err := net.SplitHostPort(way.address)
	if err != nil {
		return selects{}, err
	}
	// Over TCP: what is given later counts, so that the socket is not used. Without a password no account is encrypted.
	out, err := runSysbench(ctx, everywhere, server, "oltp_point_select", "run", "--mysql-socket=", "--mysql-host="+host, "--mysql-port="+port, "--mysql-ssl=off",
		fmt.Sprintf("--threads=%d", threads), fmt.Sprintf("--time=%d", b.opts.seconds), "--events=0", "--percentile=99", "--rand-type=uniform")
	if err != nil {
		return selects{}, err
	}
	return parseSelects(out)
}

// parseSelects reads what sysbench printed: milliseconds, and a rate a second.
func parseSelects(out string) (selects, error) {
	var s selects
	for _, figure := range []struct {
		of      *float64
		pattern string
		unit    float64
	}{
		{&s.rate, `transactions: +\d+ +\(([\d.]+) per sec`, 1},
		{&s.mean, `avg: +([\d.]+)`, 1e-3},
		{&s.p99, `99th percentile: +([\d.]+)`, 1e-3},
	} {
		found := regexp.MustCompile(figure.pattern).FindStringSubmatch(out)
		if found == nil {
			return s, fmt.Errorf("sysbench says nothing like %q:\n%s", figure.pattern, out)
		}
		value, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			return s, err
		}
		*figure.of = value * figure.unit
	}
	return s, nil
}

// open is root's connections over a pathway.
func (w pathway) open() (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "tcp", w.address
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// connects is how many connections a second are opened, used once and closed.
func (b *bench) connects(ctx context.Context, way pathway) (float64, error) {
	db, err := way.open()
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxIdleConns(-1)
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	var opened atomic.Int64
	for range proxyThreads {
		group.Go(func() error {
			for time.Since(began) < time.Duration(b.opts.seconds)*time.Second {
				if _, err := db.ExecContext(ctx, "DO 1"); err != nil {
					return fmt.Errorf("connect: %w", err)
				}
				opened.Add(1)
			}
			return nil
		})
	}
	err = group.Wait()
	return float64(opened.Load()) / time.Since(began).Seconds(), err
}

// largeResults is how many bytes of large results a second come over one connection.
func (b *bench) largeResults(ctx context.Context, way pathway) (float64, error) {
	db, err := way.open()
	if err != nil {
		return 0, err
	}
	defer db.Close()
	began, bytes := time.Now(), 0.0
	for time.Since(began) < time.Duration(b.opts.seconds)*time.Second {
		var result []byte
		if err := db.QueryRowContext(ctx, fmt.Sprintf("SELECT REPEAT('x', %d)", largeResult)).Scan(&result); err != nil {
			return 0, fmt.Errorf("fetch a large result: %w", err)
		}
		bytes += float64(len(result))
	}
	return bytes / time.Since(began).Seconds(), nil
}

// table is what stands between beside what doesn't: medians of the rounds.
func (p *Proxied) table() *table {
	t := &table{
		title: fmt.Sprintf("Between clients and the leader: point selects over %d connections, over one, over a new one each; results of %d MiB", p.Threads, largeResult>>20),
		head:  []string{"clients connect", "queries/s", "one at a time: µs", "p99", "connections/s", "MB/s", "its CPU: µs a query", "s a GB"},
	}
	for _, s := range p.Series {
		if len(s.Runs) == 0 {
			continue
		}
		figure := func(unit float64, of func(ProxiedRun) float64) string {
			return fmt.Sprintf("%.0f", unit*over(s.Runs, of).median)
		}
		cpu := []string{"–", "–"}
		if s.Name != direct {
			cpu = []string{fmt.Sprintf("%.1f", 1e6*over(s.Runs, func(r ProxiedRun) float64 { return r.PerQuery }).median),
				fmt.Sprintf("%.2f", over(s.Runs, func(r ProxiedRun) float64 { return r.PerGigabyte }).median)}
		}
		t.add(append([]string{s.Name,
			figure(1, func(r ProxiedRun) float64 { return r.Rate }), figure(1e6, func(r ProxiedRun) float64 { return r.Mean }),
			figure(1e6, func(r ProxiedRun) float64 { return r.P99 }), figure(1, func(r ProxiedRun) float64 { return r.Connections }),
			figure(1e-6, func(r ProxiedRun) float64 { return r.Bytes })}, cpu...)...)
	}
	return t
}
