package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/batondb/baton/failover"
)

// stateFile is where the daemon keeps what it must remember besides the relay.
const stateFile = "state.json"

// memory is what the daemon remembers from one start to the next. The position
// of a follower isn't part of it: that is the follower's own gtid_executed.
type memory struct {
	// Cluster is the cluster that the state is of.
	Cluster string `json:"cluster"`
	failover.Leadership
	// ServerID is the server_id under which baton reads the leader's binlog.
	ServerID uint32 `json:"server_id"`
	// Paused are the followers that an operator has paused.
	Paused []string `json:"paused,omitempty"`
}

// store keeps the memory on disk: it is replaced as a whole, atomically, at
// each change. It is safe for concurrent use.
type store struct {
	path string

	mu sync.Mutex
	m  memory
}

// openStore reads the state of a cluster; a first start has none.
func openStore(dir, cluster string) (*store, error) {
	s := &store{path: filepath.Join(dir, stateFile), m: memory{Cluster: cluster}}
	raw, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	if err := json.Unmarshal(raw, &s.m); err != nil {
		return nil, fmt.Errorf("read the state %s: %w; restore it from a backup, or, when you know which instance leads, remove it and name that one as leader in the configuration", s.path, err)
	}
	if s.m.Cluster != cluster {
		return nil, fmt.Errorf("the state in %s is of the cluster %q, not of %q: set state_dir to a directory of this cluster", s.path, s.m.Cluster, cluster)
	}
	return s, nil
}

// dir is the state directory.
func (s *store) dir() string { return filepath.Dir(s.path) }

// get returns what is remembered.
func (s *store) get() memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.m
	m.Paused = slices.Clone(m.Paused)
	return m
}

// change has f change what is remembered, and makes that durable before it
// counts.
func (s *store) change(f func(*memory)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.m
	m.Paused = slices.Clone(m.Paused)
	f(&m)
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	if m.Epoch < s.m.Epoch {
		return fmt.Errorf("write the state: epoch %d after epoch %d", m.Epoch, s.m.Epoch)
	}
	if err := replace(s.path, append(raw, '\n')); err != nil {
		return fmt.Errorf("write the state: %w; free space in the state directory or put its permissions right", err)
	}
	s.m = m
	return nil
}

// replace gives a file new content, all of it or none after a crash, and returns
// when that has reached the disk: the name in the folder too.
func replace(path string, content []byte) error {
	if err := renameio.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// lease is one machine's [failover.Lease]: whoever holds the lock of the state
// directory may act, and it can't be lost while the daemon runs.
type lease struct{ *store }

// Leadership implements [failover.Lease].
func (l lease) Leadership() failover.Leadership { return l.get().Leadership }

// Update implements [failover.Lease]. It waits for nobody but the disk.
func (l lease) Update(_ context.Context, change func(*failover.Leadership)) error {
	return l.change(func(m *memory) { change(&m.Leadership) })
}

// Held implements [failover.Lease].
func (lease) Held() context.Context { return context.Background() }

// The server_ids that baton chooses from: the upper half of all, where few
// number their servers.
const firstServerID = 1 << 31

// serverID returns the server_id under which baton reads, chosen at the first
// start.
func (s *store) serverID() (uint32, error) {
	if id := s.get().ServerID; id != 0 {
		return id, nil
	}
	id := firstServerID + rand.Uint32N(firstServerID-1)
	return id, s.change(func(m *memory) { m.ServerID = id })
}
