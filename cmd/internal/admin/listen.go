package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// socketMode lets the daemon's user and group give commands.
const socketMode = 0o660

// ErrInUse is wrapped when another daemon answers on the socket.
var ErrInUse = errors.New("another daemon answers on it")

// listenUnix listens on the unix socket at path. What a dead daemon left there
// is replaced. Two daemons that start at the same instant are kept apart by the
// lock of the state directory, not here.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	// On Linux the file gets the mode of the unbound socket: there is no moment
	// at which others could connect.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), socketMode) })
	}}
	l, err := lc.Listen(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listen on %s: %w; create the folder %s for baton's user, or set admin.socket to another path", path, err, filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; let baton's user write to its folder, or set admin.socket to another path", path, err)
	}
	// The umask may have taken the group's rights.
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), l.Close())
	}
	return l, nil
}

func removeStale(ctx context.Context, path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for a daemon on %s: %w", path, err)
	}
	if st.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen on %s: a file that is no socket is there; remove it, or set admin.socket to another path", path)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("listen on %s: %w; stop that one first, or give this cluster another admin.socket", path, ErrInUse)
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the socket that a dead daemon left: %w", err)
		}
		return nil
	default:
		return fmt.Errorf("look for a daemon on %s: %w; remove the file if no daemon runs", path, err)
	}
}

// onlyLocalNames refuses, where addr is of loopback, requests for any other
// host: a web page whose name was made to point to 127.0.0.1 shall not read
// what the browser of an operator can reach.
func onlyLocalNames(addr net.Addr, next http.Handler) http.Handler {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil || !at.Addr().IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		ip, err := netip.ParseAddr(host)
		if (err != nil || !ip.IsLoopback()) && !strings.EqualFold(host, "localhost") {
			answerError(w, &Error{
				Code: Refused, Message: fmt.Sprintf("asked for the host %q on an address of loopback", host),
				Mend: "ask for http://" + at.String(),
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}
