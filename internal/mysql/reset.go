package mysql

import (
	"context"
	"fmt"

	"github.com/batondb/baton/binlog/gtid"
)

// ReplaceExecuted makes executed the server's gtid_executed and gtid_purged,
// whatever they were, and removes all its binlogs: GTIDs vanish in no other way.
// It is for an instance that nobody writes to, fenced best, since in between its
// gtid_executed is empty. It is one query, which the server finishes even if
// baton dies or ctx ends meanwhile. It needs RELOAD, and changes no data, nor who
// may write. Errors wrap a [*Fault].
func ReplaceExecuted(ctx context.Context, target Target, executed gtid.Set) error {
	db, err := target.openPatient(answerTimeout)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var text, comment string
	if err := db.QueryRowContext(ctx, "SELECT VERSION(), @@version_comment").Scan(&text, &comment); err != nil {
		return fmt.Errorf("read the version: %w", Classify(err))
	}
	reset := "RESET BINARY LOGS AND GTIDS"
	if !ParseVersion(text, comment).AtLeast(8, 2, 0) {
		reset = "RESET MASTER"
	}
	// What the undoing of data wrote must be on disk before the trace of it goes.
	if err := set(ctx, db, "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS"); err != nil {
		return err
	}
	return set(ctx, db, reset+"; SET GLOBAL gtid_purged = '"+executed.String()+"'")
}
