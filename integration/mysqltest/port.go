package mysqltest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Ports are taken below the range from which Linux gives ports to outgoing connections (32768 and up), so that no
// client takes the port of a server that is down for a moment.
const firstPort, lastPort = 20000, 32000

// portReservation keeps a port from the other processes that use this package, by a lock that the kernel releases if
// this process dies. Programs that know nothing of it are met by trying the port.
type portReservation struct {
	port int
	lock *os.File
}

var errPortTaken = errors.New("port is taken")

// ReserveAddress returns an address of loopback that nobody listens on, for a program under test that is started more
// than once. No server of this package takes it before release.
func ReserveAddress() (address string, release func(), err error) {
	r, err := reserveAnyPort()
	if err != nil {
		return "", nil, err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)), r.release, nil
}

// reserveAnyPort reserves a port that nobody listens on.
func reserveAnyPort() (*portReservation, error) {
	var last error
	for range 200 {
		r, err := reservePort(firstPort + rand.IntN(lastPort-firstPort))
		if err == nil {
			return r, nil
		}
		last = err
	}
	return nil, fmt.Errorf("find a free port: %w", last)
}

func reservePort(port int) (*portReservation, error) {
	folder := filepath.Join(os.TempDir(), fmt.Sprintf("mysqltest-ports-%d", os.Getuid()))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("reserve port %d: %w", port, err)
	}
	// The file stays: removing it would let two processes lock two files of one name.
	lock, err := os.OpenFile(filepath.Join(folder, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("reserve port %d: %w", port, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("reserve port %d: %w", port, errPortTaken)
	}
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		lock.Close()
		if errors.Is(err, syscall.EADDRINUSE) {
			err = errPortTaken
		}
		return nil, fmt.Errorf("reserve port %d: %w", port, err)
	}
	listener.Close()
	return &portReservation{port: port, lock: lock}, nil
}

func (r *portReservation) release() {
	if r != nil {
		r.lock.Close()
	}
}
