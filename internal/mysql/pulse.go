package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// restartTolerance is how inexact a server's uptime is, which is in whole
// seconds.
const restartTolerance = 2 * time.Second

// A Pulse is the part of [Facts] that changes all the time.
type Pulse struct {
	Asked, Read   time.Time // the values were so at some moment between the two
	ServerUUID    string
	GTIDOwned     gtid.Set // see [Facts]
	GTIDExecuted  gtid.Set
	GTIDPurged    gtid.Set
	ReadOnly      bool
	SuperReadOnly bool
	Uptime        time.Duration // whole seconds
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
	err := conn.QueryRowContext(ctx, "SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_owned, @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged, @@GLOBAL.read_only, @@GLOBAL.super_read_only,"+
		" (SELECT GROUP_CONCAT(VARIABLE_NAME, '=', VARIABLE_VALUE) FROM performance_schema.global_status WHERE VARIABLE_NAME IN ('"+
		strings.Join(statusNames(), "', '")+"'))").
		Scan(&p.ServerUUID, &owned, &executed, &purged, &p.ReadOnly, &p.SuperReadOnly, &status)
	p.Read = time.Now()
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
	p.Uptime = v.seconds("uptime")
	p.SemiSyncActive, p.SemiSyncUnacknowledged, p.SemiSyncWaiting = s.SourceActive, s.Unacknowledged, s.Waiting
	return p, nil
}

// RestartedSince tells whether the server was started between an earlier pulse
// and this one: it says that it runs for less long than it should. A server's
// clock that was set back looks the same.
func (p Pulse) RestartedSince(earlier Pulse) bool {
	if earlier.Read.IsZero() || p.ServerUUID != earlier.ServerUUID {
		return false
	}
	return p.Uptime+restartTolerance < earlier.Uptime+p.Asked.Sub(earlier.Read)
}

// Started is when the server was started, by this machine's clock and to about
// two seconds.
func (p Pulse) Started() time.Time { return p.Read.Add(-p.Uptime) }

// Pulse returns the pulse that the facts hold.
func (f *Facts) Pulse() Pulse {
	return Pulse{
		Asked: f.At, Read: f.Read, ServerUUID: f.ServerUUID, GTIDOwned: f.GTIDOwned, GTIDExecuted: f.GTIDExecuted, GTIDPurged: f.GTIDPurged,
		ReadOnly: f.ReadOnly, SuperReadOnly: f.SuperReadOnly, Uptime: f.Uptime,
		SemiSyncActive: f.SemiSync.SourceActive, SemiSyncUnacknowledged: f.SemiSync.Unacknowledged, SemiSyncWaiting: f.SemiSync.Waiting,
	}
}

// With returns a copy of the facts with a newer pulse of the same server.
func (f *Facts) With(p Pulse) *Facts {
	newer := *f
	newer.GTIDOwned, newer.GTIDExecuted, newer.GTIDPurged = p.GTIDOwned, p.GTIDExecuted, p.GTIDPurged
	newer.ReadOnly, newer.SuperReadOnly = p.ReadOnly, p.SuperReadOnly
	newer.At, newer.Read, newer.Uptime = p.Asked, p.Read, p.Uptime
	newer.SemiSync.SourceActive, newer.SemiSync.Unacknowledged, newer.SemiSync.Waiting =
		p.SemiSyncActive, p.SemiSyncUnacknowledged, p.SemiSyncWaiting
	return &newer
}
