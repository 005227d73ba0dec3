//go:build !linux

package endpoint

import (
	"net"
	"time"
)

// limitUnacknowledged does nothing where the system has no TCP_USER_TIMEOUT.
func limitUnacknowledged(*net.TCPConn) {}

// quietFor knows nothing where the system doesn't tell.
func quietFor(*net.TCPConn) (time.Duration, bool) { return 0, false }
