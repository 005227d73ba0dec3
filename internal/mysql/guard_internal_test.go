package mysql

import (
	"context"
	"database/sql/driver"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// panics dials as the driver does, and goes the way of a driver that can't read the greeting.
type panics struct {
	driver.Connector
	address string
}

func (p panics) Connect(ctx context.Context) (driver.Conn, error) {
	dial := guardedDial((&net.Dialer{}).DialContext)
	if _, err := dial(ctx, "tcp", p.address); err != nil {
		return nil, err
	}
	panic("slice bounds out of range")
}

func TestAConnectionWithADamagedGreetingIsClosed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = guarded{panics{address: l.Addr().String()}}.Connect(t.Context())
	require.ErrorIs(t, err, errGarbled)
	accepted, err := l.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	require.NoError(t, accepted.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = accepted.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "a probe a second would use all files up")
}
