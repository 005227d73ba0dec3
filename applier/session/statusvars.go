package session

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/batondb/baton/binlog"
)

// Codes of a Query_event's status variables (Query_event::Query_event_post_header
// and enum Query_event_status_vars in MySQL's statement_events.h).
const (
	varFlags2           = 0
	varSQLMode          = 1
	varCatalogOld       = 2
	varAutoIncrement    = 3
	varCharset          = 4
	varTimeZone         = 5
	varCatalog          = 6
	varTimeNames        = 7
	varDatabaseCharset  = 8
	varTablesUpdated    = 9
	varMasterWritten    = 10
	varInvoker          = 11
	varUpdatedDatabases = 12
	varMicroseconds     = 13
	varExplicitDefaults = 16
	varDDLXid           = 17
	varUTF8Collation    = 18
	varRequireKey       = 19
	varTableEncryption  = 20
	manyDatabases       = 254 // instead of a number of databases: too many to list
)

// Bits of varFlags2 (OPTION_* in MySQL's query_options.h).
const (
	optionAutoIsNull          = 1 << 14
	optionNoForeignKeyChecks  = 1 << 26
	optionRelaxedUniqueChecks = 1 << 27
)

// statusVars is the session context of a statement.
type statusVars struct {
	flags2           uint32
	sqlMode          uint64
	increment        uint16 // auto_increment_increment
	offset           uint16 // auto_increment_offset
	charsets         []uint16
	timeZone         []byte
	timeNames        uint16 // lc_time_names
	databaseCharset  uint16 // collation_database; 0 for that of the default database
	micros           uint32
	explicitDefaults *byte
	utf8Collation    uint16 // default_collation_for_utf8mb4; 0 when not told
	requireKey       *byte
	tableEncryption  *byte
	invoker          *account // who ran it, where the statement depends on that
}

// parseStatusVars decodes the status variables of a Query_event. A variable it
// doesn't know is an error: what it says can't be guessed, nor how long it is.
func parseStatusVars(b []byte) (statusVars, error) {
	v := statusVars{increment: 1, offset: 1}
	for len(b) > 0 {
		code := b[0]
		n, err := v.read(code, b[1:])
		if err != nil {
			return statusVars{}, err
		}
		b = b[1+n:]
	}
	return v, nil
}

// read takes the value of one variable and returns its length in bytes.
func (v *statusVars) read(code byte, b []byte) (int, error) {
	if size, fixed := fixedSize(code); fixed {
		if len(b) < size {
			return 0, cutOff(code)
		}
		v.readFixed(code, b[:size])
		return size, nil
	}
	switch code {
	case varCatalogOld:
		return skipStrings(code, b, 1, 1)
	case varCatalog:
		return skipStrings(code, b, 1, 0)
	case varInvoker:
		n, err := skipStrings(code, b, 2, 0)
		if err != nil {
			return 0, err
		}
		host := 1 + int(b[0])
		v.invoker = &account{user: b[1:host], host: b[host+1 : n]}
		return n, nil
	case varTimeZone:
		n, err := skipStrings(code, b, 1, 0)
		if err != nil {
			return 0, err
		}
		v.timeZone = b[1:n]
		for _, c := range v.timeZone {
			if c <= ' ' || c > '~' || c == '\'' || c == '\\' {
				return 0, fmt.Errorf("%w: the time zone %q", binlog.ErrMalformed, v.timeZone)
			}
		}
		return n, nil
	case varUpdatedDatabases:
		return skipDatabases(b)
	}
	return 0, fmt.Errorf("%w: the statement's status variable %d isn't known", errUnsupported, code)
}

// fixedSize is the length in bytes of variables that have a fixed one.
func fixedSize(code byte) (int, bool) {
	switch code {
	case varExplicitDefaults, varRequireKey, varTableEncryption:
		return 1, true
	case varTimeNames, varDatabaseCharset, varUTF8Collation:
		return 2, true
	case varMicroseconds:
		return 3, true
	case varFlags2, varAutoIncrement, varMasterWritten:
		return 4, true
	case varCharset:
		return 6, true
	case varSQLMode, varTablesUpdated, varDDLXid:
		return 8, true
	}
	return 0, false
}

func (v *statusVars) readFixed(code byte, b []byte) {
	le := binary.LittleEndian
	switch code {
	case varFlags2:
		v.flags2 = le.Uint32(b)
	case varSQLMode:
		v.sqlMode = le.Uint64(b)
	case varAutoIncrement:
		v.increment, v.offset = le.Uint16(b), le.Uint16(b[2:])
	case varCharset:
		v.charsets = []uint16{le.Uint16(b), le.Uint16(b[2:]), le.Uint16(b[4:])}
	case varTimeNames:
		v.timeNames = le.Uint16(b)
	case varDatabaseCharset:
		v.databaseCharset = le.Uint16(b)
	case varMicroseconds:
		v.micros = uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	case varExplicitDefaults:
		v.explicitDefaults = &b[0]
	case varUTF8Collation:
		v.utf8Collation = le.Uint16(b)
	case varRequireKey:
		v.requireKey = &b[0]
	case varTableEncryption:
		v.tableEncryption = &b[0]
	}
}

// skipStrings passes over count strings, each a length of one byte, that many
// bytes, and tail bytes.
func skipStrings(code byte, b []byte, count, tail int) (int, error) {
	n := 0
	for range count {
		if len(b) <= n || len(b) < n+1+int(b[n])+tail {
			return 0, cutOff(code)
		}
		n += 1 + int(b[n]) + tail
	}
	return n, nil
}

func skipDatabases(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, cutOff(varUpdatedDatabases)
	}
	n := 1
	if b[0] == manyDatabases {
		return n, nil
	}
	for range b[0] {
		end := bytes.IndexByte(b[n:], 0)
		if end < 0 {
			return 0, cutOff(varUpdatedDatabases)
		}
		n += end + 1
	}
	return n, nil
}

func cutOff(code byte) error {
	return fmt.Errorf("%w: the statement's status variable %d is cut off", binlog.ErrMalformed, code)
}

// setContext writes the SET that makes the session's context that of v.
func (s *Session) setContext(v statusVars) {
	p := &s.packet
	p.begin(statement{step: "set the session context"})
	p.buf = fmt.Appendf(p.buf, "SET @@session.sql_mode=%d,@@session.foreign_key_checks=%d,@@session.unique_checks=%d,@@session.sql_auto_is_null=%d,"+
		"@@session.auto_increment_increment=%d,@@session.auto_increment_offset=%d,@@session.lc_time_names=%d",
		v.sqlMode, off(v.flags2, optionNoForeignKeyChecks), off(v.flags2, optionRelaxedUniqueChecks), 1-off(v.flags2, optionAutoIsNull),
		v.increment, v.offset, v.timeNames)
	if v.charsets != nil {
		p.buf = fmt.Appendf(p.buf, ",@@session.character_set_client=%d,@@session.collation_connection=%d,@@session.collation_server=%d",
			v.charsets[0], v.charsets[1], v.charsets[2])
	}
	if v.timeZone != nil {
		p.buf = fmt.Appendf(p.buf, ",@@session.time_zone='%s'", v.timeZone)
	} else {
		p.buf = append(p.buf, ",@@session.time_zone=DEFAULT"...)
	}
	if v.databaseCharset != 0 {
		p.buf = fmt.Appendf(p.buf, ",@@session.collation_database=%d", v.databaseCharset)
	} else {
		p.buf = append(p.buf, ",@@session.collation_database=DEFAULT"...)
	}
	if v.explicitDefaults != nil {
		p.buf = fmt.Appendf(p.buf, ",@@session.explicit_defaults_for_timestamp=%d", *v.explicitDefaults)
	}
	if v.utf8Collation != 0 {
		p.buf = fmt.Appendf(p.buf, ",@@session.default_collation_for_utf8mb4=%d", v.utf8Collation)
	}
	if v.requireKey != nil {
		p.buf = fmt.Appendf(p.buf, ",@@session.sql_require_primary_key=%d", *v.requireKey)
	}
	if v.tableEncryption != nil && *v.tableEncryption != s.encryption {
		// Setting it needs a privilege that few deployments want to grant.
		p.buf = fmt.Appendf(p.buf, ",@@session.default_table_encryption=%d", *v.tableEncryption)
	}
}

// setRowsContext writes the SET for a transaction of rows: generated columns and
// column defaults may look at the context.
func (s *Session) setRowsContext(v statusVars) {
	s.setContext(v)
	s.packet.buf = append(s.packet.buf, ",@@session.timestamp=DEFAULT"...)
}

// off is 0 when the bit is set in flags, else 1: the options of varFlags2 that
// forbid something have variables that allow it.
func off(flags, bit uint32) int {
	if flags&bit != 0 {
		return 0
	}
	return 1
}
