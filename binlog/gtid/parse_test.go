package gtid

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// SetTexts are texts and their canonical form, or no form where they are malformed. That the server agrees is tested in
// server_test.go, save for those on which servers disagree among themselves.
var SetTexts = []struct {
	Name, Text, Canonical string
	Malformed, Disputed   bool
}{
	{Name: "empty"},
	{Name: "white space", Text: " \t\n"},
	{Name: "commas only", Text: ",, ,\n,"},
	{Name: "one", Text: u1 + ":7", Canonical: u1 + ":7"},
	{Name: "interval", Text: u1 + ":1-7", Canonical: u1 + ":1-7"},
	{Name: "interval of one", Text: u1 + ":7-7", Canonical: u1 + ":7"},
	{Name: "as the server breaks lines", Text: u1 + ":1-7,\n" + u2 + ":3", Canonical: u1 + ":1-7," + u2 + ":3"},
	{Name: "empty parts", Text: "," + u1 + ":1,," + u2 + ":2,", Canonical: u1 + ":1," + u2 + ":2"},
	{Name: "upper case", Text: strings.ToUpper(u2) + ":BLUE_1:3", Canonical: u2 + ":blue_1:3"},
	{Name: "sources out of order and repeated", Text: u3 + ":1," + u1 + ":1," + u3 + ":2", Canonical: u1 + ":1," + u3 + ":1-2"},
	{Name: "intervals out of order, overlapping, touching", Text: u1 + ":20:9-12:1-3:2-5:6:11-15", Canonical: u1 + ":1-6:9-15:20"},
	{Name: "interval that ends before it begins", Text: u1 + ":5-2", Canonical: ""},
	{Name: "empty interval between others", Text: u1 + ":1:5-2:7", Canonical: u1 + ":1:7"},
	{Name: "interval that ends at 0", Text: u1 + ":5-0:7", Canonical: u1 + ":7"},
	{Name: "interval without end", Text: u1 + ":5-", Malformed: true, Disputed: true},
	{Name: "interval without end before another", Text: u1 + ":5-:7", Malformed: true, Disputed: true},
	{Name: "tag", Text: u1 + ":blue:7", Canonical: u1 + ":blue:7"},
	{Name: "tag after intervals", Text: u1 + ":1-3:tag:4-5:7", Canonical: u1 + ":1-3:tag:4-5:7"},
	{Name: "tags out of order and repeated", Text: u1 + ":b:1:a:2:b:2:_:1", Canonical: u1 + ":_:1:a:2:b:1-2"},
	{Name: "tag of 32 bytes", Text: u1 + ":" + strings.Repeat("a", 32) + ":1", Canonical: u1 + ":" + strings.Repeat("a", 32) + ":1"},
	{Name: "tag of 33 bytes", Text: u1 + ":" + strings.Repeat("a", 33) + ":1", Malformed: true},
	{Name: "tag without interval", Text: u1 + ":blue", Canonical: ""},
	{Name: "tag without interval before another", Text: u1 + ":blue:red:1", Canonical: u1 + ":red:1"},
	{Name: "tag that begins with a digit", Text: u1 + ":1a:1", Malformed: true},
	{Name: "tag with a hyphen", Text: u1 + ":a-b:1", Malformed: true},
	{Name: "tag in another alphabet", Text: u1 + ":é:1", Malformed: true},
	{Name: "white space for a tag ends the tag", Text: u1 + ":a:1: :2", Malformed: true, Disputed: true},
	{Name: "white space for the first tag", Text: u1 + ": :2", Malformed: true, Disputed: true},
	{Name: "white space at the end", Text: u1 + ":a:1: ", Malformed: true, Disputed: true},
	{Name: "white space for everything", Text: u1 + ": ", Malformed: true, Disputed: true},
	{Name: "white space everywhere", Text: "\v" + u1 + " : 1 - 3 : blue : 4\f:\r7 , " + u2 + "\t: 2 ", Canonical: u1 + ":1-3:blue:4:7," + u2 + ":2"},
	{Name: "UUID alone", Text: u1, Canonical: ""},
	{Name: "UUID alone before another", Text: u1 + " ," + u2 + ":1", Canonical: u2 + ":1"},
	{Name: "octal", Text: u1 + ":010", Malformed: true, Disputed: true},
	{Name: "hexadecimal", Text: u1 + ":0x10-0X1f", Malformed: true, Disputed: true},
	{Name: "octal that is none", Text: u1 + ":08", Malformed: true, Disputed: true},
	{Name: "octal with another digit", Text: u1 + ":018", Malformed: true, Disputed: true},
	{Name: "hexadecimal without digits", Text: u1 + ":0x", Malformed: true},
	{Name: "plus sign", Text: u1 + ":+5", Malformed: true, Disputed: true},
	{Name: "minus sign", Text: u1 + ":-5", Malformed: true},
	{Name: "end with a minus sign", Text: u1 + ":1--5", Malformed: true},
	{Name: "minus zero at the end", Text: u1 + ":1--0:3", Malformed: true, Disputed: true},
	{Name: "zero", Text: u1 + ":0", Malformed: true},
	{Name: "from zero", Text: u1 + ":0-5", Malformed: true},
	{Name: "highest", Text: u1 + ":9223372036854775806", Canonical: u1 + ":9223372036854775806"},
	{Name: "all", Text: u1 + ":1-9223372036854775806", Canonical: u1 + ":1-9223372036854775806"},
	{Name: "above the highest", Text: u1 + ":9223372036854775807", Malformed: true},
	{Name: "above int64", Text: u1 + ":9223372036854775808", Malformed: true},
	{Name: "above uint64", Text: u1 + ":99999999999999999999999999", Malformed: true},
	{Name: "end above the highest", Text: u1 + ":1-9223372036854775807", Malformed: true},
	{Name: "highest in hexadecimal", Text: u1 + ":0x7ffffffffffffffe", Malformed: true, Disputed: true},
	{Name: "above int64 in hexadecimal", Text: u1 + ":0xffffffffffffffff", Malformed: true},
	{Name: "nothing after a colon", Text: u1 + ":", Malformed: true},
	{Name: "two colons", Text: u1 + "::1", Malformed: true},
	{Name: "letters after a number", Text: u1 + ":1x", Malformed: true},
	{Name: "space within a number", Text: u1 + ":1 2", Malformed: true},
	{Name: "space between minus and digits", Text: u1 + ":1-- 2", Malformed: true},
	{Name: "two minus signs apart", Text: u1 + ":1-2-3", Malformed: true},
	{Name: "space instead of a comma", Text: u1 + ":1 " + u2 + ":1", Malformed: true},
	{Name: "semicolon", Text: u1 + ":1;" + u2 + ":1", Malformed: true},
	{Name: "plus sign before the set", Text: "+" + u1 + ":1", Malformed: true},
	{Name: "UUID too short", Text: u1[1:] + ":1", Malformed: true},
	{Name: "UUID without hyphens", Text: strings.ReplaceAll(u2, "-", "") + ":1", Canonical: u2 + ":1", Disputed: true},
	{Name: "UUID in braces", Text: "{" + u2 + "}:1", Canonical: u2 + ":1", Disputed: true},
	{Name: "UUID in half a brace", Text: "{" + u2 + ":1", Malformed: true},
	{Name: "UUID without hyphens in braces", Text: "{" + strings.ReplaceAll(u2, "-", "") + "}:1", Malformed: true},
	{Name: "leading zero at the end", Text: u1 + ":1-07", Malformed: true, Disputed: true},
	{Name: "UUID with a letter above f", Text: "g" + u1[1:] + ":1", Malformed: true},
	{Name: "UUID with a hyphen moved", Text: "0000000-00000-0000-0000-000000000001:1", Malformed: true},
	{Name: "number only", Text: "7", Malformed: true},
	{Name: "ANONYMOUS", Text: "ANONYMOUS", Malformed: true},
}

func TestParseSet(t *testing.T) {
	for _, c := range SetTexts {
		t.Run(c.Name, func(t *testing.T) {
			s, err := ParseSet(c.Text)
			if c.Malformed {
				require.ErrorIs(t, err, ErrMalformed)
				assert.True(t, s.IsEmpty())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.Canonical, s.String())
		})
	}
}

func TestParseSetRefusesNUL(t *testing.T) {
	_, err := ParseSet(u1 + ":1\x00")
	assert.ErrorIs(t, err, ErrMalformed)
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for text, want := range map[string]string{
		u1 + ":1;2":  `malformed GTID set "` + u1 + `:1;2": at byte 38 expected a colon, a comma or the end, found ";2"`,
		u1 + ":":     `malformed GTID set "` + u1 + `:": at byte 37 expected a tag or a sequence number of 1 to 9223372036854775806 without leading zeros, found the end`,
		u1 + ":1-x3": `malformed GTID set "` + u1 + `:1-x3": at byte 39 expected the end of an interval, at most 9223372036854775806 without leading zeros, found "x3"`,
		"7":          `malformed GTID set "7": at byte 0 expected a UUID, found "7"`,
	} {
		_, err := ParseSet(text)
		assert.EqualError(t, err, want)
	}
	_, err := ParseSet(strings.Repeat("x", 1e6))
	assert.Less(t, len(err.Error()), 300)
}

func TestMustParseSetPanicsOnMalformedText(t *testing.T) {
	assert.Panics(t, func() { MustParseSet("x") })
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		u1 + ":7":                    u1 + ":7",
		u1 + ":blue:7":               u1 + ":blue:7",
		strings.ToUpper(u2) + ":A:7": u2 + ":a:7",
		" " + u1 + " : blue : 7\n":   u1 + ":blue:7",
		u1 + ":9223372036854775806":  u1 + ":9223372036854775806",
	} {
		g, err := Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, g.String())
		assert.False(t, g.IsZero())
	}
	for _, text := range []string{
		"", "x", u1, u1 + ":", u1 + ":0", u1 + ":-1", u1 + ":x", u1 + ":x:", u1 + ":x:y:1", u1 + ":1-2", u1 + ":1:2", u1 + ":1,", u1 + "::1",
		u1 + ":9223372036854775807", u1 + ":1 x", u1[:35], u1 + "7", u1 + ":07", u1 + ":+7", u1 + ":x", u1 + ": :7",
	} {
		g, err := Parse(text)
		assert.ErrorIs(t, err, ErrMalformed, text)
		assert.True(t, g.IsZero())
	}
	assert.Empty(t, GTID{}.String())
}

func TestParseTag(t *testing.T) {
	tag, err := ParseTag(" Blue_2\n")
	require.NoError(t, err)
	assert.Equal(t, "blue_2", tag)
	for _, text := range []string{"", " ", "2a", "a-b", "a b", strings.Repeat("a", 33), "é"} {
		_, err := ParseTag(text)
		assert.ErrorIs(t, err, ErrMalformed, text)
	}
}

func TestParseUUID(t *testing.T) {
	for _, text := range []string{u2, strings.ToUpper(u2), "{" + u2 + "}", strings.ReplaceAll(u2, "-", "")} {
		u, err := ParseUUID(text)
		require.NoError(t, err, text)
		assert.Equal(t, u2, u.String())
		assert.False(t, u.IsZero())
	}
	for _, text := range []string{"", u2 + "0", u2[1:], strings.ReplaceAll(u2, "-", "0"), "{" + u2[1:35] + "}", "{" + u2, "{" + u2[:34] + "}"} {
		_, err := ParseUUID(text)
		assert.ErrorIs(t, err, ErrMalformed, text)
	}
}
