package admin

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lookedAt is a status of a cluster with one follower, so many seconds after another.
func lookedAt(second int, received, applied int64, lag *float64) Status {
	return Status{
		Time:  time.Unix(1700000000+int64(second), 0),
		Relay: Relay{Transactions: received, WrittenBytes: 100 * received},
		Instances: []Instance{
			{Name: "db1", Role: Leader, LagSeconds: new(99.0)},
			{Name: "db2", Role: Follower, Applied: applied, LagSeconds: lag},
		},
	}
}

func TestASampleHoldsTheRatesAndTheWorstLagOfItsSeconds(t *testing.T) {
	var s samples
	s.look(lookedAt(0, 1000, 500, new(70.0)), nil)
	for second, lag := range []*float64{new(0.25), new(4.12345), nil, new(1.0), new(0.5)} {
		s.look(lookedAt(second+1, 1000+20*int64(second+1), 500+10*int64(second+1), lag), nil)
	}
	kept, _, _ := s.after(0)
	require.Equal(t, []Sample{{N: 1, At: 1700000005, Received: 20, Bytes: 2000,
		Followers: map[string]FollowerSample{"db2": {Lag: new(4.123), Applied: 10}}}}, kept)
	// A counter that begins anew, because another applier does, counts from 0; an unknown lag is unknown.
	for second := 6; second <= 10; second++ {
		s.look(lookedAt(second, 1100, 15, nil), nil)
	}
	kept, _, _ = s.after(1)
	require.Equal(t, []Sample{{N: 2, At: 1700000010, Followers: map[string]FollowerSample{"db2": {Applied: 3}}}}, kept)
}

func TestAnHourOfSamplesIsKept(t *testing.T) {
	var s samples
	for second := range 2 * 3600 {
		s.look(lookedAt(second, 0, 0, nil), nil)
	}
	kept, _, _ := s.after(0)
	require.Len(t, kept, 3600/looksASample)
	require.InDelta(t, 3600, kept[len(kept)-1].At-kept[0].At, looksASample)
	newer, _, _ := s.after(kept[len(kept)-3].N)
	require.Len(t, newer, 2)
	require.LessOrEqual(t, cap(s.kept), 2*samplesKept, "what is left out is let go")
}

func TestWhoWaitsForALookIsWoken(t *testing.T) {
	var s samples
	_, _, changed := s.after(0)
	_, _, same := s.after(0)
	require.Equal(t, changed, same)
	select {
	case <-changed:
		t.Fatal("nothing has happened")
	default:
	}
	s.look(lookedAt(0, 0, 0, nil), json.RawMessage(`{}`))
	<-changed
	_, status, changed := s.after(0)
	require.Equal(t, json.RawMessage(`{}`), status)
	s.end()
	<-changed
	_, _, changed = s.after(0)
	require.Nil(t, changed, "nothing more will happen")
}
