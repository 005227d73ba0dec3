package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFile is what a daemon holds locked in its state directory.
const lockFile = "lock"

// stateMode keeps the state to baton's own account: the relay holds the data.
const stateMode = 0o700

// ofAnotherUser adds what to do to an error that says that something in the state
// directory may not be opened, as where root has run baton there by hand.
func ofAnotherUser(err error, stateDir string) error {
	at, ok := errors.AsType[*fs.PathError](err)
	if !ok || !errors.Is(at, fs.ErrPermission) || !strings.HasPrefix(at.Path, stateDir+string(filepath.Separator)) {
		return err
	}
	return fmt.Errorf("%w; all of the state directory must belong to the user who runs baton: chown -R USER: %s (the unit's is baton)", err, stateDir)
}

// lockDir makes dir if need be and keeps other daemons out of it until the
// returned file is closed, or the process ends however it does. The error names
// the daemon that holds it.
func lockDir(dir, cluster string) (*os.File, error) {
	if err := os.MkdirAll(dir, stateMode); err != nil {
		return nil, fmt.Errorf("make the state directory: %w; make it for baton's user, or set state_dir to another path", err)
	}
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := io.ReadAll(io.LimitReader(f, 1<<10))
		return nil, errors.Join(fmt.Errorf("the state directory %s is in use by another baton (%s): stop that one first, or give this cluster a state_dir of its own",
			dir, strings.TrimSpace(string(holder))), f.Close())
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "pid %d, cluster %s\n", os.Getpid(), cluster), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the state directory %s: %w", dir, err), f.Close())
	}
	return f, nil
}
