package conformance

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// native is a replica of MySQL's own beside baton's followers.
type native struct {
	*mysqltest.Server
	t *testing.T
}

func (n *native) start(leader *mysqltest.Server) {
	n.t.Helper()
	n.MustExec(n.t, "SET GLOBAL read_only = ON", "SET GLOBAL log_bin_trust_function_creators = ON",
		fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %d, SOURCE_USER = '%s', SOURCE_PASSWORD = '%s', "+
			"SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 100", leader.Port, mysqltest.User, mysqltest.Password),
		"START REPLICA")
}

// failedTransaction is where an error message names the transaction.
var failedTransaction = regexp.MustCompile(`transaction '([0-9a-f-]+:[^']+)'`)

// stopped is the error number that the applier stopped with, and which transaction it met; "" while it runs.
func (n *native) stopped() (code, transaction string) {
	for _, row := range n.Rows(n.t, `SELECT last_error_number, last_error_message, '' FROM performance_schema.replication_applier_status_by_worker
		WHERE last_error_number <> 0 AND service_state = 'OFF' UNION ALL
		SELECT last_error_number, last_error_message, processing_transaction FROM performance_schema.replication_applier_status_by_coordinator
		WHERE last_error_number <> 0`) {
		match := failedTransaction.FindStringSubmatch(row[1])
		switch {
		case match != nil && !strings.Contains(match[1], "ANONYMOUS"):
			return row[0], match[1]
		case match == nil && row[2] != "":
			// What the coordinator itself refuses doesn't name it.
			return row[0], row[2]
		}
	}
	return "", ""
}

// skip has the replica leave a transaction out.
func (n *native) skip(transaction string) {
	n.t.Helper()
	conn, err := n.DB().Conn(n.t.Context())
	require.NoError(n.t, err)
	defer conn.Close()
	for _, statement := range []string{"STOP REPLICA", "SET SESSION gtid_next = '" + transaction + "'", "BEGIN", "COMMIT",
		"SET SESSION gtid_next = AUTOMATIC", "START REPLICA"} {
		_, err := conn.ExecContext(n.t.Context(), statement)
		require.NoError(n.t, err, statement)
	}
}

// resume has the replica go on after a restart, its own or the leader's: by itself it looks for the leader only once a
// second.
func (n *native) resume() {
	n.t.Helper()
	n.MustExec(n.t, "SET GLOBAL read_only = ON", "STOP REPLICA IO_THREAD", "START REPLICA")
}
