package gtid

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// encoding writes the binary form by hand: numbers as 8 bytes, everything else as it is.
func encoding(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			b = binary.LittleEndian.AppendUint64(b, uint64(part))
		case string:
			b = append(b, part...)
		case UUID:
			b = append(b, part[:]...)
		}
	}
	return b
}

const (
	taggedOne = formatTagged<<56 | 1<<8 | formatTagged
	taggedTwo = formatTagged<<56 | 2<<8 | formatTagged
)

func TestBinaryForm(t *testing.T) {
	a, b := UUID{15: 1}, UUID{15: 2}
	texts := map[string][]byte{
		"":                       encoding(0),
		a.String() + ":1-5:7":    encoding(1, a, 2, 1, 6, 7, 8),
		a.String() + ":blue:3":   encoding(taggedOne, a, "\x08blue", 1, 3, 4),
		a.String() + ":_:3,":     encoding(taggedOne, a, "\x02_", 1, 3, 4),
		a.String() + ":1:blue:3": encoding(taggedTwo, a, "\x00", 1, 1, 2, a, "\x08blue", 1, 3, 4),
		a.String() + ":1-9223372036854775806," + b.String() + ":2": encoding(2, a, 1, 1, math.MaxInt64, b, 1, 2, 3),
	}
	for text, want := range texts {
		s := MustParseSet(text)
		encoded, err := s.MarshalBinary()
		require.NoError(t, err)
		if len(want) == headerLength {
			assert.Equal(t, make([]byte, headerLength), encoded)
		}
		assert.Equal(t, want, encoded, text)
		appended, err := s.AppendBinary([]byte("before"))
		require.NoError(t, err)
		assert.Equal(t, append([]byte("before"), want...), appended)
		var decoded Set
		require.NoError(t, decoded.UnmarshalBinary(encoded))
		assert.True(t, s.Equal(decoded))
	}
}

func TestUnmarshalBinaryReadsWhatOnlyServersWrite(t *testing.T) {
	a := UUID{15: 1}
	for name, c := range map[string]struct {
		encoded []byte
		want    string
	}{
		"tagged format without tags":  {encoding(taggedOne, a, "\x00", 1, 1, 6), a.String() + ":1-5"},
		"tagged format, empty":        {encoding(formatTagged<<56 | formatTagged), ""},
		"source without intervals":    {encoding(1, a, 0), ""},
		"the same source twice":       {encoding(2, a, 1, 5, 6, a, 1, 1, 6), a.String() + ":1-5"},
		"sources out of order":        {encoding(2, UUID{1}, 1, 5, 6, a, 1, 1, 6), a.String() + ":1-5," + UUID{1}.String() + ":5"},
		"a tag that is in upper case": {encoding(taggedOne, a, "\x02A", 1, 1, 6), a.String() + ":a:1-5"},
	} {
		var s Set
		require.NoError(t, s.UnmarshalBinary(c.encoded), name)
		assert.Equal(t, c.want, s.String(), name)
	}
}

func TestUnmarshalBinaryRefusesMalformedInput(t *testing.T) {
	a := UUID{15: 1}
	whole := encoding(taggedTwo, a, "\x00", 1, 1, 2, a, "\x08blue", 1, 3, 4)
	cases := map[string][]byte{
		"unknown format":                           encoding(2 << 56),
		"more sources than bytes":                  encoding(1<<56-1, a, 1, 1, 2),
		"huge number of intervals":                 encoding(1, a, math.MaxInt64, 1, 2),
		"number of intervals whose bytes overflow": encoding(1, a, 1<<60, 1, 2),
		"interval from 0":                          encoding(1, a, 1, 0, 2),
		"negative interval":                        encoding(1, a, 1, -5, 2),
		"interval that ends too high":              encoding(1, a, 1, 5, math.MinInt64),
		"empty interval":                           encoding(1, a, 1, 5, 5),
		"intervals out of order":                   encoding(1, a, 2, 5, 6, 1, 2),
		"intervals that touch":                     encoding(1, a, 2, 1, 2, 2, 3),
		"bytes left over":                          append(bytes.Clone(whole), 0),
		"tag too long":                             encoding(taggedOne, a, "\x42"+strings.Repeat("a", 33), 1, 1, 2),
		"tag with a two-byte length":               encoding(taggedOne, a, "\x11\x00blue", 1, 1, 2),
		"tag with a hyphen":                        encoding(taggedOne, a, "\x06a-b", 1, 1, 2),
		"tag with white space":                     encoding(taggedOne, a, "\x06 a ", 1, 1, 2),
		"tag of white space":                       encoding(taggedOne, a, "\x02 ", 1, 1, 2),
	}
	for name, encoded := range cases {
		s := MustParseSet(u1 + ":7")
		assert.ErrorIs(t, s.UnmarshalBinary(encoded), ErrMalformed, name)
		assert.Equal(t, u1+":7", s.String(), name)
	}
	for n := range whole {
		var s Set
		assert.ErrorIs(t, s.UnmarshalBinary(whole[:n]), ErrMalformed, "first %d bytes", n)
	}
	var s Set
	require.NoError(t, s.UnmarshalBinary(whole))
}

func TestMarshalBinaryRefusesATagThatNoServerTakes(t *testing.T) {
	for _, tag := range []string{"UPPER", "a-b", " a", strings.Repeat("a", MaxTagLength+1)} {
		var s Set
		s.Add(GTID{Source{Tag: tag}, 1})
		_, err := s.MarshalBinary()
		assert.ErrorIs(t, err, ErrMalformed, tag)
	}
}
