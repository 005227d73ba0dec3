package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Schema is the schema of baton's own tables. The leader's are replicated, so
// that every instance has them.
const Schema = "baton"

// table is one of baton's own tables.
type table struct{ name, definition string }

// tables are those that a leader has. The heartbeat's stays empty; see
// [WriteHeartbeat].
func schemaTables() []table {
	const engine = ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
	return []table{
		{"heartbeat", "(id INT UNSIGNED NOT NULL PRIMARY KEY, written DATETIME(6) NOT NULL" + engine},
		{"epoch", "(epoch BIGINT NOT NULL PRIMARY KEY, leader_uuid CHAR(36) NOT NULL, leader VARCHAR(255) NOT NULL, written DATETIME(6) NOT NULL" + engine},
	}
}

// EnsureSchema creates on the leader what is missing of baton's schema, logged,
// so that followers get it. Where nothing is missing it writes nothing. Errors
// wrap a [*Fault].
func EnsureSchema(ctx context.Context, q Querier) error {
	var there bool
	if err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '"+Schema+"')").Scan(&there); err != nil {
		return fmt.Errorf("look for baton's schema: %w", Classify(err))
	}
	if !there {
		if err := set(ctx, q, "CREATE DATABASE IF NOT EXISTS "+Schema+" DEFAULT CHARACTER SET utf8mb4"); err != nil {
			return err
		}
	}
	for _, t := range schemaTables() {
		err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '"+Schema+"' AND TABLE_NAME = '"+t.name+"')").Scan(&there)
		if err != nil {
			return fmt.Errorf("look for baton's tables: %w", Classify(err))
		}
		if there {
			continue
		}
		if err := set(ctx, q, "CREATE TABLE IF NOT EXISTS "+Schema+"."+t.name+" "+t.definition); err != nil {
			return err
		}
	}
	return nil
}

// WriteHeartbeat shows that the server can still write and sync, without leaving
// anything behind: it commits a transaction that inserts a row into
// baton.heartbeat and deletes it again, unlogged (sql_log_bin=0, which the
// connection keeps). A logged one would wait for an acknowledgement as all
// commits do, so that it would tell less, and on a leader that is deposed
// meanwhile would stay behind as an errant transaction of baton's own making.
// It shows nothing of the binlog. Errors wrap a [*Fault]; after one that isn't
// the server's answer the connection is good for nothing any more.
func WriteHeartbeat(ctx context.Context, conn *sql.Conn, at time.Time) error {
	// Not sql.Tx, whose Commit and Rollback know no context: it is COMMIT that waits
	// for the disk of a server that hangs.
	for _, statement := range []string{
		"START TRANSACTION",
		"INSERT INTO " + Schema + ".heartbeat VALUES (CONNECTION_ID(), '" + at.UTC().Format("2006-01-02 15:04:05.000000") + "')",
		"DELETE FROM " + Schema + ".heartbeat WHERE id = CONNECTION_ID()",
		"COMMIT",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK") // what fails here, failed before
			return fmt.Errorf("write the heartbeat: %w", Classify(err))
		}
	}
	return nil
}

// Unlogged has what a connection writes from now on stay out of the binlog, and
// returns the connection's id. It is for connections that are used for
// [WriteHeartbeat] only. Errors wrap a [*Fault].
func Unlogged(ctx context.Context, conn *sql.Conn) (id uint64, err error) {
	if err := set(ctx, conn, "SET SESSION sql_log_bin = 0"); err != nil {
		return 0, err
	}
	if err := conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		return 0, fmt.Errorf("read the connection's id: %w", Classify(err))
	}
	return id, nil
}

// An Epoch says who leads since when.
type Epoch struct {
	Number     int64
	LeaderUUID string // server_uuid; WriteEpoch fills it in where it is empty
	Leader     string // the instance's name
	Written    time.Time
}

// ErrOtherEpoch is wrapped by the error of [WriteEpoch] where the number is
// that of another leader.
var ErrOtherEpoch = errors.New("the epoch is another leader's")

// WriteEpoch writes on the leader, replicated, that the epoch is its own. It
// needs [EnsureSchema], changes nothing where that is written already, and gives
// [ErrOtherEpoch] where the number is another leader's. Other errors wrap a
// [*Fault].
func WriteEpoch(ctx context.Context, q Querier, e Epoch) error {
	if e.LeaderUUID == "" {
		if err := q.QueryRowContext(ctx, "SELECT @@GLOBAL.server_uuid").Scan(&e.LeaderUUID); err != nil {
			return fmt.Errorf("read server_uuid: %w", Classify(err))
		}
	}
	const where = " FROM " + Schema + ".epoch WHERE epoch = ?"
	var uuid, name string
	err := q.QueryRowContext(ctx, "SELECT leader_uuid, leader"+where, e.Number).Scan(&uuid, &name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = q.ExecContext(ctx, "INSERT INTO "+Schema+".epoch (epoch, leader_uuid, leader, written) VALUES (?, ?, ?, UTC_TIMESTAMP(6))",
			e.Number, e.LeaderUUID, e.Leader)
	case err == nil && uuid != e.LeaderUUID:
		return fmt.Errorf("write epoch %d of %s: %w: that of %s (%s)", e.Number, e.Leader, ErrOtherEpoch, name, uuid)
	}
	if err != nil {
		return fmt.Errorf("write epoch %d of %s: %w", e.Number, e.Leader, Classify(err))
	}
	return nil
}

// ReadEpoch returns the newest epoch that a server knows; ok is false if it
// knows none, as it is without baton's schema. Errors wrap a [*Fault].
func ReadEpoch(ctx context.Context, q Querier) (e Epoch, ok bool, err error) {
	const unknownDatabase, unknownTable = 1049, 1146
	err = q.QueryRowContext(ctx, "SELECT epoch, leader_uuid, leader, written FROM "+Schema+".epoch ORDER BY epoch DESC LIMIT 1").
		Scan(&e.Number, &e.LeaderUUID, &e.Leader, &e.Written)
	if errors.Is(err, sql.ErrNoRows) {
		return Epoch{}, false, nil
	}
	if f := Classify(err); f != nil {
		if f.Code == unknownDatabase || f.Code == unknownTable {
			return Epoch{}, false, nil
		}
		return Epoch{}, false, fmt.Errorf("read the epoch: %w", f)
	}
	return e, true, nil
}

// ProgressTable is the table in Schema, on followers only, in which each batch
// says in its own commit what it was. It is made unlogged: it is no part of the
// leader's data.
const ProgressTable = "progress"

// ProgressStatements make that table, where it is missing. The session that runs
// them has sql_log_bin=0.
func ProgressStatements() []string {
	return []string{
		"CREATE DATABASE IF NOT EXISTS " + Schema + " DEFAULT CHARACTER SET utf8mb4",
		"CREATE TABLE IF NOT EXISTS " + Schema + "." + ProgressTable + " (slot INT NOT NULL PRIMARY KEY, server_uuid CHAR(36) NOT NULL, " +
			"executed LONGTEXT NOT NULL, gtids LONGTEXT NOT NULL, written DATETIME(6) NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
	}
}
