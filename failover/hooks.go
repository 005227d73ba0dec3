package failover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Hooks are the programs that are run at points of a hand-over.
type Hooks struct {
	BeforePromote, Fence, AfterPromote, AfterSwitchover []Hook
}

// A Hook is a program, its arguments, and how long it may run.
type Hook struct {
	Command []string
	Timeout time.Duration
}

// HookFacts is what a hook is told: as JSON on its standard input, and each as an
// environment variable, BATON_HOOK and so on.
type HookFacts struct {
	Hook       string `json:"hook"`
	Kind       Kind   `json:"kind"`
	OldLeader  string `json:"old_leader"`
	OldAddress string `json:"old_address"`
	NewLeader  string `json:"new_leader"`
	NewAddress string `json:"new_address"`
	Epoch      int64  `json:"epoch"`
	Reason     string `json:"reason"`
}

// secretVariable is where baton may have been given its account's password, which
// is none of a hook's business: what a hook prints gets into errors.
const secretVariable = "BATON_MYSQL_PASSWORD="

func (f HookFacts) environment() []string {
	inherited := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, secretVariable) })
	return append(inherited,
		"BATON_HOOK="+f.Hook, "BATON_KIND="+string(f.Kind),
		"BATON_OLD_LEADER="+f.OldLeader, "BATON_OLD_ADDRESS="+f.OldAddress,
		"BATON_NEW_LEADER="+f.NewLeader, "BATON_NEW_ADDRESS="+f.NewAddress,
		"BATON_EPOCH="+strconv.FormatInt(f.Epoch, 10), "BATON_REASON="+f.Reason)
}

// maxHookOutput is how much of what a hook prints is kept for the error, in bytes.
const maxHookOutput = 2 << 10

// run runs hooks one after the other until one fails.
func run(ctx context.Context, hooks []Hook, facts HookFacts) error {
	input, err := json.Marshal(facts)
	if err != nil {
		return fmt.Errorf("run hook %s: %w", facts.Hook, err)
	}
	for _, h := range hooks {
		if err := h.run(ctx, facts, input); err != nil {
			return fmt.Errorf("hook %s: %q: %w", facts.Hook, h.Command, err)
		}
	}
	return nil
}

func (h Hook) run(ctx context.Context, facts HookFacts, input []byte) error {
	bounded, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	cmd := exec.CommandContext(bounded, h.Command[0], h.Command[1:]...)
	cmd.Env, cmd.Stdin = facts.environment(), bytes.NewReader(input)
	// What it has started ends with it: a command that goes on by itself would act
	// on a hand-over that may be undone by then.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A child in a group of its own may keep its output open.
	cmd.WaitDelay = time.Second
	output := &tail{limit: maxHookOutput}
	cmd.Stdout, cmd.Stderr = output, output
	err := cmd.Run()
	if errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("killed after %s: %s", h.Timeout, output)
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// tail keeps the last bytes written to it.
type tail struct {
	limit int
	bytes []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.bytes = append(t.bytes, p...)
	if over := len(t.bytes) - t.limit; over > 0 {
		t.bytes = t.bytes[over:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(bytes.TrimSpace(t.bytes)) }
