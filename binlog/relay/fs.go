package relay

import (
	"errors"
	"io"
	"os"
	"time"
)

// FS is what the relay needs of a file system; nil in [Deps] means the operating
// system's. Tests inject faults and crashes with it. Errors must satisfy
// errors.Is(err, fs.ErrNotExist) where a file is missing.
type FS interface {
	// MkdirAll makes a folder and those above it.
	MkdirAll(dir string) error
	// ReadDir returns the names in a folder, sorted.
	ReadDir(dir string) ([]string, error)
	// Create makes an empty file for reading and writing, emptying one that is there.
	Create(path string) (File, error)
	// Open opens a file for reading.
	Open(path string) (File, error)
	// OpenWrite opens a file that is there for reading and writing.
	OpenWrite(path string) (File, error)
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes what was created, renamed and removed in a folder durable.
	SyncDir(dir string) error
}

// A File is an open file of an [FS].
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	// Sync makes the content and the size durable.
	Sync() error
	// Stat returns the size in bytes and when the content last changed.
	Stat() (size int64, modified time.Time, err error)
	Close() error
}

type osFS struct{}

type osFile struct{ *os.File }

const (
	folderMode = 0o750
	fileMode   = 0o640
)

func (osFS) MkdirAll(dir string) error { return os.MkdirAll(dir, folderMode) }

func (osFS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func (osFS) Create(path string) (File, error) {
	return opened(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode))
}

func (osFS) Open(path string) (File, error) { return opened(os.Open(path)) }

func (osFS) OpenWrite(path string) (File, error) { return opened(os.OpenFile(path, os.O_RDWR, 0)) }

func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Remove(path string) error { return os.Remove(path) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f osFile) Sync() error { return syncData(f.File) }

func (f osFile) Stat() (int64, time.Time, error) {
	fi, err := f.File.Stat()
	if err != nil {
		return 0, time.Time{}, err
	}
	return fi.Size(), fi.ModTime(), nil
}
