package admin

import (
	"encoding/json"
	"math"
	"sync"
	"time"
)

const (
	lookInterval = time.Second // between two looks at the status
	looksASample = 5
	samplesKept  = 720 // an hour
)

// A Sample is what the cluster did in the seconds before a moment.
type Sample struct {
	N  uint64  `json:"n"`  // its number, one more than that of the sample before
	At float64 `json:"at"` // seconds since 1970
	// Received and Bytes are transactions, and bytes of them, that came into the
	// relay a second.
	Received float64 `json:"received"`
	Bytes    float64 `json:"bytes"`
	// Followers are by name.
	Followers map[string]FollowerSample `json:"followers"`
}

// FollowerSample is what a follower did.
type FollowerSample struct {
	// Lag is the largest that was seen in that time, in seconds; nil when none is
	// known.
	Lag *float64 `json:"lag"`
	// Applied are the transactions applied to it a second.
	Applied float64 `json:"applied"`
}

// samples looks at the status once a second for all who watch, and remembers an
// hour of it. Its zero value has seen nothing yet.
type samples struct {
	mu      sync.Mutex
	status  json.RawMessage // the last that was looked at; nil where nobody watched
	kept    []Sample        // the oldest first
	number  uint64          // of the newest
	looks   int             // since the last sample
	lags    map[string]*float64
	before  Status        // at the last sample
	changed chan struct{} // closed, and replaced, at each look
	ended   bool
}

// look notes the status of a moment; encoded is the same in JSON.
func (s *samples) look(now Status, encoded json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = encoded
	if s.lags == nil {
		s.lags = map[string]*float64{}
	}
	for _, i := range now.Instances {
		if worst := s.lags[i.Name]; i.Role == Follower && i.LagSeconds != nil && (worst == nil || *i.LagSeconds > *worst) {
			s.lags[i.Name] = new(rounded(*i.LagSeconds))
		}
	}
	s.looks++
	if s.looks >= looksASample || s.before.Time.IsZero() {
		s.take(now)
	}
	s.wake()
}

// take keeps a sample of what happened since the last one. s.mu is held.
func (s *samples) take(now Status) {
	if took := now.Time.Sub(s.before.Time).Seconds(); !s.before.Time.IsZero() && took > 0 {
		s.number++
		sample := Sample{
			N: s.number, At: rounded(seconds(now.Time)), Followers: map[string]FollowerSample{},
			Received: perSecond(s.before.Relay.Transactions, now.Relay.Transactions, took),
			Bytes:    perSecond(s.before.Relay.WrittenBytes, now.Relay.WrittenBytes, took),
		}
		for _, i := range now.Instances {
			if i.Role != Follower {
				continue
			}
			before, _ := s.before.Instance(i.Name)
			sample.Followers[i.Name] = FollowerSample{Lag: s.lags[i.Name], Applied: perSecond(before.Applied, i.Applied, took)}
		}
		if len(s.kept) == samplesKept {
			s.kept = append(s.kept[:0:0], s.kept[1:]...)
		}
		s.kept = append(s.kept, sample)
	}
	s.before, s.looks, s.lags = now, 0, map[string]*float64{}
}

// after returns the samples with a number above n, the last status, and a
// channel that is closed when there may be more; a nil channel says that there
// will be none.
func (s *samples) after(n uint64) (kept []Sample, status json.RawMessage, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.kept); i > 0 && s.kept[i-1].N > n; i-- {
		kept = s.kept[i-1:]
	}
	if s.changed == nil && !s.ended {
		s.changed = make(chan struct{})
	}
	return kept, s.status, s.changed
}

// end says that nothing more is looked at.
func (s *samples) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.wake()
}

// wake wakes those who wait. s.mu is held.
func (s *samples) wake() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// perSecond is how fast a counter grew; one that began anew counts from 0.
func perSecond(before, now int64, took float64) float64 {
	if now < before {
		before = 0
	}
	return rounded(float64(now-before) / took)
}

// rounded is to the thousandth, which is as much as a plot can show.
func rounded(v float64) float64 { return math.Round(v*1000) / 1000 }
