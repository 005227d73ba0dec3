package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/batondb/baton/binlog"
)

// Semi-synchronous replication, source side: MySQL's manual, "Semisynchronous
// Replication"; packets as in semisync.h of the server's source documentation.
const (
	semiSyncMagic = 0xef // begins the header of each event, and an acknowledgement
	ackWanted     = 0x01 // the header's flag: a client waits for this position
)

// pluginState is what the leader's semi-sync plugin does.
type pluginState int

const (
	pluginMissing pluginState = iota
	pluginOff
	pluginOn
)

func semiSyncState(vars map[string]string) pluginState {
	for _, name := range []string{"rpl_semi_sync_source_enabled", "rpl_semi_sync_master_enabled"} {
		switch vars[name] {
		case "ON":
			return pluginOn
		case "OFF":
			return pluginOff
		}
	}
	return pluginMissing
}

// noteSemiSync shows what became of the wish to acknowledge. Where the plugin
// is there we announce ourselves even if it is off, so that whoever switches it
// on later has a replica that acknowledges.
func (s *Source) noteSemiSync(state pluginState, negotiated bool) {
	s.board.update(func(st *Status) {
		st.SemiSync.Active = negotiated && state == pluginOn
		st.SemiSync.Problem, st.SemiSync.Mend = "", ""
		if !st.SemiSync.Wanted || st.SemiSync.Active {
			return
		}
		switch state {
		case pluginMissing:
			st.SemiSync.Problem = "not acknowledging: the leader has no semi-sync plugin"
			st.SemiSync.Mend = "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so' on the leader " +
				"(before 8.0.26: rpl_semi_sync_master, semisync_master.so), unless baton may do it by itself (`baton check`)"
		case pluginOff:
			st.SemiSync.Problem = "not acknowledging: semi-sync is off on the leader"
			st.SemiSync.Mend = "SET GLOBAL rpl_semi_sync_source_enabled=ON on the leader, unless baton may do it by itself (`baton check`)"
		}
	})
}

// errSemiSyncAppeared ends a stream that began when the leader had no
// semi-sync plugin, since it can only be asked for at the beginning.
var errSemiSyncAppeared = errors.New("the leader has a semi-sync plugin now; connecting again to acknowledge to it")

// watchSemiSync looks from time to time whether the leader's plugin was
// installed, switched on or off, which the stream doesn't tell.
func (st *stream) watchSemiSync(ctx context.Context) {
	s := st.source
	ticker := time.NewTicker(s.cfg.Retry)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		state, err := s.askSemiSync(ctx)
		if err != nil {
			// The stream itself will tell if the leader is in trouble.
			continue
		}
		if state != pluginMissing && !st.semiSync {
			st.packets.stop(errSemiSyncAppeared)
			return
		}
		s.noteSemiSync(state, st.semiSync)
	}
}

func (s *Source) askSemiSync(ctx context.Context) (pluginState, error) {
	conn, release, err := s.dial(ctx)
	if err != nil {
		return pluginMissing, err
	}
	defer release()
	defer rawConn(conn).Close()
	vars, err := variables(conn, "SHOW GLOBAL VARIABLES LIKE 'rpl\\_semi\\_sync\\_%\\_enabled'")
	if err != nil {
		return pluginMissing, err
	}
	return semiSyncState(vars), nil
}

// acknowledge tells the leader that everything up to pos is durable here. The
// packet is written to the connection itself, with the sequence number 0: the
// reader counts the packets of the other direction meanwhile.
func (st *stream) acknowledge(pos binlog.Position, arrived time.Time) error {
	s := st.source
	if err := st.conn.SetWriteDeadline(time.Now().Add(s.cfg.ReadTimeout)); err != nil {
		return fmt.Errorf("acknowledge %s: %w", pos, err)
	}
	if _, err := st.conn.Write(ackPacket(pos)); err != nil {
		return fmt.Errorf("acknowledge %s: %w", pos, err)
	}
	now := time.Now()
	latency := now.Sub(arrived)
	s.board.update(func(b *Status) {
		b.SemiSync.Position, b.SemiSync.Last = pos, now
		b.SemiSync.Acknowledgements++
		b.SemiSync.Latency = latency
		b.SemiSync.LatencySum += latency
	})
	if s.deps.Acknowledged != nil {
		s.deps.Acknowledged(latency)
	}
	return nil
}

// ackPacket is the packet of an acknowledgement with its header: magic number,
// 8 bytes offset, file name.
func ackPacket(pos binlog.Position) []byte {
	size := 1 + 8 + len(pos.File)
	p := make([]byte, 0, 4+size)
	p = append(p, byte(size), byte(size>>8), byte(size>>16), 0, semiSyncMagic)
	p = binary.LittleEndian.AppendUint64(p, pos.Offset)
	return append(p, pos.File...)
}
