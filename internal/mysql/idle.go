package mysql

import (
	"context"
	"fmt"
)

// idleStatement reads the connections that are idle, by what performance_schema
// knows of transactions. information_schema.INNODB_TRX can't tell: it may be a
// tenth of a second old, and knows a transaction only from its first access on.
const idleStatement = "SELECT t.PROCESSLIST_ID AS id FROM performance_schema.threads t" +
	" LEFT JOIN performance_schema.events_transactions_current x ON x.THREAD_ID = t.THREAD_ID AND x.STATE = 'ACTIVE'" +
	" WHERE t.TYPE = 'FOREGROUND' AND t.INSTRUMENTED = 'YES' AND t.PROCESSLIST_COMMAND = 'Sleep' AND x.THREAD_ID IS NULL"

// transactionsTold reads whether performance_schema follows transactions, as it
// does by default.
const transactionsTold = "SELECT (SELECT COUNT(*) FROM performance_schema.setup_consumers WHERE ENABLED = 'YES'" +
	" AND NAME IN ('global_instrumentation', 'thread_instrumentation', 'events_transactions_current')) = 3" +
	" AND (SELECT COUNT(*) FROM performance_schema.setup_instruments WHERE ENABLED = 'YES' AND NAME = 'transaction') = 1"

// IdleConnections returns the numbers of the connections on which nothing is
// under way: no statement, and no transaction, be it one that was only begun. It
// is so when they are asked, and may be otherwise a moment later. known is false
// where performance_schema was told not to follow that. Errors wrap a [*Fault].
func IdleConnections(ctx context.Context, q Querier) (idle map[uint64]bool, known bool, err error) {
	if err := q.QueryRowContext(ctx, transactionsTold).Scan(&known); err != nil {
		return nil, false, fmt.Errorf("read what performance_schema follows: %w", Classify(err))
	}
	if !known {
		return nil, false, nil
	}
	rows, err := namedRows(ctx, q, idleStatement)
	if err != nil {
		return nil, false, fmt.Errorf("read the idle connections: %w", Classify(err))
	}
	idle = map[uint64]bool{}
	for _, r := range rows {
		idle[uint64(r.integer("id"))] = true
	}
	return idle, true, nil
}
