package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/batondb/baton/internal/logkey"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Limits of a Store that has been given none.
const (
	// DefaultMaxSize is the size in bytes at which the file is rotated.
	DefaultMaxSize = 8 << 20
	// DefaultQueue is the number of events that may wait for the disk.
	DefaultQueue = 1024
	// DefaultMemory is the number of the newest events held in memory.
	DefaultMemory = 1000

	// maxText is the size in bytes to which the texts of an event are cut, so
	// that a server's error message can't fill the disk or the memory.
	maxText = 4 << 10
	// retryDelay is the time between two attempts to write after one failed.
	retryDelay = time.Second
)

// ErrClosed ends a Follow when the Store is closed.
var ErrClosed = errors.New("the history is closed")

// Config says where the events go and how many are kept.
type Config struct {
	// Dir is the state directory, which must exist. The Store owns the files
	// events.jsonl and events.jsonl.1 in it.
	Dir string
	// MaxSize is the size in bytes at which events.jsonl becomes events.jsonl.1,
	// so that both occupy at most twice as much. 0: DefaultMaxSize.
	MaxSize int64
	// Queue is the number of events that may wait for the disk before further
	// ones are dropped from it. 0: DefaultQueue.
	Queue int
	// Memory is the number of the newest events that Recent and Follow can give.
	// 0: DefaultMemory.
	Memory int
}

// Deps are what a Store needs of others.
type Deps struct {
	// Logger is given each event once. Nil: none.
	Logger *zap.Logger
	// Recorded is told of each event. It may not wait, nor record. Nil tells nobody.
	Recorded func(Event)
}

// A Store keeps events on disk, the newest also in memory, and hands them to
// whoever follows. An event is logged and visible at once, and durable soon
// after: one goroutine writes what has arrived and syncs once for all of it.
// When the disk can't keep up or fails, events wait in a bounded queue; those
// beyond it are counted, and the file says how many are missing where.
type Store struct {
	cfg      Config
	logger   *zap.Logger
	recorded func(Event)
	wake     chan struct{} // of capacity 1: something is queued, or the Store closes
	done     chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	state   storeState
	seq     uint64        // of the newest event
	recent  []Event       // the newest, at most cfg.Memory
	queue   []Event       // to be written
	dropped uint64        // not written since the last EventsDropped
	total   uint64        // dropped since Open
	changed chan struct{} // closed, and replaced, at each event and at Close
}

type storeState int

const (
	created storeState = iota
	open
	closed
)

// New makes a Store that Open starts.
func New(cfg Config, deps Deps) *Store {
	if cfg.MaxSize <= 0 {
		cfg.MaxSize = DefaultMaxSize
	}
	if cfg.Queue <= 0 {
		cfg.Queue = DefaultQueue
	}
	if cfg.Memory <= 0 {
		cfg.Memory = DefaultMemory
	}
	if deps.Logger == nil {
		deps.Logger = zap.NewNop()
	}
	return &Store{
		cfg:      cfg,
		logger:   deps.Logger,
		recorded: deps.Recorded,
		wake:     make(chan struct{}, 1),
		done:     make(chan struct{}),
		changed:  make(chan struct{}),
	}
}

// Open reads back the newest events, cuts a last line that a crash left
// unfinished, and starts the writer. A Store is opened once.
func (s *Store) Open(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != created {
		return errors.New("open the history: it was opened or closed before")
	}
	f, events, err := openFile(s.cfg.Dir, s.cfg.MaxSize, s.cfg.Memory, s.logger)
	if err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	s.recent = events
	if n := len(events); n > 0 {
		s.seq = events[n-1].Seq
	}
	s.state = open
	go s.write(f)
	return nil
}

// Close writes what is queued, ends every Follow and waits for the writer. What
// could not be written is the error. Later calls do nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	before := s.state
	s.state = closed
	if before == open {
		close(s.changed)
	}
	s.mu.Unlock()
	if before == created {
		close(s.done)
		return nil
	}
	if before == open {
		s.signal()
	}
	<-s.done
	if before == open {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.dropped > 0 {
			return fmt.Errorf("close the history: %d events could not be written to %s; they stand in the log", s.dropped, s.cfg.Dir)
		}
	}
	return nil
}

// Record implements [Recorder]. Before Open and after Close it only logs.
func (s *Store) Record(e Event) {
	e = complete(e)
	s.mu.Lock()
	if s.state == open {
		e = s.add(e)
	}
	s.mu.Unlock()
	s.log(e)
	if s.recorded != nil {
		s.recorded(e)
	}
}

// complete fills in what Event says the Store sets, and cuts texts too long.
func complete(e Event) Event {
	// JSON has no year above 9999, and an event that can't be written would
	// hold up those behind it.
	if e.Time.IsZero() || e.Time.Year() < 1 || e.Time.Year() > 9000 {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC()
	if e.Level == "" {
		e.Level = Info
	}
	e.Message, e.Mend, e.GTID = cut(e.Message), cut(e.Mend), cut(e.GTID)
	if e.Step != nil {
		step := *e.Step
		step.Detail = cut(step.Detail)
		e.Step = &step
	}
	return e
}

func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// add makes e visible and queues it. s.mu is held.
func (s *Store) add(e Event) Event {
	e = s.show(e)
	if len(s.queue) < s.cfg.Queue {
		s.queue = append(s.queue, e)
	} else {
		s.dropped++
		s.total++
	}
	s.signal()
	return e
}

// show numbers e and makes it visible. s.mu is held.
func (s *Store) show(e Event) Event {
	s.seq++
	e.Seq = s.seq
	if len(s.recent) >= s.cfg.Memory {
		s.recent = append(s.recent[:0], s.recent[len(s.recent)-s.cfg.Memory+1:]...)
	}
	s.recent = append(s.recent, e)
	if s.state == open {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return e
}

func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Store) log(e Event) {
	level := zapcore.InfoLevel
	switch e.Level {
	case Warn:
		level = zapcore.WarnLevel
	case Error:
		level = zapcore.ErrorLevel
	}
	entry := s.logger.Check(level, e.Message)
	if entry == nil {
		return
	}
	fields := []zap.Field{zap.String(logkey.Kind, string(e.Kind))}
	for _, f := range []struct{ key, value string }{
		{logkey.Instance, e.Instance}, {logkey.GTID, e.GTID}, {logkey.Mend, e.Mend},
	} {
		if f.value != "" {
			fields = append(fields, zap.String(f.key, f.value))
		}
	}
	entry.Write(fields...)
}

// Dropped returns how many events since Open were not written to disk.
func (s *Store) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Recent returns the newest n events, the oldest first: at most Config.Memory.
func (s *Store) Recent(n int) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = max(0, min(n, len(s.recent)))
	return append([]Event{}, s.recent[len(s.recent)-n:]...)
}

// Follow yields the events with a Seq above after, those held in memory first,
// then each as it is recorded, until ctx ends (its error is yielded last) or
// the Store is closed (ErrClosed). It holds nobody up: where a follower was so
// slow that events it had not seen left the memory, it gets an EventsDropped
// with Seq 0 in their place.
func (s *Store) Follow(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			events, next, changed, isClosed := s.since(after)
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			after = next
			if len(events) > 0 {
				continue
			}
			if isClosed {
				yield(Event{}, ErrClosed)
				return
			}
			select {
			case <-ctx.Done():
				yield(Event{}, ctx.Err())
				return
			case <-changed:
			}
		}
	}
}

// since returns the events above after, the Seq to ask with next time, and the
// channel that is closed when there are more.
func (s *Store) since(after uint64) (events []Event, next uint64, changed <-chan struct{}, isClosed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.recent)
	for i > 0 && s.recent[i-1].Seq > after {
		i--
	}
	if i == 0 && len(s.recent) > 0 && after > 0 && s.recent[0].Seq > after+1 {
		events = append(events, missing(s.recent[0].Seq-after-1, s.recent[0].Time))
	}
	events = append(events, s.recent[i:]...)
	// A follower that saw a number this Store never gave (the files were
	// removed) goes on with the next event instead of waiting for that number.
	next = s.seq
	return events, next, s.changed, s.state != open
}

func missing(n uint64, at time.Time) Event {
	return Event{
		Time: at, Level: Warn, Kind: EventsDropped,
		Message: fmt.Sprintf("%d events are not shown: they left the daemon's memory before they were asked for", n),
		Mend:    "read them in " + fileName + " and " + oldFileName + " in the state directory",
	}
}
