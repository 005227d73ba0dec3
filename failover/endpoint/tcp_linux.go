package endpoint

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnacknowledged has a connection break whose peer acknowledges nothing for
// that long. Without it the kernel repeats what was sent for a quarter of an
// hour, in which keepalives are not sent.
func limitUnacknowledged(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return // it is closed
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledgedLimit.Milliseconds()))
	})
}

// quietFor is for how long the peer has sent nothing; false where that isn't
// known. The kernel counts in ticks, of ten milliseconds at most.
func quietFor(conn *net.TCPConn) (quiet time.Duration, known bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var info *unix.TCPInfo
	if err := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil || info == nil {
		return 0, false
	}
	return time.Duration(info.Last_data_recv) * time.Millisecond, true
}
