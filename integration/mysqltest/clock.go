package mysqltest

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed clock/clock.c
var clockSource []byte

func (s *Server) clockFile() string    { return filepath.Join(s.dir, "clock") }
func (s *Server) clockLibrary() string { return filepath.Join(s.dir, "clock.so") }

// makeClock compiles the library that a server with OwnClock is started with.
func (s *Server) makeClock(ctx context.Context) error {
	if err := os.WriteFile(s.clockFile(), make([]byte, 8), 0o600); err != nil {
		return fmt.Errorf("make a clock: %w", err)
	}
	cmd := exec.CommandContext(ctx, "cc", "-x", "c", "-shared", "-fPIC", "-O2", "-o", s.clockLibrary(), "-", "-ldl")
	cmd.Stdin = bytes.NewReader(clockSource)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a clock: %w: %s; a C compiler is needed, as for the race detector", err, out)
	}
	return nil
}

// clockEnvironment has the server's process read that clock.
func (s *Server) clockEnvironment() []string {
	if !s.options.ownClock {
		return nil
	}
	return []string{"LD_PRELOAD=" + s.clockLibrary(), "MYSQLTEST_CLOCK=" + s.clockFile()}
}

// SetClock sets the clock of a server with OwnClock ahead of this machine's, or behind it, in whole seconds.
func (s *Server) SetClock(ahead time.Duration) error {
	f, err := os.OpenFile(s.clockFile(), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set the clock of %s: %w", s.Name, err)
	}
	defer f.Close()
	// In place, since the server has it in its memory.
	if _, err := f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(ahead/time.Second))), 0); err != nil {
		return fmt.Errorf("set the clock of %s: %w", s.Name, err)
	}
	return nil
}
