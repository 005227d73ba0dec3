package relay

import (
	"encoding/binary"
	"fmt"

	"github.com/batondb/baton/binlog"
)

// rotateName is where the name stands in a Rotate_event's body, after the
// 64-bit offset.
const rotateName = 8

// maxFileName is the longest name that the server gives a binlog file (FN_REFLEN).
const maxFileName = 512

// parseRotate returns the place that a Rotate_event names. The stream's first
// one comes before the Format_description_event, so whether the event has a
// checksum is told by the bytes themselves.
func parseRotate(e binlog.Event) (binlog.Position, error) {
	body := e[binlog.HeaderSize:]
	if e.VerifyChecksum(binlog.Format{Checksum: true}) == nil {
		body = body[:len(body)-binlog.ChecksumSize]
	}
	if len(body) <= rotateName || len(body) > rotateName+maxFileName {
		return binlog.Position{}, fmt.Errorf("%w: a Rotate_event's body of %d bytes", binlog.ErrMalformed, len(body))
	}
	return binlog.Position{File: string(body[rotateName:]), Offset: binary.LittleEndian.Uint64(body)}, nil
}

// A follower of positions: advance tells where in the leader's binlog an event
// ends, given where the one before it ended.
//
// The position in an event's header has 32 bits, and a file that ends with a huge
// transaction may be longer than 4 GiB. Within a file positions only grow, so a
// smaller one has wrapped. Only the last commit group of a file lies above 4 GiB
// (the server changes files at max_binlog_size ≤ 1 GiB, as soon as the group is
// written), so no gap of 4 GiB, which couldn't be seen, comes before an event.
func advance(at binlog.Position, e binlog.Event) binlog.Position {
	if at.File == "" || e.LogPos() == 0 || e.Flags()&binlog.FlagArtificial != 0 {
		return at
	}
	const wrap = 1 << 32
	end := at.Offset&^(wrap-1) | uint64(e.LogPos())
	if end < at.Offset {
		end += wrap
	}
	at.Offset = end
	return at
}
