package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func targetOf(s *mysqltest.Server) mysql.Target {
	return mysql.Target{
		Name: s.Name, Address: s.Addr(), User: mysqltest.User, Password: config.NewSecret(mysqltest.Password),
		TLS: config.TLS{Mode: config.TLSPreferred},
	}
}

// faultOf tries both ways to a server, which must fail for the same reason.
func faultOf(t *testing.T, target mysql.Target) *mysql.Fault {
	t.Helper()
	conn, err := target.Dial(t.Context())
	if err == nil {
		_ = conn.Close()
	}
	require.Error(t, err)
	dialed := mysql.Classify(err)

	db, err := target.Open()
	require.NoError(t, err)
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), target.Timeout+time.Second)
	defer cancel()
	err = db.PingContext(ctx)
	require.Error(t, err)
	require.Equal(t, dialed.Kind, mysql.Classify(err).Kind, "Dial: %v; Open: %v", dialed, err)
	require.NotContains(t, fmt.Sprintf("%+v %v %s %s", err, dialed, dialed.Mend, dialed.Err), target.Password.Reveal())
	return dialed
}

func TestDialSpeaksEveryTLSModeAndLogsInWithAndWithoutTLS(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	for mode, encrypted := range map[config.TLSMode]bool{
		config.TLSDisabled: false, config.TLSPreferred: true, config.TLSRequired: true,
	} {
		t.Run(string(mode), func(t *testing.T) {
			// The server's cache of passwords is emptied, so that logging in takes the
			// long way: the password itself over TLS, or by the server's public key.
			s.MustExec(t, "FLUSH PRIVILEGES")
			target := targetOf(s)
			target.TLS.Mode = mode
			conn, err := target.Dial(t.Context())
			require.NoError(t, err)
			defer conn.Close()
			result, err := conn.Execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
			require.NoError(t, err)
			cipher, err := result.GetStringByName(0, "Value")
			require.NoError(t, err)
			require.Equal(t, encrypted, cipher != "", "cipher %q", cipher)

			s.MustExec(t, "FLUSH PRIVILEGES")
			db, err := target.Open()
			require.NoError(t, err)
			defer db.Close()
			var name, zone string
			require.NoError(t, db.QueryRow("SHOW SESSION STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher))
			require.Equal(t, encrypted, cipher != "")
			require.NoError(t, db.QueryRow("SELECT @@time_zone").Scan(&zone))
			require.Equal(t, "+00:00", zone)
		})
	}
	t.Run("program name", func(t *testing.T) {
		conn, err := targetOf(s).Dial(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		require.Equal(t, "baton", s.Value(t, "SELECT attr_value FROM performance_schema.session_connect_attrs WHERE attr_name = 'program_name' AND processlist_id = ?", conn.GetConnectionID()))
	})
}

func TestDialFallsBackOnlyWherePreferred(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed(), mysqltest.Setting("tls_version", ""))
	s.MustCreateAccount(t)
	conn, err := targetOf(s).Dial(t.Context())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	target := targetOf(s)
	target.TLS.Mode = config.TLSRequired
	require.Equal(t, mysql.TLSFailed, faultOf(t, target).Kind)
}

func TestFaultsOfARealServer(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed())
	s.MustCreateAccount(t)
	t.Run("wrong password", func(t *testing.T) {
		target := targetOf(s)
		target.Password = config.NewSecret("something-else")
		f := faultOf(t, target)
		require.Equal(t, mysql.AccessDenied, f.Kind)
		require.Contains(t, f.Message, "1045")
		require.NotEmpty(t, f.Mend)
	})
	t.Run("expired password", func(t *testing.T) {
		s.MustExec(t, "CREATE USER expired@'%' IDENTIFIED BY 'old-secret' PASSWORD EXPIRE")
		target := targetOf(s)
		target.User, target.Password = "expired", config.NewSecret("old-secret")
		require.Equal(t, mysql.PasswordExpired, faultOf(t, target).Kind)
	})
	t.Run("no TLS where the account wants it", func(t *testing.T) {
		s.MustExec(t, "SET GLOBAL require_secure_transport = ON")
		defer s.MustExec(t, "SET GLOBAL require_secure_transport = OFF")
		target := targetOf(s)
		target.TLS.Mode = config.TLSDisabled
		require.Equal(t, mysql.TLSFailed, faultOf(t, target).Kind)
	})
	t.Run("frozen", func(t *testing.T) {
		require.NoError(t, s.Freeze())
		defer func() { require.NoError(t, s.Thaw()) }()
		target := targetOf(s)
		target.Timeout = 300 * time.Millisecond
		conn, err := target.Dial(t.Context())
		require.Nil(t, conn)
		require.Equal(t, mysql.Silent, mysql.Classify(err).Kind)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		target.Timeout = time.Hour
		_, err = target.Dial(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, mysql.Canceled, mysql.Classify(err).Kind)
	})
	t.Run("stopped", func(t *testing.T) {
		require.NoError(t, s.Kill9())
		f := faultOf(t, targetOf(s))
		require.Equal(t, mysql.Refused, f.Kind)
		require.True(t, f.Down())
	})
}

func TestFaultsOfWhatIsNoServer(t *testing.T) {
	serve := func(t *testing.T, answer func(net.Conn)) mysql.Target {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan struct{})
		t.Cleanup(func() { _ = l.Close(); <-done })
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				answer(c)
				_ = c.Close()
			}
		}()
		return mysql.Target{Name: "db1", Address: l.Addr().String(), User: "u", Password: config.NewSecret("hush-hush"), TLS: config.TLS{Mode: config.TLSPreferred}, Timeout: 5 * time.Second}
	}
	t.Run("another protocol", func(t *testing.T) {
		target := serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n") })
		_, err := target.Dial(t.Context())
		require.Equal(t, mysql.NotMySQL, mysql.Classify(err).Kind)
	})
	t.Run("a greeting that ends early", func(t *testing.T) {
		target := serve(t, func(c net.Conn) { _, _ = c.Write([]byte{3, 0, 0, 0, 10, '8', 0}) })
		_, err := target.Dial(t.Context())
		require.Equal(t, mysql.NotMySQL, mysql.Classify(err).Kind)
	})
	t.Run("hangs up", func(t *testing.T) {
		target := serve(t, func(net.Conn) {})
		require.Equal(t, mysql.Lost, faultOf(t, target).Kind)
	})
	t.Run("no such host", func(t *testing.T) {
		f := mysql.Classify(fmt.Errorf("dial: %w", &net.DNSError{Err: "no such host", Name: "db9.invalid", IsNotFound: true}))
		require.Equal(t, mysql.HostUnknown, f.Kind)
		require.Equal(t, "the host db9.invalid is not known", f.Message)
	})
	t.Run("anything else", func(t *testing.T) {
		require.Nil(t, mysql.Classify(nil))
		f := mysql.Classify(errors.New("out of cheese"))
		require.Equal(t, mysql.Other, f.Kind)
		require.Same(t, f, mysql.Classify(fmt.Errorf("wrapped: %w", f)))
	})
}
