package endpoint

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// A peer that is gone without a word is found by these: an idle one within a
// minute, one that was sent something within half of that.
const (
	keepAliveIdle       = 30 * time.Second
	keepAliveInterval   = 10 * time.Second
	keepAliveCount      = 3
	unacknowledgedLimit = 30 * time.Second
)

func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount}
}

// past is a deadline that has passed: it ends what waits for data.
func past() time.Time { return time.Unix(1, 0) }

// A leaving tells when a client that has been told nothing yet goes away.
type leaving struct {
	conn *net.TCPConn
	gone chan struct{} // closed when it has
	done chan struct{}
}

// watchLeaving watches a client until stop is called. What the client sends is
// left where it is; one that sends before it is spoken to is not watched further.
func watchLeaving(conn *net.TCPConn) *leaving {
	l := &leaving{conn: conn, gone: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		raw, err := conn.SyscallConn()
		if err != nil {
			close(l.gone)
			return
		}
		gone := false
		err = raw.Read(func(fd uintptr) bool {
			var b [1]byte
			n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if err == unix.EAGAIN || err == unix.EINTR {
				return false
			}
			gone = err != nil || n == 0
			return true
		})
		if gone && err == nil {
			close(l.gone)
		}
	}()
	return l
}

// stop ends the watch: the connection is the caller's alone again.
func (l *leaving) stop() {
	_ = l.conn.SetReadDeadline(past())
	<-l.done
	_ = l.conn.SetReadDeadline(time.Time{})
}
