package relay

import (
	"path/filepath"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// SegmentInfo describes one segment.
type SegmentInfo struct {
	Number       uint64
	Name         string    // of the file in Config.Dir
	Bytes        int64     // durable
	Before       gtid.Set  // everything that came before it
	GTIDs        gtid.Set  // of the durable transactions in it
	Newest       time.Time // when the newest of them became durable; when the segment was begun if there is none
	Transactions int64     // number of them
	Current      bool      // it is being written
}

// Segments lists the segments, the oldest first.
func (r *Relay) Segments() []SegmentInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	infos := make([]SegmentInfo, len(r.segments))
	for i, seg := range r.segments {
		end := r.durable
		if i+1 < len(r.segments) {
			end = r.segments[i+1].prev
		}
		gtids := end.Subtract(seg.prev)
		infos[i] = SegmentInfo{
			Number: seg.number, Name: filepath.Base(seg.path), Bytes: seg.limit,
			Before: seg.prev, GTIDs: gtids, Newest: seg.newest, Transactions: gtids.Count(),
			Current: i+1 == len(r.segments),
		}
	}
	return infos
}

// SetLimits changes Config.MaxSize and Config.Retention from the next Purge on.
func (r *Relay) SetLimits(maxSize int64, retention time.Duration) {
	r.purging.Lock()
	defer r.purging.Unlock()
	limits := Config{MaxSize: maxSize}.withDefaults()
	r.cfg.MaxSize, r.cfg.Retention = limits.MaxSize, retention
}
