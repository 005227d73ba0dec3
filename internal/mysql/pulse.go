package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// A Pulse is the part of [Facts] that changes all the time.
type Pulse struct {
	Asked, Read   time.Time // the values were so at some moment between the two
	ServerUUID    string
	GTIDOwned     gtid.Set // see [Facts]
	GTIDExecuted  gtid.Set
	GTIDPurged    gtid.Set
	ReadOnly      bool
	SuperReadOnly bool
	Clock         Clock
	// What these mean is said at [SemiSync].
	SemiSyncActive         bool
	SemiSyncUnacknowledged int64
	SemiSyncWaiting        int
}

// ReadPulse asks a MySQL server for its pulse in one short statement, which
// needs no lock. Errors wrap a [*Fault].
func ReadPulse(ctx context.Context, conn *sql.Conn) (Pulse, error) {
	p := Pulse{Asked: time.Now()}
	var owned, executed, purged string
	var status sql.NullString
	var micros int64
	err := conn.QueryRowContext(ctx, "SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_owned, @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged, @@GLOBAL.read_only, @@GLOBAL.super_read_only, "+askClock+","+
		" (SELECT GROUP_CONCAT(VARIABLE_NAME, '=', VARIABLE_VALUE) FROM performance_schema.global_status WHERE VARIABLE_NAME IN ('"+
		strings.Join(semiSyncStatusNames, "', '")+"'))").
		Scan(&p.ServerUUID, &owned, &executed, &purged, &p.ReadOnly, &p.SuperReadOnly, &micros, &status)
	p.Read = time.Now()
	p.Clock = clockOf(micros, p.Asked, p.Read)
	if err == nil {
		p.GTIDOwned, err = parseOwned(owned)
	}
	if err == nil {
		p.GTIDExecuted, err = gtid.ParseSet(executed)
	}
	if err == nil {
		p.GTIDPurged, err = gtid.ParseSet(purged)
	}
	if err != nil {
		return p, fmt.Errorf("read the server's GTID sets: %w", Classify(err))
	}
	v := values{}
	for pair := range strings.SplitSeq(status.String, ",") {
		name, value, _ := strings.Cut(pair, "=")
		v[strings.ToLower(name)] = value
	}
	var s SemiSync
	s.setStatus(v)
	p.SemiSyncActive, p.SemiSyncUnacknowledged, p.SemiSyncWaiting = s.SourceActive, s.Unacknowledged, s.Waiting
	return p, nil
}

// Pulse returns the pulse that the facts hold.
func (f *Facts) Pulse() Pulse {
	return Pulse{
		Asked: f.At, Read: f.Read, ServerUUID: f.ServerUUID, GTIDOwned: f.GTIDOwned, GTIDExecuted: f.GTIDExecuted, GTIDPurged: f.GTIDPurged,
		ReadOnly: f.ReadOnly, SuperReadOnly: f.SuperReadOnly, Clock: f.Clock,
		SemiSyncActive: f.SemiSync.SourceActive, SemiSyncUnacknowledged: f.SemiSync.Unacknowledged, SemiSyncWaiting: f.SemiSync.Waiting,
	}
}

// With returns a copy of the facts with a newer pulse of the same server.
func (f *Facts) With(p Pulse) *Facts {
	newer := *f
	newer.GTIDOwned, newer.GTIDExecuted, newer.GTIDPurged = p.GTIDOwned, p.GTIDExecuted, p.GTIDPurged
	newer.ReadOnly, newer.SuperReadOnly = p.ReadOnly, p.SuperReadOnly
	newer.At, newer.Read, newer.Clock = p.Asked, p.Read, p.Clock
	newer.SemiSync.SourceActive, newer.SemiSync.Unacknowledged, newer.SemiSync.Waiting =
		p.SemiSyncActive, p.SemiSyncUnacknowledged, p.SemiSyncWaiting
	return &newer
}
