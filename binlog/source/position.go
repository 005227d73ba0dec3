package source

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A tracker follows where the stream is in the leader's binlog files, which
// only acknowledgements need.
//
// An event's header holds the offset of its end modulo 2^32, and a file with a
// large transaction at its end can be larger than that, while the leader
// compares all 64 bits. So the tracker takes the smallest offset beyond the
// last one that agrees with the header. This is exact as long as no 4 GiB are
// left out, since no event is that large; where the leader leaves out
// transactions that we have, a heartbeat (version 2) with the full offset
// follows. With an older leader the offset may then be too small by a multiple
// of 4 GiB, never too large: an acknowledgement comes later, never too soon.
type tracker struct{ pos binlog.Position }

// advance takes an event's end; heartbeats and artificial events aren't given
// to it.
func (t *tracker) advance(e binlog.Event) {
	end := t.pos.Offset + uint64(e.Size())
	low := e.LogPos()
	// 0 means that the event has no place in a file, unless the file has
	// reached a multiple of 2^32.
	if low == 0 && uint32(end) != 0 {
		return
	}
	t.reach(low)
}

func (t *tracker) reach(low uint32) {
	offset := t.pos.Offset&^(1<<32-1) | uint64(low)
	if offset < t.pos.Offset {
		offset += 1 << 32
	}
	t.pos.Offset = offset
}

// rotate takes a Rotate_event: 8 bytes offset, then the name of the next file.
func (t *tracker) rotate(e binlog.Event, f binlog.Format) error {
	body, err := e.Body(f)
	if err != nil {
		return err
	}
	if len(body) <= 8 || bytes.IndexByte(body[8:], 0) >= 0 {
		return fmt.Errorf("%w: a Rotate_event without a usable file name", binlog.ErrMalformed)
	}
	t.pos = binlog.Position{File: string(body[8:]), Offset: binary.LittleEndian.Uint64(body)}
	return nil
}

// heartbeat takes a Heartbeat_log_event of either version: the leader is at
// its position, and whatever lies before it was sent or is in the set that the
// stream began with.
func (t *tracker) heartbeat(e binlog.Event, f binlog.Format) error {
	body, err := e.Body(f)
	if err != nil {
		return err
	}
	if e.Type() == replication.HEARTBEAT_EVENT {
		if string(body) == t.pos.File {
			t.reach(e.LogPos())
		}
		return nil
	}
	name, offset, err := parseHeartbeat(body)
	if err != nil {
		return err
	}
	if name == t.pos.File && offset > t.pos.Offset {
		t.pos.Offset = offset
	}
	return nil
}

// parseHeartbeat reads the body of a Heartbeat_log_event_v2.
func parseHeartbeat(body []byte) (name string, offset uint64, err error) {
	// go-mysql's decoder indexes without looking at the length.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: a heartbeat with the body %x: %v", binlog.ErrMalformed, body, r)
		}
	}()
	h := replication.HeartbeatEvent{Version: 2}
	if err := h.Decode(body); err != nil {
		return "", 0, fmt.Errorf("%w: a heartbeat with the body %x: %w", binlog.ErrMalformed, body, err)
	}
	return h.Filename, h.Offset, nil
}
