package gtid

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// requireRoundTrips checks that a set that was read can be written and read again, in both forms.
func requireRoundTrips(t *testing.T, s Set) {
	text := s.String()
	again, err := ParseSet(text)
	require.NoError(t, err)
	require.True(t, s.Equal(again))
	require.Equal(t, text, again.String())

	encoded, err := s.MarshalBinary()
	require.NoError(t, err)
	var decoded Set
	require.NoError(t, decoded.UnmarshalBinary(encoded))
	require.True(t, s.Equal(decoded))

	require.True(t, s.Subtract(decoded).IsEmpty())
	require.True(t, s.Intersect(decoded).Equal(s))
	require.True(t, s.Union(decoded).Equal(s))
	require.True(t, s.ContainsSet(decoded))
	require.Equal(t, s.IsEmpty(), s.Count() == 0)
}

func FuzzParseSet(f *testing.F) {
	for _, c := range SetTexts {
		f.Add(c.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSet(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			require.True(t, s.IsEmpty())
			return
		}
		requireRoundTrips(t, s)
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{u1 + ":7", u1 + ":blue:7", " {" + u2 + "} : Blue : 7\n", u1 + ":9223372036854775807", u1 + ":1-2", u1} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Parse(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			require.True(t, g.IsZero())
			return
		}
		again, err := Parse(g.String())
		require.NoError(t, err)
		require.Equal(t, g, again)
		// A text that names one transaction is a set of one, and to both readers the same.
		s, err := ParseSet(text)
		require.NoError(t, err)
		require.Equal(t, g.String(), s.String())
		require.True(t, s.Contains(g))
	})
}

func FuzzUnmarshalBinary(f *testing.F) {
	a := UUID{15: 1}
	for _, encoded := range [][]byte{
		encoding(0), encoding(1, a, 2, 1, 6, 7, 8), encoding(taggedTwo, a, "\x00", 1, 1, 2, a, "\x08blue", 1, 3, 4),
		encoding(2, a, 1, 5, 6, a, 1, 1, 6), encoding(1<<56 - 1), encoding(1, a, 1<<60, 1, 2),
	} {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		var s Set
		if err := s.UnmarshalBinary(encoded); err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			require.True(t, s.IsEmpty())
			return
		}
		requireRoundTrips(t, s)
	})
}
