package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is where it was measured.
type Machine struct {
	CPU           string  `json:"cpu"`
	Cores         int     `json:"cores"`
	MemoryBytes   int64   `json:"memory_bytes"`
	Kernel        string  `json:"kernel"`
	Filesystem    string  `json:"filesystem"`
	FsyncSeconds  float64 `json:"fsync_seconds"`     // median of writing 4 KiB and fsync
	FsyncP99      float64 `json:"fsync_p99_seconds"` // its 99th percentile
	BusyBefore    float64 `json:"load_average"`      // of the minute before
	Go            string  `json:"go"`
	MySQL         string  `json:"mysql"`
	Sysbench      string  `json:"sysbench"`
	BufferPool    string  `json:"innodb_buffer_pool_size"`
	RedoLog       string  `json:"innodb_redo_log_capacity"`
	SyncBinlog    int     `json:"sync_binlog"`
	FlushAtCommit int     `json:"innodb_flush_log_at_trx_commit"`
}

// Busy tells whether others used the machine before the run.
func (m Machine) Busy() bool { return m.BusyBefore > 0.3*float64(m.Cores) }

// lookAround describes this machine, with the disk that dir is on.
func lookAround(dir string) (Machine, error) {
	m := Machine{Cores: runtime.NumCPU(), Go: strings.TrimPrefix(runtime.Version(), "go"), SyncBinlog: 1, FlushAtCommit: 1,
		BufferPool: bufferPool, RedoLog: redoLog}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, err
	}
	if m.MemoryBytes, err = parseKilobytes(string(text), "MemTotal"); err != nil {
		return m, err
	}
	if text, err = os.ReadFile("/proc/loadavg"); err != nil {
		return m, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	if m.BusyBefore, err = strconv.ParseFloat(first, 64); err != nil {
		return m, err
	}
	if text, err = os.ReadFile("/proc/cpuinfo"); err != nil {
		return m, err
	}
	m.CPU = cpuModel(string(text))
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return m, err
	}
	// What follows the number is whoever built it.
	m.Kernel, _, _ = strings.Cut(unix.ByteSliceToString(name.Sysname[:])+" "+unix.ByteSliceToString(name.Release[:]), "-")
	if m.Filesystem, err = filesystem(dir); err != nil {
		return m, err
	}
	m.FsyncSeconds, m.FsyncP99, err = fsyncTime(dir)
	return m, err
}

// cpuModel reads /proc/cpuinfo, which names the model on some architectures only.
func cpuModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// filesystem names what the folder is on.
func filesystem(dir string) (string, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	names := map[int64]string{
		unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs",
		unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", 0x2fc12fc1: "zfs",
	}
	if name := names[int64(fs.Type)]; name != "" {
		return name, nil
	}
	return fmt.Sprintf("file system 0x%x", fs.Type), nil
}

// fsyncTime appends to a file and fsyncs it many times, and returns the median and the 99th percentile in seconds.
func fsyncTime(dir string) (median, p99 float64, err error) {
	path := filepath.Join(dir, "fsync")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(path)
	defer f.Close()
	block := make([]byte, 4<<10)
	var took []float64
	for range 300 {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	return spreadOf(took).median, percentile(took, 99), nil
}

// diskFolder is the folder to make folders in: one on a disk, where an fsync costs what it costs.
func diskFolder() string {
	if fs, err := filesystem(os.TempDir()); err == nil && fs != "tmpfs" {
		return os.TempDir()
	}
	return "/var/tmp"
}

// sysbenchVersion is the number alone.
func sysbenchVersion(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask sysbench for its version: %w", err)
	}
	fields := strings.Fields(string(out))
	if len(fields) < 2 {
		return "", fmt.Errorf("sysbench --version says %q", out)
	}
	return fields[1], nil
}
