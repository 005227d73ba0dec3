package relay

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/logkey"
	"go.uber.org/zap"
)

// Purge removes old segments, the oldest first and never the newest, given what
// each follower has applied, by its name.
//
// A segment goes when all followers have all of its transactions and the newest
// has been durable for Config.Retention. With no follower named nothing is known
// of who needs what, and nothing goes by this rule: a daemon that has just started
// must not take its not having asked yet for nobody's needing anything.
//
// As long as all segments together are larger than Config.MaxSize, the oldest goes
// whoever needs it. Purge returns, sorted, the names of the followers that needed
// what has gone, also when it returns an error, which is ErrClosed or one of
// removing a file.
func (r *Relay) Purge(applied map[string]gtid.Set) (lost []string, err error) {
	r.purging.Lock()
	defer r.purging.Unlock()
	if r.getState() != isOpen {
		return nil, ErrClosed
	}
	for {
		seg, end, size := r.oldest()
		if seg == nil {
			return lost, nil
		}
		needs := needing(applied, end.Subtract(seg.prev))
		unneeded := len(applied) > 0 && len(needs) == 0 && r.now().Sub(seg.newest) >= r.cfg.Retention
		if !unneeded && size <= r.cfg.MaxSize {
			return lost, nil
		}
		if err := r.removeOldest(seg, end); err != nil {
			return lost, fmt.Errorf("purge relay segment %s: %w", seg.path, err)
		}
		if unneeded {
			r.log.Info("removed a relay segment that nobody needs", zap.String(logkey.Segment, seg.path))
		} else {
			r.log.Warn("removed a relay segment for max_size; the instances that needed it must be seeded anew",
				zap.String(logkey.Segment, seg.path), zap.Strings(logkey.Instance, needs))
		}
		for _, name := range needs {
			if !slices.Contains(lost, name) {
				lost = append(lost, name)
			}
		}
		slices.Sort(lost)
	}
}

// oldest returns the segment that Purge may remove next, the set at its end, and
// the size of all segments; nil if there is none but the newest.
func (r *Relay) oldest() (seg *segment, end gtid.Set, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.segments) < 2 {
		return nil, gtid.Set{}, 0
	}
	for _, s := range r.segments {
		size += s.limit
	}
	return r.segments[0], r.segments[1].prev, size
}

// needing returns the names of those who lack some of set.
func needing(applied map[string]gtid.Set, set gtid.Set) (names []string) {
	for name, has := range applied {
		if !has.ContainsSet(set) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// removeOldest removes the first segment and then its index, so that a crash
// leaves an index without a segment at worst, which Open removes. Each removal is
// made durable before the next: the segments that are left are always the newest.
func (r *Relay) removeOldest(seg *segment, end gtid.Set) error {
	if r.unsynced {
		if err := r.fs.SyncDir(r.cfg.Dir); err != nil {
			return err
		}
		r.unsynced = false
	}
	if err := r.fs.Remove(seg.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	r.mu.Lock()
	r.segments = slices.Delete(r.segments, 0, 1)
	r.base = end
	r.mu.Unlock()
	if err := r.fs.SyncDir(r.cfg.Dir); err != nil {
		r.unsynced = true
		return err
	}
	if err := r.fs.Remove(indexPath(seg.path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
