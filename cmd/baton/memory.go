package main

import (
	"os"
	"runtime/debug"

	"github.com/batondb/baton/config"
)

// besidesTail is what the daemon needs besides the relay's tail, in bytes: what
// is received and not yet durable, what appliers hold, and the program itself.
const besidesTail = 128 << 20

// boundMemory has the garbage collector work harder when the process comes close
// to what it should need: by itself it lets the heap grow to twice of what is in
// use. GOMEMLIMIT in the environment says otherwise.
func boundMemory(cfg config.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(besidesTail + int64(cfg.Relay.Memory)*3/2)
	}
}
