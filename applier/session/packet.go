package session

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// A packet is a COM_QUERY of several statements that is being put together.
type packet struct {
	buf        []byte // header of 4 bytes that WritePacket fills in, command, statements
	start      int    // where the first statement begins in buf
	statements []statement
}

// A statement remembers of one in a packet what an error message needs.
type statement struct {
	step string
	maps []tableNamed // the tables of a BINLOG statement

	start, end int  // where the base64 text of its rows stands in the packet
	several    bool // they are of several of the leader's statements
}

// tableNamed is a table that a Table_map event names.
type tableNamed struct{ schema, table string }

// reset empties the packet.
func (p *packet) reset(attributes bool) {
	p.buf = append(p.buf[:0], 0, 0, 0, 0, mysql.COM_QUERY)
	if attributes {
		// No parameters, one set of them: what CLIENT_QUERY_ATTRIBUTES demands
		// (MySQL's protocol documentation, COM_QUERY).
		p.buf = append(p.buf, 0, 1)
	}
	p.start = len(p.buf)
	p.statements = p.statements[:0]
}

func (p *packet) empty() bool { return len(p.statements) == 0 }

// begin starts a statement whose text the caller appends to p.buf.
func (p *packet) begin(s statement) {
	if !p.empty() {
		p.buf = append(p.buf, ';')
	}
	p.statements = append(p.statements, s)
}

// add appends a statement of baton's own.
func (p *packet) add(text string) {
	p.begin(statement{step: text})
	p.buf = append(p.buf, text...)
}

// gtidNext appends the statement that names the transaction.
func (p *packet) gtidNext(g gtid.GTID) {
	p.begin(statement{step: "set GTID_NEXT"})
	p.buf = fmt.Appendf(p.buf, "SET @@SESSION.GTID_NEXT='%s'", g)
}

// version continues a SET statement with a server's version, if it is known.
func (p *packet) version(set string, v uint32) {
	if v == 0 {
		return
	}
	p.buf = append(p.buf, set...)
	p.buf = strconv.AppendUint(p.buf, uint64(v), 10)
}

// nothing appends a transaction without effect, which uses the GTID up. It is
// left out by the server if the GTID is used up already.
func (p *packet) nothing(g gtid.GTID) {
	p.gtidNext(g)
	p.add("BEGIN")
	p.add("COMMIT")
}

// binlog appends a BINLOG statement with events, which have no checksums.
// several says that they are of several of the leader's statements.
func (p *packet) binlog(events []byte, maps []tableNamed, several bool) {
	p.begin(statement{step: "apply rows", maps: maps, several: several})
	st := &p.statements[len(p.statements)-1]
	p.buf = append(p.buf, "BINLOG '"...)
	st.start = len(p.buf)
	p.buf = base64.StdEncoding.AppendEncode(p.buf, events)
	st.end = len(p.buf)
	p.buf = append(p.buf, '\'')
}

// flush sends the packet and reads as many results as it has statements: the
// OK of a BINLOG statement doesn't say that more follow, though they do. The
// server stops at the first error, which is then the last result.
func (s *Session) flush() error {
	p := &s.packet
	if p.empty() {
		return nil
	}
	defer p.reset(s.attributes)
	s.conn.ResetSequence()
	if err := s.conn.WritePacket(p.buf); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	for i := range p.statements {
		answer, err := s.conn.ReadPacket()
		if err != nil {
			return fmt.Errorf("read result: %w", err)
		}
		if len(answer) == 0 {
			return fmt.Errorf("read result: an empty packet")
		}
		switch answer[0] {
		case mysql.OK_HEADER:
		case mysql.ERR_HEADER:
			return p.failed(p.statements[i], s.conn.HandleErrorPacket(answer))
		default:
			return fmt.Errorf("read result: %q was answered with 0x%02x", p.statements[i].step, answer[0])
		}
	}
	return nil
}

func (p *packet) failed(st statement, cause error) *Error {
	e := &Error{Step: st.step, Tables: names(st.maps), Cause: cause, several: st.several}
	if my := serverError(cause); my != nil && explainable(my.Code) && st.end-st.start <= base64.StdEncoding.EncodedLen(explainBytes) {
		// It was encoded here, so that it can be decoded.
		e.rows, _ = base64.StdEncoding.DecodeString(string(p.buf[st.start:st.end]))
	}
	return e
}

// selectDatabase makes a database the session's default, its name being in
// character_set_client. A USE statement that failed would have the server give
// the transaction's GTID up; this command doesn't.
func (s *Session) selectDatabase(name []byte) error {
	s.conn.ResetSequence()
	if err := s.conn.WritePacket(append([]byte{0, 0, 0, 0, mysql.COM_INIT_DB}, name...)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	answer, err := s.conn.ReadPacket()
	switch {
	case err != nil:
		return fmt.Errorf("read result: %w", err)
	case len(answer) > 0 && answer[0] == mysql.OK_HEADER:
		return nil
	case len(answer) > 0 && answer[0] == mysql.ERR_HEADER:
		return s.conn.HandleErrorPacket(answer)
	}
	return fmt.Errorf("read result: the selection of a database was answered with %x", answer)
}

// tellFormat makes the server read the events after it in format f, if it
// doesn't already.
func (s *Session) tellFormat(f binlog.Format) {
	if (binlog.Format{Event: s.format}).SameAs(binlog.Format{Event: f.Event}) {
		return
	}
	s.packet.begin(statement{step: "set the events' format"})
	s.packet.buf = append(s.packet.buf, "BINLOG '"...)
	s.packet.buf = base64.StdEncoding.AppendEncode(s.packet.buf, f.WithoutChecksum().Event)
	s.packet.buf = append(s.packet.buf, '\'')
	s.format = f.Event
}
