package admin

import (
	"net"
	"syscall"
)

// peerUID asks the kernel whose process connected to a unix socket (unix(7),
// SO_PEERCRED).
func peerUID(conn net.Conn) (uint32, error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, net.UnknownNetworkError(conn.LocalAddr().Network())
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var credentials *syscall.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) {
		credentials, asked = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if asked != nil {
		return 0, asked
	}
	return credentials.Uid, nil
}
