package session

import (
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	instance "github.com/batondb/baton/internal/mysql"
)

// connection is the client's, of which a damaged answer breaks one, rather than
// the process. After such an error nothing that comes can be understood any more.
type connection struct{ *client.Conn }

// Execute runs a statement.
func (c connection) Execute(statement string) (*mysql.Result, error) {
	return instance.Execute(c.Conn, statement)
}

// HandleErrorPacket is the error that an ERR packet tells.
func (c connection) HandleErrorPacket(packet []byte) error {
	return instance.ErrorPacket(c.Conn, packet)
}
