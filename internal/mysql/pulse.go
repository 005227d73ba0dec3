package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// A Pulse is the part of [Facts] that changes all the time.
type Pulse struct {
	Asked, Read   time.Time // the values were so at some moment between the two
	ServerUUID    string
	GTIDExecuted  gtid.Set
	GTIDPurged    gtid.Set
	ReadOnly      bool
	SuperReadOnly bool
}

// ReadPulse asks a MySQL server for its pulse in one short statement, which
// needs no lock. Errors wrap a [*Fault].
func ReadPulse(ctx context.Context, conn *sql.Conn) (Pulse, error) {
	p := Pulse{Asked: time.Now()}
	var executed, purged string
	err := conn.QueryRowContext(ctx, "SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged, @@GLOBAL.read_only, @@GLOBAL.super_read_only").
		Scan(&p.ServerUUID, &executed, &purged, &p.ReadOnly, &p.SuperReadOnly)
	p.Read = time.Now()
	if err == nil {
		p.GTIDExecuted, err = gtid.ParseSet(executed)
	}
	if err == nil {
		p.GTIDPurged, err = gtid.ParseSet(purged)
	}
	if err != nil {
		return p, fmt.Errorf("read the server's GTID sets: %w", Classify(err))
	}
	return p, nil
}

// Pulse returns the pulse that the facts hold.
func (f *Facts) Pulse() Pulse {
	return Pulse{
		Asked: f.At, Read: f.Read, ServerUUID: f.ServerUUID, GTIDExecuted: f.GTIDExecuted, GTIDPurged: f.GTIDPurged,
		ReadOnly: f.ReadOnly, SuperReadOnly: f.SuperReadOnly,
	}
}

// With returns a copy of the facts with a newer pulse of the same server.
func (f *Facts) With(p Pulse) *Facts {
	newer := *f
	newer.GTIDExecuted, newer.GTIDPurged = p.GTIDExecuted, p.GTIDPurged
	newer.ReadOnly, newer.SuperReadOnly = p.ReadOnly, p.SuperReadOnly
	newer.At, newer.Read = p.Asked, p.Read
	return &newer
}
