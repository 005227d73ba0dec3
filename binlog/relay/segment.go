package relay

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/replication"
)

// Names in the relay's folder.
const (
	segmentPrefix   = "relay."
	segmentDigits   = 6
	indexSuffix     = ".index"
	temporarySuffix = ".tmp"
	baseName        = "relay.base"
)

// magic begins every binlog file.
const magic = "\xfebin"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A segment is one file of the relay. What Relay.mu guards is so marked; the
// rest never changes.
type segment struct {
	number     uint64
	path       string
	format     binlog.Format
	prev       gtid.Set        // everything that came before it
	headerSize int64           // bytes before the first transaction, or the Rotate_event before it
	at         binlog.Position // the leader's position there; zero when the header doesn't say

	limit        int64     // guarded: bytes from the start that are durable and may be read
	sealed       bool      // guarded: nothing will be added
	transactions int       // guarded: how many there are below limit; unknown, and 0, for one sealed before Open
	newest       time.Time // guarded: when something was last made durable in it
	blocks       []block   // guarded: the index as far as limit, of the active segment only
}

// A place is where in the relay something stands; places are ordered.
type place struct {
	segment uint64
	offset  int64
}

func (p place) before(o place) bool {
	return p.segment < o.segment || p.segment == o.segment && p.offset < o.offset
}

func (r *Relay) segmentPath(number uint64) string {
	return filepath.Join(r.cfg.Dir, fmt.Sprintf("%s%0*d", segmentPrefix, segmentDigits, number))
}

func indexPath(segment string) string { return segment + indexSuffix }

// segmentNumber returns the number in a segment's name.
func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, segmentPrefix)
	if !ok || len(digits) < segmentDigits || len(digits) > segmentDigits && digits[0] == '0' {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0
}

// encodeHeader makes what stands before a segment's first transaction. It ends
// with a sync mark, whose CRC32C tells that all of it is there.
func encodeHeader(f binlog.Format, prev gtid.Set, at binlog.Position) ([]byte, error) {
	set, err := prev.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b := append([]byte(magic), f.Event...)
	size := binlog.HeaderSize + len(set)
	if f.Checksum {
		size += binlog.ChecksumSize
	}
	b = append(b, binlog.NewEvent(f, replication.PREVIOUS_GTIDS_EVENT, f.Event.Timestamp(), f.Event.ServerID(),
		uint32(len(b)+size), binlog.FlagIgnorable, set)...)
	if !at.IsZero() {
		b = append(b, encodeRotate(f, at)...)
	}
	mark := syncMark{at: int64(len(b)), crc: crc32.Checksum(b, castagnoli)}
	return append(b, mark.encode(f)...), nil
}

// encodeRotate makes the event that says where in the leader's binlog the next
// event stands.
func encodeRotate(f binlog.Format, at binlog.Position) binlog.Event {
	body := binary.LittleEndian.AppendUint64(nil, at.Offset)
	body = append(body, at.File...)
	return binlog.NewEvent(f, replication.ROTATE_EVENT, 0, f.Event.ServerID(), 0, binlog.FlagArtificial, body)
}

// A syncMark ends a group of events made durable by one fsync.
type syncMark struct {
	at     int64  // where the mark itself stands, so that no other bytes can be taken for it
	synced int64  // the file had been fsynced up to here before anything behind it was written
	crc    uint32 // CRC32C of what stands between synced and at
}

// Offsets in a sync mark's body.
const (
	markAt     = 0
	markSynced = 8
	markCRC    = 16
	markBody   = 20
)

func (m syncMark) encode(f binlog.Format) binlog.Event {
	body := make([]byte, markBody)
	binary.LittleEndian.PutUint64(body[markAt:], uint64(m.at))
	binary.LittleEndian.PutUint64(body[markSynced:], uint64(m.synced))
	binary.LittleEndian.PutUint32(body[markCRC:], m.crc)
	return binlog.NewEvent(f, replication.IGNORABLE_EVENT, 0, 0, 0, binlog.FlagIgnorable, body)
}

// parseMark returns the sync mark that e is, if it is one and stands at the
// given offset. It looks at every byte but those of mark.crc, because where
// events have no checksums nothing else protects them.
func parseMark(e binlog.Event, at int64) (syncMark, bool) {
	if e.Type() != replication.IGNORABLE_EVENT {
		return syncMark{}, false
	}
	switch len(e) {
	case binlog.HeaderSize + markBody, binlog.HeaderSize + markBody + binlog.ChecksumSize:
	default:
		return syncMark{}, false
	}
	body := e[binlog.HeaderSize:]
	m := syncMark{
		at:     int64(binary.LittleEndian.Uint64(body[markAt:])),
		synced: int64(binary.LittleEndian.Uint64(body[markSynced:])),
		crc:    binary.LittleEndian.Uint32(body[markCRC:]),
	}
	ours := e.Timestamp() == 0 && e.ServerID() == 0 && e.LogPos() == 0 && e.Flags() == binlog.FlagIgnorable
	return m, ours && m.at == at && m.synced >= 0 && m.synced <= at
}
