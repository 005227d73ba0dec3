package history

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzReadLines(f *testing.F) {
	f.Add([]byte(`{"seq":1,"time":"2026-01-02T03:04:05Z","level":"info","kind":"source-lost","message":"m"}` + "\n"))
	f.Add([]byte("{\"seq\":1}\n{\"seq\":1}\n{\"seq\":2}"))
	f.Add([]byte("\n\x00\x00\n[]\nnull\n{\"seq\":-1}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		kept := &newest{limit: 3}
		end, err := readLines(bytes.NewReader(text), kept)
		require.NoError(t, err)
		require.Equal(t, int64(bytes.LastIndexByte(text, '\n')+1), end)
		require.LessOrEqual(t, len(kept.events), 3)
		for i, e := range kept.events {
			require.NotZero(t, e.Seq)
			require.True(t, i == 0 || e.Seq > kept.events[i-1].Seq)
		}
		again := &newest{limit: 3}
		end2, err := readLines(bytes.NewReader(text[:end]), again)
		require.NoError(t, err)
		require.Equal(t, end, end2)
		require.Equal(t, kept, again, "cutting the tail changes nothing")
	})
}
