package binlog

import (
	"encoding/binary"
	"fmt"

	"github.com/go-mysql-org/go-mysql/replication"
)

// Flags of a Rows_event (Rows_log_event::enum_flag in MySQL's
// binlog_event.h).
const (
	// RowsStatementEnd marks the last Rows_event of a statement.
	RowsStatementEnd uint16 = 0x0001
	// RowsNoForeignKeyChecks says that the rows are applied without looking at
	// foreign keys.
	RowsNoForeignKeyChecks uint16 = 0x0002
	// RowsLoggedCascades says that the leader's SQL layer ran the foreign keys'
	// cascades and that their rows are in the binlog (MySQL 9.6 and later).
	RowsLoggedCascades uint16 = 0x0010
)

// Offsets in the body of a Rows_event and of a Table_map_event: both begin with
// a table id of 6 bytes and flags of 2.
const (
	rowsFlagsOffset  = 6
	tableNamesOffset = 8
)

// IsRows tells whether e carries rows.
func IsRows(e Event) bool {
	switch e.Type() {
	case replication.WRITE_ROWS_EVENTv1, replication.UPDATE_ROWS_EVENTv1, replication.DELETE_ROWS_EVENTv1,
		replication.WRITE_ROWS_EVENTv2, replication.UPDATE_ROWS_EVENTv2, replication.DELETE_ROWS_EVENTv2,
		replication.PARTIAL_UPDATE_ROWS_EVENT:
		return true
	}
	return false
}

// TableID is the id by which a Rows_event refers to a Table_map_event, of either;
// 0 where the event is too short to have one.
func TableID(e Event) uint64 {
	if len(e) < HeaderSize+tableNamesOffset {
		return 0
	}
	id := e[HeaderSize : HeaderSize+rowsFlagsOffset]
	return uint64(binary.LittleEndian.Uint32(id)) | uint64(binary.LittleEndian.Uint16(id[4:]))<<32
}

// RowsFlags reads the flags of a Rows_event. The error wraps ErrMalformed.
func RowsFlags(e Event) (uint16, error) {
	if len(e) < HeaderSize+tableNamesOffset {
		return 0, fmt.Errorf("%w: a %s of %d bytes", ErrMalformed, e.Type(), len(e))
	}
	return binary.LittleEndian.Uint16(e[HeaderSize+rowsFlagsOffset:]), nil
}

// SetRowsFlags writes the flags of a Rows_event that belongs to the caller and
// has no checksum.
func SetRowsFlags(e Event, flags uint16) {
	binary.LittleEndian.PutUint16(e[HeaderSize+rowsFlagsOffset:], flags)
}

// TableName reads the schema and table from a Table_map_event, with or without
// a checksum. The error wraps ErrMalformed.
func TableName(e Event) (schema, table string, err error) {
	schema, table, _, err = tableNames(e)
	return schema, table, err
}

// TableColumns reads from a Table_map_event how many columns the table has. The
// error wraps ErrMalformed.
func TableColumns(e Event) (uint64, error) {
	_, _, rest, err := tableNames(e)
	if err != nil {
		return 0, err
	}
	n, _, ok := lengthEncoded(rest)
	if !ok {
		return 0, fmt.Errorf("%w: the columns in a Table_map_event are cut off", ErrMalformed)
	}
	return n, nil
}

// tableNames reads the names in a Table_map_event and returns what follows them.
func tableNames(e Event) (schema, table string, rest []byte, err error) {
	// Made only when it is needed: this runs for every statement and follower.
	malformed := func() (string, string, []byte, error) {
		return "", "", nil, fmt.Errorf("%w: the names in a Table_map_event are cut off", ErrMalformed)
	}
	if len(e) < HeaderSize+tableNamesOffset+1 {
		return malformed()
	}
	rest = e[HeaderSize+tableNamesOffset:]
	var names [2]string
	for i := range names {
		// A length, the name and a NUL.
		if len(rest) < 1 || len(rest) < int(rest[0])+2 {
			return malformed()
		}
		n := int(rest[0])
		names[i], rest = string(rest[1:1+n]), rest[n+2:]
	}
	return names[0], names[1], rest, nil
}
