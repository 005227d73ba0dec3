package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of CPU times in /proc; USER_HZ is 100 on every Linux (proc(5)).
const ticksPerSecond = 100

// cpuSeconds is the CPU time that a process and its threads have used, in user and kernel mode.
func cpuSeconds(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	return parseCPU(text)
}

// parseCPU reads utime and stime, fields 14 and 15 of /proc/PID/stat. The second field is the program's name in
// parentheses and may itself hold blanks and parentheses.
func parseCPU(stat []byte) (float64, error) {
	end := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[end+1:])
	const utime, stime = 14 - 3, 15 - 3
	if end < 0 || len(fields) <= stime {
		return 0, fmt.Errorf("no CPU time in %q", stat)
	}
	var ticks uint64
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseUint(string(fields[i]), 10, 63)
		if err != nil {
			return 0, fmt.Errorf("no CPU time in %q: %w", stat, err)
		}
		ticks += n
	}
	return float64(ticks) / ticksPerSecond, nil
}

// meter is of the CPU time that a leader and followers use from its start on.
type meter struct {
	pids   []int // the leader's, then the followers'
	before []float64
}

func startMeter(leader int, followers ...int) (*meter, error) {
	m := &meter{pids: append([]int{leader}, followers...)}
	for _, pid := range m.pids {
		used, err := cpuSeconds(pid)
		if err != nil {
			return nil, err
		}
		m.before = append(m.before, used)
	}
	return m, nil
}

// read is in seconds; that of the followers is their sum.
func (m *meter) read() (leader, followers float64, err error) {
	for i, pid := range m.pids {
		used, err := cpuSeconds(pid)
		if err != nil {
			return 0, 0, err
		}
		if i == 0 {
			leader = used - m.before[i]
		} else {
			followers += used - m.before[i]
		}
	}
	return leader, followers, nil
}

// peakMemory is the largest resident size, in bytes, that a process has had.
func peakMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return parseKilobytes(string(text), "VmHWM")
}

// parseKilobytes reads a line "NAME: N kB", as in /proc/PID/status and /proc/meminfo, and returns bytes.
func parseKilobytes(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		value, found := strings.CutPrefix(line, name+":")
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 53)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("no %s among what the kernel says", name)
}
