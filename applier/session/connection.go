package session

import (
	"fmt"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// connection is the client's, of which a damaged answer breaks one, rather than
// the process: the client indexes what a server sends without looking at its
// length. After such an error nothing that comes can be understood any more.
type connection struct{ *client.Conn }

// A damagedError is an answer that the client could not make sense of.
type damagedError struct{ cause any }

func (e damagedError) Error() string {
	return fmt.Sprintf("the server's answer can't be read: %v", e.cause)
}

// Unwrap has it taken for what it comes to: the connection is lost.
func (e damagedError) Unwrap() error { return mysql.ErrBadConn }

// Execute runs a statement.
func (c connection) Execute(statement string) (r *mysql.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, damagedError{p}
		}
	}()
	return c.Conn.Execute(statement)
}

// HandleErrorPacket is the error that an ERR packet tells.
func (c connection) HandleErrorPacket(packet []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damagedError{p}
		}
	}()
	return c.Conn.HandleErrorPacket(packet)
}
