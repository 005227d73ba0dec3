package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"

	sqldriver "github.com/go-sql-driver/mysql"
)

// errGarbled is wrapped by the error for an answer that the driver could not
// make sense of.
var errGarbled = errors.New("the server's answer can't be read")

// guarded makes connections of which a damaged answer breaks one, rather than
// the process: the driver indexes what a server sends without looking at its
// length, and panics where bytes were changed on the way.
//
// The error that stands for a panic is the driver's ErrInvalidConn and not
// ErrBadConn, for which database/sql would send the statement again: it may have
// been executed.
type guarded struct{ driver.Connector }

// dialedKey is the context's key for a *net.Conn that takes what was dialed.
type dialedKey struct{}

// guardedDial has Connect know the connection that the driver uses.
func guardedDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if dialed, ok := ctx.Value(dialedKey{}).(*net.Conn); ok && err == nil {
			*dialed = conn
		}
		return conn, err
	}
}

func (g guarded) Connect(ctx context.Context) (c driver.Conn, err error) {
	var dialed net.Conn
	defer func() {
		// The driver closes what it dialed where it returns, not where it panics.
		if errors.Is(err, errGarbled) && dialed != nil {
			_ = dialed.Close()
		}
	}()
	defer recovered(&err, nil)
	conn, err := g.Connector.Connect(context.WithValue(ctx, dialedKey{}, &dialed))
	if err != nil {
		return nil, err
	}
	all, ok := conn.(driverConn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("use the MySQL driver: its connections are %T", conn)
	}
	return &guardedConn{driverConn: all, dialed: dialed}, nil
}

// driverConn is what the driver's connections can do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// driverRows is what the driver's results can do.
type driverRows interface {
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// recovered turns a panic of a function that is deferring it into that
// function's error, and marks the connection.
func recovered(err *error, conn *guardedConn) {
	r := recover()
	if r == nil {
		return
	}
	if conn != nil {
		conn.garbled = true
	}
	*err = fmt.Errorf("%w: %w: %v", sqldriver.ErrInvalidConn, errGarbled, r)
}

// guardedConn is used by one goroutine at a time, as database/sql promises.
type guardedConn struct {
	driverConn
	dialed  net.Conn
	garbled bool // nothing that comes on it can be understood any more
}

func (c *guardedConn) IsValid() bool { return !c.garbled && c.driverConn.IsValid() }

func (c *guardedConn) Ping(ctx context.Context) (err error) {
	defer recovered(&err, c)
	return c.driverConn.Ping(ctx)
}

func (c *guardedConn) ResetSession(ctx context.Context) (err error) {
	if c.garbled {
		return driver.ErrBadConn // nothing was sent yet
	}
	defer recovered(&err, c)
	return c.driverConn.ResetSession(ctx)
}

func (c *guardedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (r driver.Result, err error) {
	defer recovered(&err, c)
	return c.driverConn.ExecContext(ctx, query, args)
}

func (c *guardedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (_ driver.Rows, err error) {
	defer recovered(&err, c)
	rows, err := c.driverConn.QueryContext(ctx, query, args)
	return c.guardRows(ctx, rows, err)
}

func (c *guardedConn) PrepareContext(ctx context.Context, query string) (_ driver.Stmt, err error) {
	defer recovered(&err, c)
	s, err := c.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	all, ok := s.(driverStmt)
	if !ok {
		return nil, fmt.Errorf("use the MySQL driver: its statements are %T", s)
	}
	return &guardedStmt{all, c}, nil
}

func (c *guardedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (_ driver.Tx, err error) {
	defer recovered(&err, c)
	tx, err := c.driverConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &guardedTx{tx, c}, nil
}

func (c *guardedConn) guardRows(ctx context.Context, rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, err
	}
	all, ok := rows.(driverRows)
	if !ok {
		return nil, fmt.Errorf("use the MySQL driver: its results are %T", rows)
	}
	return &guardedRows{all, ctx, c}, nil
}

type guardedTx struct {
	driver.Tx
	conn *guardedConn
}

func (tx *guardedTx) Commit() (err error) {
	defer recovered(&err, tx.conn)
	return tx.Tx.Commit()
}

func (tx *guardedTx) Rollback() (err error) {
	defer recovered(&err, tx.conn)
	return tx.Tx.Rollback()
}

// driverStmt is what the driver's statements can do.
type driverStmt interface {
	driver.Stmt
	driver.NamedValueChecker
	driver.StmtExecContext
	driver.StmtQueryContext
}

type guardedStmt struct {
	driverStmt
	conn *guardedConn
}

func (s *guardedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	defer recovered(&err, s.conn)
	return s.driverStmt.ExecContext(ctx, args)
}

func (s *guardedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (_ driver.Rows, err error) {
	defer recovered(&err, s.conn)
	rows, err := s.driverStmt.QueryContext(ctx, args)
	return s.conn.guardRows(ctx, rows, err)
}

type guardedRows struct {
	driverRows
	ctx  context.Context // of the query
	conn *guardedConn
}

func (r *guardedRows) Next(dest []driver.Value) (err error) {
	defer recovered(&err, r.conn)
	return r.driverRows.Next(dest)
}

func (r *guardedRows) NextResultSet() (err error) {
	defer recovered(&err, r.conn)
	return r.driverRows.NextResultSet()
}

// Close reads what is left of the result, unless nothing of it can be understood.
// The driver takes a row with a damaged length for the last one, and then waits
// here for the rest, with no regard to the context; it may never come.
func (r *guardedRows) Close() (err error) {
	if r.conn.garbled {
		return nil
	}
	defer context.AfterFunc(r.ctx, func() { _ = r.conn.dialed.Close() })()
	defer recovered(&err, r.conn)
	return r.driverRows.Close()
}
