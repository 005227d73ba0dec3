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

var prebuilt = flag.String("baton", "", "the program under test; built from this checkout unless given")

// binaries is the folder of what the tests build; it goes when they end.
var binaries string

// sideBySide is how many tests run at the same time unless -parallel says otherwise: each has up to four servers, which
// take a third of a gigabyte each, and mostly waits.
const sideBySide = "3"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", sideBySide); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
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
	if *prebuilt != "" {
		return filepath.Abs(*prebuilt)
	}
	path := filepath.Join(binaries, "baton")
	out, err := exec.Command("go", "build", "-race", "-o", path, "../cmd/baton").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build baton: %w\n%s", err, out)
	}
	return path, nil
})
