package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime"
	"strconv"
	"time"

	"github.com/batondb/baton/config"
	"github.com/go-mysql-org/go-mysql/client"
	protocol "github.com/go-mysql-org/go-mysql/mysql"
	driver "github.com/go-sql-driver/mysql"
)

const (
	defaultTimeout = 10 * time.Second
	// answerTimeout bounds one answer on a connection of Open. Every statement
	// that baton sends there is a short one; what runs long has a session of its
	// own, by Dial.
	answerTimeout = time.Minute
	// poolSize bounds the connections of Open: one that hangs must not keep the
	// others from the server, and an operator's max_user_connections is not ours.
	poolSize = 4
	// programName is what performance_schema.session_connect_attrs shows.
	programName = "baton"
)

// sessionState is what every connection of Open is given, whatever the server's
// global values: names that MySQL and MariaDB share, so that the latter can be
// told apart by what it answers.
var sessionState = map[string]string{
	"time_zone":                "'+00:00'",
	"sql_mode":                 "'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
	"autocommit":               "1",
	"lock_wait_timeout":        "10", // seconds
	"innodb_lock_wait_timeout": "10", // seconds
}

// A Target is an instance and the account to use on it.
type Target struct {
	Name     string // the instance's name in the config
	Address  string // host:port
	User     string
	Password config.Secret
	TLS      config.TLS
	// Timeout bounds connecting and logging in together. Default: 10s.
	Timeout time.Duration
}

// TargetOf returns the target of an instance of the config. It gives an error
// when the certificate files of its TLS settings can't be read.
func TargetOf(inst config.Instance) (Target, error) {
	t := Target{
		Name: inst.Name, Address: inst.Address,
		User: inst.MySQL.User, Password: inst.MySQL.Password, TLS: inst.MySQL.TLS,
	}
	if _, err := t.TLS.Config(t.host()); err != nil {
		return Target{}, fmt.Errorf("prepare TLS to %s: %w", t.Name, err)
	}
	return t, nil
}

func (t Target) host() string { return config.Instance{Address: t.Address}.Host() }

func (t Target) timeout() time.Duration {
	if t.Timeout > 0 {
		return t.Timeout
	}
	return defaultTimeout
}

// Open returns a small pool of connections for short statements. It connects
// to nothing yet: an error means that the settings are wrong. A certificate
// that was replaced on disk counts from the next connection on.
func (t Target) Open() (*sql.DB, error) {
	return t.open(nil)
}

// openPatient returns a pool whose statements may take as long as it pleases
// them, waiting for locks included, and of which several may go in one query.
// lockWait is the server's own bound of waiting for a lock.
func (t Target) openPatient(lockWait time.Duration) (*sql.DB, error) {
	return t.open(func(c *driver.Config) {
		c.ReadTimeout = 0
		c.MultiStatements = true
		c.Params = maps.Clone(c.Params)
		c.Params["lock_wait_timeout"] = strconv.Itoa(max(1, int(lockWait.Seconds())))
	})
}

func (t Target) open(change func(*driver.Config)) (*sql.DB, error) {
	c := driver.NewConfig()
	c.Net, c.Addr = "tcp", t.Address
	c.User, c.Passwd = t.User, t.Password.Reveal()
	c.Timeout = t.timeout()
	c.ReadTimeout, c.WriteTimeout = answerTimeout, answerTimeout
	c.ParseTime, c.InterpolateParams = true, true
	c.Params = sessionState
	c.ConnectionAttributes = "program_name:" + programName
	c.Logger = &driver.NopLogger{}
	c.DialFunc = guardedDial(t.dialTCP)
	c.AllowFallbackToPlaintext = t.TLS.MayFallBack()
	if change != nil {
		change(c)
	}
	if err := c.Apply(driver.BeforeConnect(t.refreshTLS)); err != nil {
		return nil, fmt.Errorf("prepare connections to %s: %w", t.Name, err)
	}
	connector, err := driver.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("prepare connections to %s: %w", t.Name, err)
	}
	db := sql.OpenDB(guarded{connector})
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}

func (t Target) refreshTLS(_ context.Context, c *driver.Config) error {
	var err error
	c.TLS, err = t.TLS.Config(t.host())
	return err
}

// Dial connects and logs in with the client that speaks packets, for the
// source and for sessions: several statements may go in one query. The error
// wraps a [*Fault]. ctx, and Timeout, end the attempt at any point of it.
//
// The connection has no deadline: who reads sets it. TCP notices a peer that
// is gone within about a minute, sooner when something was sent.
func (t Target) Dial(ctx context.Context) (*client.Conn, error) {
	conn, err := t.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s at %s: %w", t.Name, t.Address, Classify(err))
	}
	return conn, nil
}

func (t Target) dial(ctx context.Context) (conn *client.Conn, err error) {
	tlsConfig, err := t.TLS.Config(t.host())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	raw, err := t.dialTCP(ctx, "tcp", t.Address)
	if err != nil {
		return nil, err
	}
	// The client's handshake knows no context, so the connection is taken away
	// from under it.
	interrupted := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		// The client indexes what a server sends without looking at its length.
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errNotMySQL, r)
		}
		if !interrupted() && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = raw.Close()
			conn = nil
		}
	}()
	greeted, offersTLS, err := readGreeting(raw)
	if err != nil {
		return nil, err
	}
	if tlsConfig != nil && !offersTLS {
		if !t.TLS.MayFallBack() {
			return nil, driver.ErrNoTLS
		}
		tlsConfig = nil
	}
	opened := func(context.Context, string, string) (net.Conn, error) { return greeted, nil }
	return client.ConnectWithDialer(ctx, "tcp", t.Address, t.User, t.Password.Reveal(), "", opened,
		func(c *client.Conn) error {
			c.SetTLSConfig(tlsConfig)
			c.SetAttributes(map[string]string{"program_name": programName, "_os": runtime.GOOS})
			if err := c.SetCapability(protocol.CLIENT_MULTI_STATEMENTS); err != nil {
				return err
			}
			return c.SetCapability(protocol.CLIENT_MULTI_RESULTS)
		})
}

func (t Target) dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		Timeout:         t.timeout(),
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 6},
		Control:         limitUnacknowledged,
	}
	return d.DialContext(ctx, network, address)
}

// A greetedConn gives the greeting that was read before, then what comes after.
type greetedConn struct {
	net.Conn
	greeting []byte
}

func (c *greetedConn) Read(p []byte) (int, error) {
	if len(c.greeting) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.greeting)
	c.greeting = c.greeting[n:]
	return n, nil
}

// readGreeting reads the server's first packet, which says whether it offers
// TLS, without consuming it. (Source: MySQL's source documentation,
// "Protocol::HandshakeV10".) A packet that is no greeting, such as an error,
// is left to the client.
func readGreeting(c net.Conn) (greeted net.Conn, offersTLS bool, err error) {
	const maxGreeting = 4096
	header := make([]byte, 4)
	if _, err := io.ReadFull(c, header); err != nil {
		return nil, false, err
	}
	size := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if size == 0 || size > maxGreeting {
		return nil, false, errNotMySQL
	}
	packet := append(header, make([]byte, size)...)
	if _, err := io.ReadFull(c, packet[4:]); err != nil {
		return nil, false, err
	}
	return &greetedConn{Conn: c, greeting: packet}, offersTLSIn(packet[4:]), nil
}

// offersTLSIn tells whether a greeting's capabilities include CLIENT_SSL; they
// follow the version, which ends with a zero byte, the thread id, 8 bytes of
// the scramble and a filler.
func offersTLSIn(greeting []byte) bool {
	if greeting[0] != protocol.ClassicProtocolVersion {
		return false
	}
	for i, b := range greeting {
		if b != 0 {
			continue
		}
		if at := i + 1 + 4 + 8 + 1; at+1 < len(greeting) {
			return (uint32(greeting[at])|uint32(greeting[at+1])<<8)&protocol.CLIENT_SSL != 0
		}
		return false
	}
	return false
}
