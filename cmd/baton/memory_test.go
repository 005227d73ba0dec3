package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/config"
)

func TestMemoryIsBoundedByTheRelaysShareOfIt(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	var cfg config.Config
	cfg.Relay.Memory = 64 << 20
	t.Setenv("GOMEMLIMIT", "")
	boundMemory(cfg)
	require.EqualValues(t, 224<<20, debug.SetMemoryLimit(-1))
	cfg.Relay.Memory = 1 << 30
	boundMemory(cfg)
	require.EqualValues(t, 128<<20+3<<29, debug.SetMemoryLimit(-1))
	t.Setenv("GOMEMLIMIT", "1GiB")
	cfg.Relay.Memory = 1 << 20
	boundMemory(cfg)
	require.EqualValues(t, 128<<20+3<<29, debug.SetMemoryLimit(-1), "the environment's is left alone")
}
