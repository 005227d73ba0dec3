package mysql

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledgedLimit is how long sent bytes may stay unacknowledged before the
// connection counts as broken. Without it the kernel repeats them for a quarter
// of an hour, in which keepalives are not sent.
const unacknowledgedLimit = 30 * time.Second

func limitUnacknowledged(_, _ string, c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledgedLimit.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return set
}
