package mysql_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
)

func TestIdleConnectionsHaveNothingUnderWay(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Relaxed())
	s.MustCreateAccount(t)
	s.MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
	baton, err := sql.Open("mysql", s.DSN(mysqltest.User, mysqltest.Password))
	require.NoError(t, err)
	defer baton.Close()
	look := func() map[uint64]bool {
		t.Helper()
		idle, known, err := mysql.IdleConnections(t.Context(), baton)
		require.NoError(t, err)
		require.True(t, known, "baton's account may ask, and it is so by default")
		return idle
	}
	conn, err := s.DB().Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	do := func(statements ...string) {
		t.Helper()
		for _, statement := range statements {
			_, err := conn.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
	}
	var id uint64
	require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id))

	becomesIdle := func(when string) {
		t.Helper() // a thread sleeps a moment after its answer
		require.Eventually(t, func() bool { return look()[id] }, 10*time.Second, time.Millisecond, when)
	}
	becomesIdle("at first")
	for _, begins := range []string{
		"BEGIN", "START TRANSACTION READ ONLY", "BEGIN; INSERT INTO shop.t VALUES (1)", "SET autocommit = 0; SELECT * FROM shop.t", "XA START 'x'",
	} {
		do(begins)
		require.False(t, look()[id], "%s", begins)
		if begins == "XA START 'x'" {
			do("XA END 'x'")
			require.False(t, look()[id], "an XA transaction is not prepared yet")
			do("XA ROLLBACK 'x'")
		}
		do("ROLLBACK", "SET autocommit = 1")
		becomesIdle("after " + begins + ", and its end")
	}

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = conn.ExecContext(ctx, "SELECT SLEEP(60)") // it is interrupted
	}()
	require.Eventually(t, func() bool { return !look()[id] }, 10*time.Second, 5*time.Millisecond, "a statement runs")
	cancel()
	<-ended

	s.MustExec(t, "UPDATE performance_schema.setup_consumers SET ENABLED = 'NO' WHERE NAME = 'events_transactions_current'")
	idle, known, err := mysql.IdleConnections(t.Context(), baton)
	require.NoError(t, err)
	require.False(t, known, "nobody follows transactions")
	require.Empty(t, idle)
}
