package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// useHeartbeatV2 is the flag of COM_BINLOG_DUMP_GTID that asks for heartbeats
// with 64-bit positions. Servers before 8.0.26 ignore it.
const useHeartbeatV2 = 1 << 1

// connect opens a connection, makes sure that its server can be followed from
// what is durable, and asks for the stream.
func (s *Source) connect(ctx context.Context) (*stream, error) {
	s.board.update(func(st *Status) {
		if st.State == Stopped && st.Reason == "" {
			st.State, st.Since = Connecting, time.Now()
		}
	})
	conn, release, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	raw := rawConn(conn)
	st, err := s.prepare(conn)
	release()
	if err == nil {
		// Whatever deadline the handshake left behind no longer holds.
		err = raw.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	st.packets = newPacketReader(raw, s.cfg.ReadTimeout, s.patience)
	st.conn = raw
	return st, nil
}

// dial opens a connection that the end of ctx interrupts until release is
// called, and on which a handshake takes no longer than the read timeout.
func (s *Source) dial(ctx context.Context) (conn *client.Conn, release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ReadTimeout)
	conn, err = s.deps.Dial(ctx)
	if err != nil {
		cancel()
		return nil, nil, dialError(fmt.Errorf("connect to the leader: %w", err))
	}
	raw := rawConn(conn)
	end := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { end(); cancel() }, nil
}

// rawConn is what client.Conn reads packets from: the TCP connection, or the
// TLS session on it. Closing it instead of the client.Conn touches no state
// that another goroutine may be using.
func rawConn(conn *client.Conn) net.Conn { return conn.Conn.Conn }

// prepare makes the connection a stream, up to the dump command.
func (s *Source) prepare(conn *client.Conn) (*stream, error) {
	if conn.Compression != mysql.MYSQL_COMPRESS_NONE {
		return nil, errors.New("connect to the leader: the connection is compressed, which the stream doesn't support")
	}
	lead, err := inspect(conn)
	if err != nil {
		return nil, err
	}
	durable := s.deps.Relay.Durable()
	if err := lead.check(s.cfg.ServerID, durable); err != nil {
		return nil, err
	}
	s.told.ahead(lead.lacksOfOthers(durable).String())
	semi := s.cfg.SemiSync && lead.semiSync != pluginMissing
	if err := s.introduce(conn, semi); err != nil {
		return nil, fmt.Errorf("register with the leader: %w", commandError(err))
	}
	if err := s.dump(conn, durable); err != nil {
		return nil, fmt.Errorf("ask the leader for its binlog: %w", err)
	}
	s.board.update(func(st *Status) { st.LeaderUUID, st.LeaderVersion = lead.uuid.String(), lead.version })
	s.noteSemiSync(lead.semiSync, semi)
	return &stream{source: s, checksum: lead.checksum, semiSync: semi, queue: newQueue(s.cfg.QueueSize)}, nil
}

// introduce does what a replica does before it asks for the binlog. The names
// with master and slave are those that servers before 8.0.26 know.
func (s *Source) introduce(conn *client.Conn, semiSync bool) error {
	set := fmt.Sprintf("SET @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'CRC32', "+
		"@source_heartbeat_period = %[1]d, @master_heartbeat_period = %[1]d, "+
		"@replica_uuid = '%[2]s', @slave_uuid = '%[2]s'",
		s.cfg.Heartbeat.Nanoseconds(), replicaUUID(s.cfg.ServerID))
	if semiSync {
		set += ", @rpl_semi_sync_replica = 1, @rpl_semi_sync_slave = 1"
	}
	if _, err := execute(conn, set); err != nil {
		return err
	}
	// SHOW REPLICAS lists us by this command only.
	if err := s.register(conn); err != nil {
		return err
	}
	return readOK(conn)
}

// readOK reads the answer to a command; see execute for the panic.
func readOK(conn *client.Conn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the leader's answer is damaged: %v", p)
		}
	}()
	_, err = conn.ReadOKPacket()
	return err
}

// replicaUUID is the server_uuid that we show to the leader. The leader ends
// an older stream with the same one, not with the same server_id; so it is made
// from the server_id: two programs that share the server_id by mistake are
// found out, and what the leader still keeps of our own last connection goes
// when we come back.
func replicaUUID(serverID uint32) gtid.UUID {
	uuid := gtid.UUID{'b', 'a', 't', 'o', 'n', 0, 0x80, 0, 0x80}
	binary.BigEndian.PutUint32(uuid[12:], serverID)
	return uuid
}

// register sends COM_REGISTER_SLAVE: server_id, then host, user and password
// with their lengths, port, rank and the leader's server_id (0, not known).
func (s *Source) register(conn *client.Conn) error {
	host, _ := os.Hostname()
	host = host[:min(len(host), 60)] // the longest host name that the server takes
	body := []byte{mysql.COM_REGISTER_SLAVE}
	body = binary.LittleEndian.AppendUint32(body, s.cfg.ServerID)
	body = append(body, byte(len(host)))
	body = append(body, host...)
	body = append(body, 0, 0)       // user, password
	body = append(body, 0, 0)       // port
	body = append(body, 0, 0, 0, 0) // rank
	body = append(body, 0, 0, 0, 0) // the leader's server_id
	return command(conn, body)
}

// dump sends COM_BINLOG_DUMP_GTID: flags, server_id, a file name (none) with
// its length, a position, and the set of what we have with its length.
func (s *Source) dump(conn *client.Conn, durable gtid.Set) error {
	set, err := durable.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode the durable set: %w", err)
	}
	body := []byte{mysql.COM_BINLOG_DUMP_GTID}
	body = binary.LittleEndian.AppendUint16(body, useHeartbeatV2)
	body = binary.LittleEndian.AppendUint32(body, s.cfg.ServerID)
	body = binary.LittleEndian.AppendUint32(body, 0)
	body = binary.LittleEndian.AppendUint64(body, 4) // the first event of a file
	body = binary.LittleEndian.AppendUint32(body, uint32(len(set)))
	body = append(body, set...)
	return command(conn, body)
}

func command(conn *client.Conn, body []byte) error {
	conn.ResetSequence()
	// WritePacket fills in the four bytes of the header.
	return conn.WritePacket(append(make([]byte, 4, 4+len(body)), body...))
}
