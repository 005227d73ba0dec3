package keys

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batondb/baton/applier/writeset"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// A column is what information_schema.COLUMNS says of one.
type column struct {
	name      string
	dataType  string // varchar, bigint …
	unsigned  bool
	collation string // empty for what is no text
	notNull   bool
	generated bool
	octets    int // the most bytes of text or bytes
	precision int // of a number: digits, or bits of a BIT; of a time: digits of a second's fraction
	scale     int
}

// folded are the collations under which two texts of printable ASCII are equal
// only where they differ in nothing but case and spaces at their end. The test
// asks a server of each. Those made for a language are not among them: in some,
// two letters are as good as another one.
var folded = []string{
	"ascii_general_ci",
	"latin1_swedish_ci", "latin1_general_ci", "latin1_general_cs",
	"utf8_general_ci", "utf8_unicode_ci", "utf8mb3_general_ci", "utf8mb3_unicode_ci",
	"utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci",
	"utf8mb4_0900_ai_ci", "utf8mb4_0900_as_ci", "utf8mb4_0900_as_cs",
}

// comparison is what is known of which values of the column are equal. Two
// columns with the same kind hold the same value in the same bytes.
//
// InnoDB compares numbers, times and bytes as it stores them, and the binlog holds
// them in as many bytes that differ where InnoDB's do. FLOAT and DOUBLE have two
// zeros; an ENUM's and a SET's numbers mean what their columns say. What is generated
// needn't be in the binlog as it is in the table.
func (c column) comparison() (kind string, how writeset.Comparison) {
	if c.generated {
		return "", writeset.Unlike
	}
	switch c.dataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return fmt.Sprintf("%s unsigned=%t", c.dataType, c.unsigned), writeset.Exact
	case "year", "date":
		return c.dataType, writeset.Exact
	case "time", "datetime", "timestamp":
		return fmt.Sprintf("%s(%d)", c.dataType, c.precision), writeset.Exact
	case "decimal", "bit":
		return fmt.Sprintf("%s(%d,%d)", c.dataType, c.precision, c.scale), writeset.Exact
	case "binary", "varbinary":
		return "bytes", writeset.Exact
	case "char", "varchar":
		switch {
		case strings.HasSuffix(c.collation, "_bin"):
			return "text " + c.collation, writeset.Exact
		case slices.Contains(folded, c.collation):
			return "text " + c.collation, writeset.Folded
		}
	}
	return "", writeset.Unlike
}

// alike is what is known of which values of two columns are equal, of a foreign
// key's two ends.
func alike(a, b column) writeset.Comparison {
	ofA, how := a.comparison()
	ofB, _ := b.comparison()
	if ofA != ofB {
		return writeset.Unlike
	}
	return how
}

// holds tells whether the column stores the values of a leader's column, of a type
// and metadata in a Table_map_event, as they are. Of one of which nothing is known
// anyway it isn't asked.
//
// Source: Table_map_event in MySQL's rows_event.h.
func (c column) holds(typ byte, meta uint16) bool {
	length := int(meta)
	if typ == mysql.MYSQL_TYPE_STRING {
		var short uint16
		typ, short = rowimage.StringLength(meta)
		length = int(short)
	}
	switch c.dataType {
	case "tinyint":
		return typ == mysql.MYSQL_TYPE_TINY
	case "smallint":
		return typ == mysql.MYSQL_TYPE_SHORT
	case "mediumint":
		return typ == mysql.MYSQL_TYPE_INT24
	case "int":
		return typ == mysql.MYSQL_TYPE_LONG
	case "bigint":
		return typ == mysql.MYSQL_TYPE_LONGLONG
	case "year":
		return typ == mysql.MYSQL_TYPE_YEAR
	case "date":
		return typ == mysql.MYSQL_TYPE_DATE
	case "time":
		return typ == mysql.MYSQL_TYPE_TIME2 && length == c.precision
	case "datetime":
		return typ == mysql.MYSQL_TYPE_DATETIME2 && length == c.precision
	case "timestamp":
		return typ == mysql.MYSQL_TYPE_TIMESTAMP2 && length == c.precision
	case "decimal":
		return typ == mysql.MYSQL_TYPE_NEWDECIMAL && int(meta>>8) == c.precision && int(meta&0xff) == c.scale
	case "bit":
		return typ == mysql.MYSQL_TYPE_BIT && int(meta>>8)*8+int(meta&0xff) == c.precision
	case "char", "binary", "varchar", "varbinary":
		text := typ == mysql.MYSQL_TYPE_STRING || typ == mysql.MYSQL_TYPE_VARCHAR || typ == mysql.MYSQL_TYPE_VAR_STRING
		return text && length <= c.octets
	}
	return true
}
