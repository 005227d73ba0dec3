package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// removeScript removes a folder when its input ends, which is when the process that holds the other end of the pipe
// dies, however it dies. Processes that are dying meanwhile may still write into the folder: hence the loop.
const removeScript = `
trap '' INT TERM HUP
cat >/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf -- "$1" 2>/dev/null
	[ -e "$1" ] || exit 0
	sleep 0.1
done
rm -rf -- "$1"
`

// folder is a temporary folder that goes with this process, even when that is killed.
type folder struct {
	path    string
	remover *exec.Cmd
	pipe    io.WriteCloser
}

// longestFolder is how many bytes its path may have: sockets are in it, whose paths hold 107.
const longestFolder = 60

// newFolder makes one below parent, if that is short enough.
func newFolder(parent string) (*folder, error) {
	if len(parent) > longestFolder-len("/baton-demo-1234567890") {
		parent = "/tmp"
	}
	path, err := os.MkdirTemp(parent, "baton-demo-")
	if err != nil {
		return nil, err
	}
	f := &folder{path: path, remover: exec.Command("/bin/sh", "-c", removeScript, "sh", path)}
	f.remover.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if f.pipe, err = f.remover.StdinPipe(); err == nil {
		err = f.remover.Start()
	}
	if err != nil {
		os.RemoveAll(path)
		return nil, fmt.Errorf("start the remover of %s: %w", path, err)
	}
	return f, nil
}

// Close removes the folder.
func (f *folder) Close() error {
	f.pipe.Close()
	if err := f.remover.Wait(); err != nil {
		return fmt.Errorf("remove the folder %s: %w", f.path, err)
	}
	return nil
}
