package rewind

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/mysql"
	"github.com/go-mysql-org/go-mysql/client"
	protocol "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// nonBlocking is the flag of COM_BINLOG_DUMP_GTID that has the server end the
// stream at the end of its binlog (BINLOG_DUMP_NON_BLOCK).
const nonBlocking = 1 << 0

// readTimeout bounds the silence of a server that is asked for its binlog: it
// passes over everything that we don't want before it sends a first event.
const readTimeout = 5 * time.Minute

// ErrPurged is wrapped by the error of [Read] when the old leader's binlogs no
// longer hold the errant transactions: they can be neither looked at nor undone.
var ErrPurged = errors.New("the binlogs with the errant transactions are gone there; rebuild the instance from another")

// Read reads the errant transactions from the instance's binlog into a new
// folder below dir, and judges whether they can be undone. It changes nothing on
// the server. The caller closes what it returns. Errors wrap [ErrPurged],
// [ErrChanged], [ErrMarked], a [*mysql.Fault] or ctx's error.
func Read(ctx context.Context, deps Deps, errant gtid.Set, dir string) (*Errant, error) {
	e := &Errant{deps: deps, set: errant, read: time.Now()}
	if err := e.open(ctx, dir); err != nil {
		if e.spool != nil {
			_ = e.Close()
		}
		return nil, fmt.Errorf("read the errant transactions of %s: %w", deps.Target.Name, err)
	}
	return e, nil
}

func (e *Errant) open(ctx context.Context, dir string) error {
	db, err := e.deps.Target.Open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, marked, err := ReadMark(ctx, db)
	switch {
	case err != nil:
		return err
	case marked:
		return ErrMarked
	}
	if e.uuid, e.executed, err = identity(ctx, db); err != nil {
		return err
	}
	if missing := e.set.Subtract(e.executed); e.set.IsEmpty() || !missing.IsEmpty() {
		return fmt.Errorf("%w: it hasn't executed %s", ErrChanged, missing)
	}
	purged, err := mysql.GTIDPurged(ctx, db)
	if err != nil {
		return err
	}
	if gone := e.set.Intersect(purged); !gone.IsEmpty() {
		return fmt.Errorf("%s: %w", gone, ErrPurged)
	}
	if err := e.makeFolder(dir); err != nil {
		return err
	}
	if err := e.receive(ctx); err != nil {
		return err
	}
	if e.tables, err = e.readTables(ctx, db); err != nil {
		return err
	}
	e.plan, err = e.judge(ctx)
	return err
}

// receive takes the transactions from the server, into the spool.
func (e *Errant) receive(ctx context.Context) error {
	conn, err := e.deps.Target.Dial(ctx)
	if err != nil {
		return err
	}
	// Not client.Conn's own Close, which touches what another goroutine may use.
	raw := conn.Conn.Conn
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if err := e.dump(conn); err != nil {
		return interrupted(ctx, fmt.Errorf("ask for the binlog: %w", err))
	}
	in := receiver{errant: e, out: newSpooler(e.spool)}
	if err := in.run(conn); err != nil {
		return interrupted(ctx, err)
	}
	if e.transactions, err = in.out.finish(); err != nil {
		return err
	}
	if missing := e.set.Subtract(in.got); !missing.IsEmpty() {
		return fmt.Errorf("%s: %w", missing, ErrPurged)
	}
	return nil
}

// interrupted is the cause where err came of ctx's end.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// dump asks for what is not in gtid_executed without the errant transactions:
// flags, server_id, no file name, a position, the set with its length.
func (e *Errant) dump(conn *client.Conn) error {
	uuid := gtid.UUID{'b', 'a', 't', 'o', 'n', '<', 0x80, 0, 0x80}
	binary.BigEndian.PutUint32(uuid[12:], e.deps.ServerID)
	_, err := mysql.Execute(conn, fmt.Sprintf("SET @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'CRC32', "+
		"@replica_uuid = '%[1]s', @slave_uuid = '%[1]s'", uuid))
	if err != nil {
		return err
	}
	set, err := e.executed.Subtract(e.set).MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode the set: %w", err)
	}
	packet := append(make([]byte, 4), protocol.COM_BINLOG_DUMP_GTID)
	packet = binary.LittleEndian.AppendUint16(packet, nonBlocking)
	packet = binary.LittleEndian.AppendUint32(packet, e.deps.ServerID)
	packet = binary.LittleEndian.AppendUint32(packet, 0)
	packet = binary.LittleEndian.AppendUint64(packet, 4) // the first event of a file
	packet = binary.LittleEndian.AppendUint32(packet, uint32(len(set)))
	conn.ResetSequence()
	return conn.WritePacket(append(packet, set...))
}

// A receiver sorts the events of the stream into the spool.
type receiver struct {
	errant *Errant
	out    *spooler
	groups binlog.Grouper
	format binlog.Format
	got    gtid.Set
}

// run reads until the server has no more.
func (r *receiver) run(conn *client.Conn) error {
	for {
		if err := conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
			return err
		}
		packet, err := conn.ReadPacket()
		if err != nil {
			return fmt.Errorf("read the binlog: %w", err)
		}
		switch {
		case len(packet) == 0:
			return fmt.Errorf("%w: an empty packet", binlog.ErrMalformed)
		case packet[0] == protocol.EOF_HEADER && len(packet) < 9:
			if r.groups.Open() {
				return fmt.Errorf("%w: the stream ends inside a transaction", binlog.ErrMalformed)
			}
			return nil
		case packet[0] == protocol.ERR_HEADER:
			return fmt.Errorf("read the binlog: %w", mysql.Classify(mysql.ErrorPacket(conn, packet)))
		case packet[0] != protocol.OK_HEADER:
			return fmt.Errorf("%w: a packet that begins with %02x", binlog.ErrMalformed, packet[0])
		}
		if err := r.event(packet[1:]); err != nil {
			return err
		}
	}
}

func (r *receiver) event(raw []byte) error {
	ev, err := binlog.CheckEvent(raw)
	if err != nil {
		return err
	}
	switch ev.Type() {
	case replication.FORMAT_DESCRIPTION_EVENT:
		if r.format, err = binlog.ParseFormat(ev); err != nil {
			return err
		}
	case replication.ROTATE_EVENT, replication.HEARTBEAT_EVENT, replication.HEARTBEAT_LOG_EVENT_V2:
		// They may come before any format.
		return nil
	default:
		if len(r.format.Event) == 0 {
			return fmt.Errorf("%w: a %s before the Format_description_event", binlog.ErrMalformed, ev.Type())
		}
		if err := ev.VerifyChecksum(r.format); err != nil {
			return err
		}
	}
	part, err := r.groups.Next(ev, r.format)
	if err != nil || part == binlog.Outside {
		return err
	}
	if part == binlog.First {
		info, err := binlog.ParseGTID(ev, r.format)
		if err != nil {
			return err
		}
		if !r.errant.set.Contains(info.GTID) {
			return fmt.Errorf("%w: it has executed %s meanwhile", ErrChanged, info.GTID)
		}
		r.got.Add(info.GTID)
		if err := r.out.begin(info, r.format); err != nil {
			return err
		}
	}
	return r.out.add(ev)
}
