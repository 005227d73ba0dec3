package mysql_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
)

// What was changed on the way to us is an error, or a wrong answer, of that statement. The driver panics on some of it.
func TestADamagedAnswerIsAnError(t *testing.T) {
	t.Parallel()
	s := mysqltest.Start(t, mysqltest.Relaxed())
	s.MustCreateAccount(t)
	p := mysqltest.StartProxy(t, s)
	target := targetOf(s)
	target.Address, target.TLS.Mode = p.Addr(), config.TLSDisabled
	db, err := target.Open()
	require.NoError(t, err)
	defer db.Close()
	unreadable := 0
	for seed := range uint64(90) {
		db.SetMaxIdleConns(0) // a new connection each time
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		conn, err := db.Conn(ctx)
		if err == nil {
			p.Flip(rand.New(rand.NewPCG(seed, 0)), 20, mysqltest.ToClient)
			var name, value string
			rows, err := conn.QueryContext(ctx, "SHOW GLOBAL VARIABLES LIKE 'gtid%'")
			for err == nil && rows.Next() {
				_ = rows.Scan(&name, &value) // it may well be wrong
			}
			if err == nil {
				err = rows.Err()
				_ = rows.Close()
			}
			if errors.Is(err, driver.ErrInvalidConn) && err != driver.ErrInvalidConn {
				unreadable++
				require.ErrorContains(t, err, "the server's answer can't be read")
				require.Equal(t, mysql.Lost, mysql.Classify(err).Kind)
				_, err := conn.ExecContext(ctx, "DO 1")
				require.Error(t, err, "nothing that comes on the connection can be understood any more")
			}
			_ = conn.Close()
		}
		cancel()
		require.NoError(t, p.Restore())
	}
	t.Logf("%d answers could not be read", unreadable)
	require.NotZero(t, unreadable, "the driver would have panicked")
	var one int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT 1").Scan(&one))
	require.Equal(t, 1, one)
}
