package relay

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A memFS is a file system in memory that fails when told to, and that can lose
// what was not made durable, as a loss of power does.
type memFS struct {
	mu      sync.Mutex
	rnd     *rand.Rand
	now     time.Time
	names   map[string]*memNode // as programs see them
	durable map[string]*memNode // as they are after a loss of power
	// fail decides whether an operation fails; nil never.
	fail func(op, path string) error
	// room is how many bytes may still be written; negative is any number.
	room int64
	open int // files that were not closed
	// wreck is what was there when the power went off, see failAfter.
	wreck *memFS
}

// A memNode is a file: what programs see of it, and what is on the platter.
type memNode struct {
	content, platter []byte
	dirty            map[int]bool // pages that the next fsync writes
	modified         time.Time
}

// memPage is small, so that losing one page and not the next is likely.
const memPage = 64

var errInjected = errors.New("injected fault")

func newMemFS(seed int64) *memFS {
	return &memFS{
		rnd: rand.New(rand.NewSource(seed)), now: time.Unix(1_700_000_000, 0),
		names: map[string]*memNode{}, durable: map[string]*memNode{}, room: -1,
	}
}

func (m *memFS) try(op, path string) error {
	if m.fail != nil {
		if err := m.fail(op, path); err != nil {
			return &os.PathError{Op: op, Path: path, Err: err}
		}
	}
	return nil
}

func (m *memFS) MkdirAll(string) error { return nil }

func (m *memFS) ReadDir(string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for p := range m.names {
		names = append(names, filepath.Base(p))
	}
	slices.Sort(names)
	return names, m.try("readdir", "")
}

func (m *memFS) Create(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.try("create", path); err != nil {
		return nil, err
	}
	if n := m.names[path]; n != nil {
		n.resize(0)
	} else {
		m.names[path] = &memNode{dirty: map[int]bool{}, modified: m.now}
	}
	m.open++
	return &memFile{fs: m, path: path, node: m.names[path]}, nil
}

func (m *memFS) Open(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[path]
	if n == nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	if err := m.try("open", path); err != nil {
		return nil, err
	}
	m.open++
	return &memFile{fs: m, path: path, node: n}, nil
}

func (m *memFS) OpenWrite(path string) (File, error) { return m.Open(path) }

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.try("rename", from); err != nil {
		return err
	}
	m.names[to] = m.names[from]
	delete(m.names, from)
	return nil
}

func (m *memFS) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.try("remove", path); err != nil {
		return err
	}
	if m.names[path] == nil {
		return &os.PathError{Op: "remove", Path: path, Err: os.ErrNotExist}
	}
	delete(m.names, path)
	return nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.try("syncdir", dir); err != nil {
		return err
	}
	m.durable = maps.Clone(m.names)
	return nil
}

// kill returns what a process that starts after this one was killed sees.
func (m *memFS) kill() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := newMemFS(m.rnd.Int63())
	next.now, next.names, next.durable = m.now, maps.Clone(m.names), maps.Clone(m.durable)
	return next
}

// crash returns what is there after a loss of power: of everything that was not
// made durable, some, in pages.
func (m *memFS) crash() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.remains()
}

// failAfter makes everything fail from the n-th operation on, as if the power
// went off then, and keeps what is there after that.
func (m *memFS) failAfter(n int) {
	m.fail = func(string, string) error {
		if n--; n > 0 {
			return nil
		}
		if m.wreck == nil {
			m.wreck = m.remains()
		}
		return errInjected
	}
}

func (m *memFS) remains() *memFS {
	next := newMemFS(m.rnd.Int63())
	next.now = m.now
	for _, path := range slices.Sorted(maps.Keys(m.names)) {
		if m.names[path] == m.durable[path] || m.rnd.Intn(2) == 0 {
			next.names[path] = m.names[path].survive(m.rnd)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(m.durable)) {
		if next.names[path] == nil && (m.names[path] != nil || m.rnd.Intn(2) == 0) {
			next.names[path] = m.durable[path].survive(m.rnd)
		}
	}
	next.durable = maps.Clone(next.names)
	return next
}

// survive returns the file after a loss of power. Pages that a failed fsync had
// dropped are lost for certain.
func (n *memNode) survive(rnd *rand.Rand) *memNode {
	size := len(n.platter)
	if len(n.content) != size {
		switch rnd.Intn(3) {
		case 0:
			size = len(n.content)
		case 1:
			low, high := min(size, len(n.content)), max(size, len(n.content))
			size = low + rnd.Intn(high-low+1)
		}
	}
	b := make([]byte, size)
	copy(b, n.platter)
	for p := 0; p*memPage < size; p++ {
		if n.dirty[p] && rnd.Intn(2) == 0 {
			from, to := p*memPage, min(size, (p+1)*memPage)
			clear(b[from:to])
			if from < len(n.content) {
				copy(b[from:to], n.content[from:])
			}
		}
	}
	return &memNode{content: b, platter: bytes.Clone(b), dirty: map[int]bool{}, modified: n.modified}
}

// resize changes the size. Pages that go are not dirty any more.
func (n *memNode) resize(size int) {
	if size < len(n.content) {
		for p := (size + memPage - 1) / memPage; p*memPage < len(n.content); p++ {
			delete(n.dirty, p)
		}
	}
	b := make([]byte, size)
	copy(b, n.content)
	n.content = b
}

func (n *memNode) write(b []byte, off int) {
	if off+len(b) > len(n.content) {
		n.resize(off + len(b))
	}
	copy(n.content[off:], b)
	for p := off / memPage; p*memPage < off+len(b); p++ {
		n.dirty[p] = true
	}
}

// sync writes the dirty pages, all of them or, if rnd isn't nil, some.
func (n *memNode) sync(rnd *rand.Rand) {
	if rnd == nil || rnd.Intn(2) == 0 {
		b := make([]byte, len(n.content))
		copy(b, n.platter)
		n.platter = b
	}
	for _, p := range slices.Sorted(maps.Keys(n.dirty)) {
		from, to := p*memPage, min(len(n.content), (p+1)*memPage, len(n.platter))
		if from < to && (rnd == nil || rnd.Intn(2) == 0) {
			copy(n.platter[from:to], n.content[from:to])
		}
	}
	n.dirty = map[int]bool{}
}

type memFile struct {
	fs     *memFS
	path   string
	node   *memNode
	closed bool
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read"); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.content)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.content[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) check(op string) error {
	if f.closed {
		return &os.PathError{Op: op, Path: f.path, Err: os.ErrClosed}
	}
	return f.fs.try(op, f.path)
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("write"); err != nil {
		n := f.fs.rnd.Intn(len(b) + 1)
		f.node.write(b[:n], int(off))
		return n, err
	}
	if f.fs.room >= 0 && int64(len(b)) > f.fs.room {
		n := f.fs.room
		f.fs.room = 0
		f.node.write(b[:n], int(off))
		return int(n), &os.PathError{Op: "write", Path: f.path, Err: syscall.ENOSPC}
	}
	if f.fs.room >= 0 {
		f.fs.room -= int64(len(b))
	}
	f.node.write(b, int(off))
	f.node.modified = f.fs.now
	return len(b), nil
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("truncate"); err != nil {
		return err
	}
	f.node.resize(int(size))
	return nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("sync"); err != nil {
		// The kernel takes pages that it could not write for clean.
		f.node.sync(f.fs.rnd)
		return err
	}
	f.node.sync(nil)
	return nil
}

func (f *memFile) Stat() (int64, time.Time, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.content)), f.node.modified, f.check("stat")
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return os.ErrClosed
	}
	f.closed = true
	f.fs.open--
	return nil
}
