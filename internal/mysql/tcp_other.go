//go:build !linux

package mysql

import "syscall"

// limitUnacknowledged does nothing where the system has no TCP_USER_TIMEOUT.
func limitUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }
