package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A stream is one connection after its dump command, until it breaks.
type stream struct {
	source   *Source
	conn     net.Conn
	packets  *packetReader
	queue    *queue
	semiSync bool // negotiated: every event has a semi-sync header
	checksum bool // whether events before the first Format_description_event have a CRC32

	// What the reader alone uses.
	format binlog.Format
	groups binlog.Grouper
	where  tracker
	asked  binlog.Position // the last position that was put into the queue to be acknowledged
	began  time.Time       // when the first packet came

	settled atomic.Bool // the stream got on: see settle
}

// errEnded is returned when the leader ended the stream in an orderly way, as it
// does when it shuts down or somebody kills the thread that sends.
var errEnded = errors.New("the leader ended the stream")

// run reads until the stream breaks or ctx ends. What was received until then
// is appended, made durable and acknowledged before it returns.
func (st *stream) run(ctx context.Context) error {
	defer st.conn.Close()
	defer context.AfterFunc(ctx, func() { st.packets.stop(context.Cause(ctx)) })()
	watch, unwatch := context.WithCancel(ctx)
	defer unwatch()

	var work sync.WaitGroup
	var writeErr error
	work.Go(func() { writeErr = st.write() })
	if st.source.cfg.SemiSync {
		work.Go(func() { st.watchSemiSync(watch) })
	}
	err := st.read()
	unwatch()
	st.queue.finish()
	work.Wait()
	if writeErr != nil {
		return writeErr
	}
	return err
}

// read takes packets until one can't be had.
func (st *stream) read() error {
	for {
		payload, err := st.packets.read()
		if err != nil {
			return err
		}
		now := time.Now()
		if st.began.IsZero() && len(payload) > 0 && payload[0] == mysql.OK_HEADER {
			st.began = now
			st.source.board.enter(Streaming, nil)
			st.source.board.update(func(b *Status) { b.Connections++ })
		}
		it, ok, err := st.receive(payload, now)
		if err != nil {
			return streamError(err)
		}
		st.count(it, now)
		if it.last {
			st.source.patience = st.source.firstPatience()
		}
		if ok && !st.queue.push(it) {
			// The writer has failed and says why.
			return errors.New("the writer has ended")
		}
	}
}

// receive turns a packet into what the writer must do; ok is false for
// nothing.
func (st *stream) receive(payload []byte, now time.Time) (it item, ok bool, err error) {
	raw, flagged, err := st.unwrap(payload)
	if err != nil {
		return item{}, false, err
	}
	e, err := binlog.CheckEvent(raw)
	if err != nil {
		return item{}, false, err
	}
	part, err := st.verify(e)
	if err != nil {
		return item{}, false, err
	}
	at := st.where.pos
	keep, err := st.place(e, part, &at)
	if err != nil {
		return item{}, false, err
	}
	if keep {
		it.event, it.last = e, part == binlog.Last
	}
	if st.semiSync && (flagged || st.isPassed(e)) && !st.where.pos.IsZero() {
		it.ack, it.at = at, now
		st.asked = at
	}
	return it, keep || !it.ack.IsZero(), nil
}

// unwrap takes the packet's status byte and, if it was negotiated, the
// semi-sync header off an event. The header can't be recognised by its first
// byte: an event's timestamp may begin with the same.
func (st *stream) unwrap(payload []byte) (raw []byte, flagged bool, err error) {
	if len(payload) == 0 {
		return nil, false, fmt.Errorf("%w: an empty packet", binlog.ErrMalformed)
	}
	switch payload[0] {
	case mysql.OK_HEADER:
	case mysql.ERR_HEADER:
		return nil, false, parseServerError(payload)
	case mysql.EOF_HEADER:
		return nil, false, errEnded
	default:
		return nil, false, fmt.Errorf("%w: a packet that begins with %02x", binlog.ErrMalformed, payload[0])
	}
	raw = payload[1:]
	if !st.semiSync {
		return raw, false, nil
	}
	if len(raw) < 2 || raw[0] != semiSyncMagic {
		return nil, false, fmt.Errorf("%w: an event without the semi-sync header that was agreed on", binlog.ErrMalformed)
	}
	flagged = raw[1]&ackWanted != 0
	if flagged {
		st.packets.expectRestart()
	}
	return raw[2:], flagged, nil
}

// parseServerError reads an ERR packet: 0xff, error number, '#' and SQLSTATE,
// message.
func parseServerError(payload []byte) error {
	if len(payload) < 3 {
		return fmt.Errorf("%w: an error packet of %d bytes", binlog.ErrMalformed, len(payload))
	}
	e := &mysql.MyError{Code: uint16(payload[1]) | uint16(payload[2])<<8}
	rest := payload[3:]
	if len(rest) >= 6 && rest[0] == '#' {
		e.State, rest = string(rest[1:6]), rest[6:]
	}
	e.Message = string(rest)
	return e
}

// verify checks the event against its checksum, follows the format and says
// which part of a transaction the event is.
func (st *stream) verify(e binlog.Event) (binlog.Part, error) {
	if e.Type() == replication.FORMAT_DESCRIPTION_EVENT {
		f, err := binlog.ParseFormat(e)
		if err != nil {
			return binlog.Outside, err
		}
		st.format = f
	} else if err := e.VerifyChecksum(st.current()); err != nil {
		return binlog.Outside, err
	}
	part, err := st.groups.Next(e, st.format)
	if err != nil {
		return binlog.Outside, err
	}
	if part != binlog.Outside && len(st.format.Event) == 0 {
		return binlog.Outside, fmt.Errorf("%w: a %s before the Format_description_event", binlog.ErrMalformed, e.Type())
	}
	return part, nil
}

// current is the format that the event just read was written in. Before the
// first Format_description_event comes a Rotate_event that the leader made up,
// with a checksum if its binlog_checksum says so.
func (st *stream) current() binlog.Format {
	if len(st.format.Event) == 0 {
		return binlog.Format{Checksum: st.checksum}
	}
	return st.format
}

// place follows the leader's files and says whether the relay keeps the event.
// at becomes the position of the event's end.
func (st *stream) place(e binlog.Event, part binlog.Part, at *binlog.Position) (keep bool, err error) {
	t := e.Type()
	switch t {
	case replication.HEARTBEAT_EVENT, replication.HEARTBEAT_LOG_EVENT_V2:
		err := st.where.heartbeat(e, st.current())
		*at = st.where.pos
		return false, err
	case replication.ROTATE_EVENT:
		// It ends in the old file and leads to the next.
		if e.Flags()&binlog.FlagArtificial == 0 {
			st.where.advance(e)
			*at = st.where.pos
		}
		return true, st.where.rotate(e, st.current())
	}
	if e.Flags()&binlog.FlagArtificial == 0 {
		st.where.advance(e)
	}
	*at = st.where.pos
	switch {
	case part != binlog.Outside || t == replication.FORMAT_DESCRIPTION_EVENT:
		return true, nil
	case t == replication.PREVIOUS_GTIDS_EVENT, t == replication.STOP_EVENT, t == replication.IGNORABLE_EVENT,
		e.Flags()&binlog.FlagIgnorable != 0:
		return false, nil
	}
	return false, unknownEvent(e, *at)
}

// isPassed tells whether e is a heartbeat that says something new about what
// the leader need not send: it has left transactions out since we have them.
// Clients may still wait for them, whose acknowledgement was lost with an
// earlier connection, and only this position frees them. The relay knows a
// position too, that of its last transaction, but not whether it was this
// server that gave it, nor whether its binlog was reset since: to acknowledge
// it could free clients whose transactions we never saw. What the heartbeat
// says holds here and now.
func (st *stream) isPassed(e binlog.Event) bool {
	t := e.Type()
	heartbeat := t == replication.HEARTBEAT_EVENT || t == replication.HEARTBEAT_LOG_EVENT_V2
	return heartbeat && !st.groups.Open() && st.where.pos != st.asked
}

// count keeps the Status and says when the stream got on.
func (st *stream) count(it item, now time.Time) {
	s := st.source
	s.board.update(func(b *Status) {
		b.LastEvent = now
		b.Position = st.where.pos
		if it.event != nil {
			b.Events++
			b.Bytes += uint64(len(it.event))
		}
		if it.last {
			b.Transactions++
		}
	})
	if now.Sub(st.began) >= s.cfg.Heartbeat {
		st.settle()
	}
}

// settle is called when a whole transaction has become durable, or the stream
// has lasted for a heartbeat's time. Only then the former trouble counts as
// overcome: a leader may refuse the stream after some packets.
func (st *stream) settle() {
	if !st.settled.CompareAndSwap(false, true) {
		return
	}
	s := st.source
	s.board.update(func(b *Status) { b.Attempts = 0 })
	message := "the stream from the leader runs"
	if status := s.Status(); status.SemiSync.Problem != "" {
		message += "; " + status.SemiSync.Problem
	}
	s.told.gotOn(message)
}
