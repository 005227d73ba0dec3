package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/batondb/baton/integration/mysqltest"
)

// A side of the machine is some of its cores. The leader and whoever writes to it have one, the followers and baton the
// other, where a measurement is of what the leader or a follower that keeps up does: what one of them spends is then not
// missing at the other, as it isn't where each has a machine of its own.
type side int

const (
	everywhere side = iota
	leaderSide
	followerSide
)

// cores of a side: one half of those that this process may use, or all where there is but one.
func (s side) cores() (unix.CPUSet, error) {
	var all, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return all, fmt.Errorf("ask for the cores that may be used: %w", err)
	}
	half := all.Count() / 2
	if half == 0 {
		return all, nil
	}
	for i, n := 0, 0; n < all.Count(); i++ {
		if !all.IsSet(i) {
			continue
		}
		if (n < half) == (s == leaderSide) {
			set.Set(i)
		}
		n++
	}
	return set, nil
}

// take puts running processes on a side. What they start from then on is there too.
func (s side) take(pids ...int) error {
	if s == everywhere {
		return nil
	}
	set, err := s.cores()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		// A thread that starts others while they are listed may add some that are not: they are met the second time.
		for range 2 {
			tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
			if err != nil {
				return fmt.Errorf("list the threads of process %d: %w", pid, err)
			}
			for _, task := range tasks {
				tid, err := strconv.Atoi(task.Name())
				if err != nil {
					return fmt.Errorf("list the threads of process %d: %w", pid, err)
				}
				if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
					return fmt.Errorf("put thread %d of process %d on its cores: %w", tid, pid, err)
				}
			}
		}
	}
	return nil
}

// apart puts the leader on one side, and the followers and what replicates on the other.
func apart(leader *mysqltest.Server, r replication, all ...*mysqltest.Server) error {
	pids := r.pids()
	for _, follower := range all {
		pids = append(pids, follower.Pid())
	}
	return errors.Join(leaderSide.take(leader.Pid()), followerSide.take(pids...))
}
