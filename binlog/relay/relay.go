package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"go.uber.org/zap"
)

// Config says where the relay is and bounds it. A zero size means its default.
type Config struct {
	// Dir is the folder of the segments. It is made if need be, and must be the
	// relay's alone: whoever opens it must hold a lock that keeps others out.
	Dir string
	// SegmentSize is how large a segment may be, in bytes, before the next
	// transaction begins a new one; default 256 MiB. What is synced together, and
	// a single transaction, may make it larger.
	SegmentSize int64
	// MaxSize is how many bytes all segments may have before Purge removes the
	// oldest although a follower needs it; default 50 GiB.
	MaxSize int64
	// Memory is how many bytes of the newest transactions are held in memory for
	// readers; default 64 MiB. A transaction larger than an eighth of it is held on
	// disk only.
	Memory int64
	// Retention is how long a segment stays at least after the newest transaction
	// in it was made durable; default 0.
	Retention time.Duration
}

const (
	defaultSegmentSize = 256 << 20
	defaultMaxSize     = 50 << 30
	defaultMemory      = 64 << 20

	// spillShare is the part of Memory that one transaction may take up.
	spillShare = 8
	// groupShare is the part of Memory that may wait for Sync: beyond it Append
	// makes durable what it has.
	groupShare = 4
)

func (c Config) withDefaults() Config {
	if c.SegmentSize <= 0 {
		c.SegmentSize = defaultSegmentSize
	}
	if c.MaxSize <= 0 {
		c.MaxSize = defaultMaxSize
	}
	if c.Memory <= 0 {
		c.Memory = defaultMemory
	}
	return c
}

// Deps is what the relay needs from outside; everything has a default.
type Deps struct {
	Logger *zap.Logger      // nil logs nothing
	FS     FS               // nil is the operating system's
	Now    func() time.Time // nil is time.Now
	// Synced is told how long each fsync of a group took. It may not wait, nor call
	// the relay. Nil tells nobody.
	Synced func(took time.Duration)
}

// A Relay is the durable log of what the leader sent. One goroutine at a time
// appends and syncs; everything else may be called by any goroutine at any time
// between Open and Close.
type Relay struct {
	cfg    Config
	log    *zap.Logger
	fs     FS
	now    func() time.Time
	synced func(time.Duration)

	// writing is held by whoever changes files, for as long as that takes; mu only
	// while memory changes. writing is taken first.
	writing sync.Mutex
	writer  writer

	// purging is held while a segment is removed; it is taken after writing.
	purging  sync.Mutex
	unsynced bool // a removal of a segment is not known to be durable; guarded by purging

	mu       sync.Mutex
	state    state
	initial  bool // Init has set the beginning, or segments have
	base     gtid.Set
	durable  gtid.Set
	received gtid.Set
	end      binlog.Position
	segments []*segment // by number
	tail     tail
	failure  *WriteError // the first since the last success
	counts   counts

	published chan struct{} // closed, and replaced, whenever something is published
	closed    chan struct{} // closed by Close
}

type state int

const (
	isNew state = iota
	isOpen
	isClosed
)

// New makes a relay that does nothing until Open.
func New(cfg Config, deps Deps) *Relay {
	r := &Relay{
		cfg: cfg.withDefaults(), log: deps.Logger, fs: deps.FS, now: deps.Now, synced: deps.Synced,
		published: make(chan struct{}), closed: make(chan struct{}),
	}
	if r.log == nil {
		r.log = zap.NewNop()
	}
	if r.fs == nil {
		r.fs = osFS{}
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.synced == nil {
		r.synced = func(time.Duration) {}
	}
	r.tail.limit = r.cfg.Memory
	return r
}

// Open reads what is on disk, cuts a torn tail (see the package's comment) and
// makes what remains durable. A [DamageError] says that what had been durable is
// not there any more; nothing is changed on disk then. It may be called once.
func (r *Relay) Open(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.getState() != isNew {
		return fmt.Errorf("open relay %s: opened before", r.cfg.Dir)
	}
	if err := r.recover(ctx); err != nil {
		r.writer.closeFile()
		return fmt.Errorf("open relay %s: %w", r.cfg.Dir, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = isOpen
	return nil
}

// Close ends the relay. What was not synced is given up, and readers that wait
// get ErrClosed. The error says that the last sync mark could not be written,
// which loses nothing. It may be called again.
func (r *Relay) Close() error {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	was := r.state
	r.state = isClosed
	r.mu.Unlock()
	if was == isClosed {
		return nil
	}
	close(r.closed)
	if was == isNew {
		return nil
	}
	return r.finish()
}

func (r *Relay) getState() state {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Empty tells whether the relay has no beginning yet: no segment, and no base
// from Init.
func (r *Relay) Empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.initial
}

// Init gives an empty relay its beginning: what is in base is not here and never
// will be. It is durable when Init returns. The error matches ErrNotEmpty or
// ErrClosed, or is a [WriteError].
func (r *Relay) Init(base gtid.Set) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.getState() != isOpen {
		return ErrClosed
	}
	if !r.Empty() {
		return ErrNotEmpty
	}
	if err := r.writeBase(base); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.initial = true
	r.base, r.durable, r.received = base, base, base
	return nil
}

// Durable is the base and every whole transaction that is fsynced.
func (r *Relay) Durable() gtid.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.durable
}

// Base is what came before the oldest segment: what the relay can give nobody.
func (r *Relay) Base() gtid.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.base
}

// Received is Durable and the whole transactions that still wait for Sync.
func (r *Relay) Received() gtid.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
}

// DurableEnd is a place in the leader's binlog before which everything is
// durable: the end of the last durable transaction, or, where nothing follows it
// yet, the place that the stream had reached when the segment was begun. It is
// zero when unknown, as after NewSegment.
func (r *Relay) DurableEnd() binlog.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end
}

// writable returns why the relay can't be written, if so.
func (r *Relay) writable() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != isOpen {
		return ErrClosed
	}
	if r.writer.failed != nil {
		return r.writer.failed
	}
	return nil
}

// lastSegment is nil when there is none.
func (r *Relay) lastSegment() *segment {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.segments) == 0 {
		return nil
	}
	return r.segments[len(r.segments)-1]
}

// fail notes that the relay could not be written and returns the error for it.
func (r *Relay) fail(op, path string, err error) *WriteError {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.now()
	if r.failure != nil {
		since = r.failure.Since
	}
	// A failure is kept unwrapped, so that a retry doesn't pile up texts.
	var inner *WriteError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	we := &WriteError{Op: op, Path: path, Since: since, Err: err}
	r.failure = we
	return we
}
