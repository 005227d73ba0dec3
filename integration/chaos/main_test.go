package chaos

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

var (
	rounds   = flag.Int("rounds", 6, "rounds of TestChaos")
	most     = flag.Duration("for", 0, "how long TestChaos goes on at most; 0: for all rounds")
	seed     = flag.Uint64("seed", 1, "seed of TestChaos; 0: a random one, which is printed")
	only     = flag.String("faults", "", "faults of TestChaos, separated by commas; all unless given")
	prebuilt = flag.String("baton", "", "the program under test; built from this checkout unless given")
)

// inNamespace marks the process that has the mount namespace.
const inNamespace = "BATON_CHAOS_NAMESPACE"

// binaries is the folder of what the tests build; it goes when they end.
var binaries string

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(inNamespace) == "" {
		fmt.Fprintln(os.Stderr, "run the tests in a mount namespace:", enterNamespace())
		os.Exit(1)
	}
	os.Exit(func() int {
		var err error
		if binaries, err = os.MkdirTemp("", "baton-bin-"); err != nil {
			fmt.Fprintln(os.Stderr, "make a folder for the program under test:", err)
			return 1
		}
		defer os.RemoveAll(binaries)
		return m.Run()
	}())
}

// enterNamespace replaces this process by itself in a mount namespace of its own, which needs no rights where user
// namespaces are allowed. It returns only if that fails.
func enterNamespace() error {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	line := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		line = append(line, "--map-root-user")
	}
	line = append(append(line, self), os.Args[1:]...)
	return syscall.Exec(unshare, line, append(os.Environ(), inNamespace+"=1"))
}

// program builds baton, once, with the race detector, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	if *prebuilt != "" {
		return filepath.Abs(*prebuilt)
	}
	path := filepath.Join(binaries, "baton")
	out, err := exec.Command("go", "build", "-race", "-o", path, "../../cmd/baton").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build baton: %w\n%s", err, out)
	}
	return path, nil
})
