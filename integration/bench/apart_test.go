package main

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheSidesShareNoCoreAndHaveThemAll(t *testing.T) {
	var all unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &all))
	if all.Count() == 1 {
		for _, s := range []side{leaderSide, followerSide} {
			set, err := s.cores()
			require.NoError(t, err)
			require.Equal(t, all, set)
		}
		return
	}
	one, err := leaderSide.cores()
	require.NoError(t, err)
	other, err := followerSide.cores()
	require.NoError(t, err)
	require.NotZero(t, one.Count())
	require.NotZero(t, other.Count())
	for i := range len(all) * 64 {
		require.False(t, one.IsSet(i) && other.IsSet(i), "core %d", i)
		require.Equal(t, all.IsSet(i), one.IsSet(i) || other.IsSet(i), "core %d", i)
	}
}

func TestAProcessIsPutOnASide(t *testing.T) {
	p := exec.Command("sleep", "60")
	require.NoError(t, p.Start())
	defer func() {
		require.NoError(t, p.Process.Kill())
		require.Error(t, p.Wait())
	}()
	want, err := followerSide.cores()
	require.NoError(t, err)
	require.NoError(t, followerSide.take(p.Process.Pid))
	var got unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(p.Process.Pid, &got))
	require.Equal(t, want, got)
	require.NoError(t, everywhere.take(p.Process.Pid))
	require.Error(t, leaderSide.take(1<<30), "no such process")
}
