package relay

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes a file's content and size durable, but not its times: that
// spares the file system a write of the inode.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
		return nil
	}
}
