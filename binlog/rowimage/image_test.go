package rowimage

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/stretchr/testify/require"
)

func TestSizesOfValuesAreThoseOfMySQL(t *testing.T) {
	for _, c := range []struct {
		typ  byte
		meta uint16
		b    []byte
		want int
	}{
		{mysql.MYSQL_TYPE_NEWDECIMAL, 65<<8 | 30, nil, 15 + 1 + 14 - 1 + 1},
		{mysql.MYSQL_TYPE_NEWDECIMAL, 10 << 8, nil, 5},
		{mysql.MYSQL_TYPE_NEWDECIMAL, 9<<8 | 9, nil, 4},
		{mysql.MYSQL_TYPE_BIT, 2<<8 | 1, nil, 3},
		{mysql.MYSQL_TYPE_BIT, 8 << 8, nil, 8},
		{mysql.MYSQL_TYPE_DATETIME2, 3, nil, 7},
		{mysql.MYSQL_TYPE_TIMESTAMP2, 6, nil, 7},
		{mysql.MYSQL_TYPE_TIME2, 0, nil, 3},
		{mysql.MYSQL_TYPE_STRING, 0xf701, nil, 1},                  // ENUM
		{mysql.MYSQL_TYPE_STRING, 0xf808, nil, 8},                  // SET
		{mysql.MYSQL_TYPE_STRING, 0xfe14, []byte{3}, 4},            // CHAR(20) of one byte a character
		{mysql.MYSQL_TYPE_STRING, 0xcefc, []byte{3, 1}, 2 + 0x103}, // CHAR(255) of four
		{mysql.MYSQL_TYPE_VARCHAR, 255, []byte{200}, 201},
		{mysql.MYSQL_TYPE_VARCHAR, 256, []byte{200, 1}, 2 + 456},
		{mysql.MYSQL_TYPE_BLOB, 3, []byte{1, 0, 1}, 3 + 0x10001},
		{mysql.MYSQL_TYPE_BLOB, 3, []byte{1, 0}, -1},
		{mysql.MYSQL_TYPE_BLOB, 5, []byte{1, 0, 0, 0, 0}, -1},
		{20, 0, nil, -1},
	} {
		n, ok := valueSize(c.typ, c.meta, c.b)
		if !ok {
			n = -1
		}
		require.Equal(t, c.want, n, "type %d, metadata %04x", c.typ, c.meta)
	}
}

func TestMembersOfAnEnumAreTakenFromItsType(t *testing.T) {
	require.Equal(t, []string{"a", "b'c", "d,e", ""}, Column{TypeText: "enum('a','b''c','d,e','')"}.members())
	require.Nil(t, Column{TypeText: "int"}.members())
}

func TestBinaryValuesAreAsLongAsTheirColumn(t *testing.T) {
	c := Column{Name: "c", DataType: "binary", TypeText: "binary(4)"}
	require.Equal(t, "`c` <=> X'01000000'", c.Equals("\x01"))
	require.Equal(t, "`c` <=> X'0102030405'", c.Equals("\x01\x02\x03\x04\x05"))
	require.Equal(t, "`c` <=> X'01'", Column{Name: "c", DataType: "varbinary", TypeText: "varbinary(4)"}.Equals("\x01"))
}
