package mysql

import (
	"fmt"

	"github.com/go-mysql-org/go-mysql/client"
	protocol "github.com/go-mysql-org/go-mysql/mysql"
)

// A damagedError is an answer that the client could not make sense of: it
// indexes what a server sends without looking at its length, and panics where
// bytes were changed on the way.
type damagedError struct{ cause any }

func (e damagedError) Error() string { return fmt.Sprintf("%v: %v", errGarbled, e.cause) }

// Unwrap has it taken for what it comes to: the connection is lost.
func (e damagedError) Unwrap() error { return protocol.ErrBadConn }

// Execute runs a statement on a connection of [Target.Dial]. After an answer that
// can't be read, which wraps the client's ErrBadConn, nothing that comes on the
// connection can be understood any more. Other errors are the client's.
func Execute(conn *client.Conn, statement string) (r *protocol.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, damagedError{p}
		}
	}()
	return conn.Execute(statement)
}

// ErrorPacket is the error that an ERR packet tells, or that it can't be read.
func ErrorPacket(conn *client.Conn, packet []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damagedError{p}
		}
	}()
	return conn.HandleErrorPacket(packet)
}
