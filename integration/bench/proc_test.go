package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCPUTimeIsReadAfterTheNameOfTheProgram(t *testing.T) {
	for name, c := range map[string]struct {
		stat string
		want float64
	}{
		"plain":           {"12 (mysqld) S 1 12 12 0 -1 4194560 100 0 3 0 150 50 0 0 20 0 40 0 100 1000 200 18446744073709551615", 2},
		"odd name":        {"12 (a) R (b c) S 1 12 12 0 -1 4194560 100 0 3 0 1 0 0 0 20 0 40 0 100", 0.01},
		"exactly as long": {"1 (x) S 1 1 1 0 -1 0 0 0 0 0 7 3", 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCPU([]byte(c.stat))
			require.NoError(t, err)
			require.InDelta(t, c.want, got, 1e-9)
		})
	}
}

func TestDamagedStatIsAnError(t *testing.T) {
	for _, stat := range []string{"", "12", "12 (x", ")", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 7", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 seven 3", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 -7 3"} {
		_, err := parseCPU([]byte(stat))
		require.Error(t, err, stat)
	}
}

func FuzzCPUTime(f *testing.F) {
	f.Add([]byte("12 (mysqld) S 1 12 12 0 -1 4194560 100 0 3 0 150 50 0 0 20 0 40 0 100"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, stat []byte) {
		if got, err := parseCPU(stat); err == nil && got < 0 {
			t.Errorf("%q gives %v", stat, got)
		}
	})
}

func TestKilobytesAreReadByName(t *testing.T) {
	const text = "Name:\tbaton\nVmHWMx:\t   1 kB\nVmHWM:\t  104512 kB\nVmRSS:\t many kB\n"
	got, err := parseKilobytes(text, "VmHWM")
	require.NoError(t, err)
	require.EqualValues(t, 104512<<10, got)
	for _, name := range []string{"VmRSS", "VmPeak"} {
		_, err := parseKilobytes(text, name)
		require.Error(t, err, name)
	}
}

func TestThisProcessIsMeasured(t *testing.T) {
	_, err := cpuSeconds(os.Getpid())
	require.NoError(t, err)
	peak, err := peakMemory(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, peak, int64(1<<20))
}

func TestTheMachineIsDescribed(t *testing.T) {
	m, err := lookAround(t.TempDir())
	require.NoError(t, err)
	require.Positive(t, m.Cores)
	require.Positive(t, m.MemoryBytes)
	require.Positive(t, m.FsyncSeconds)
	require.NotEmpty(t, m.Filesystem)
	require.Regexp(t, `^Linux [0-9.]+$`, m.Kernel)
}

func TestTheCPUModelIsReadWhereThereIsOne(t *testing.T) {
	require.Equal(t, "Swift 3000", cpuModel("processor\t: 0\nmodel name\t: Swift 3000\nprocessor\t: 1\nmodel name\t: Swift 3000\n"))
	require.NotEmpty(t, cpuModel("processor\t: 0\nBogoMIPS\t: 50.00\n"))
}
