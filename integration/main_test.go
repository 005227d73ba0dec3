package integration_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binaries is the folder of what the tests build; it goes when they end.
var binaries string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		var err error
		if binaries, err = os.MkdirTemp("", "baton-bin-"); err != nil {
			fmt.Fprintln(os.Stderr, "make a folder for the binary under test:", err)
			return 1
		}
		defer os.RemoveAll(binaries)
		return m.Run()
	}())
}

// program builds baton, once, with the race detector, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaries, "baton")
	out, err := exec.Command("go", "build", "-race", "-o", path, "../cmd/baton").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build baton: %w\n%s", err, out)
	}
	return path, nil
})
