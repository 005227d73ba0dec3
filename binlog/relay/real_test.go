package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/stretchr/testify/require"
)

// A binlogFile is one of a server's binlog files.
type binlogFile struct {
	path   string
	events []binlog.Event
}

// readBinlogs returns what a stopped server has written.
func readBinlogs(t *testing.T, dir string) (files []binlogFile) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.[0-9][0-9][0-9][0-9][0-9][0-9]"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		f := binlogFile{path: path}
		require.Equal(t, magic, string(b[:len(magic)]))
		for b = b[len(magic):]; len(b) > 0; {
			size := binary.LittleEndian.Uint32(b[9:])
			f.events = append(f.events, binlog.Event(b[:size]))
			b = b[size:]
		}
		files = append(files, f)
	}
	return files
}

// feed gives a relay what a leader would send of its files.
func feed(t *testing.T, r *Relay, files []binlogFile) {
	t.Helper()
	for _, f := range files {
		format, err := binlog.ParseFormat(f.events[0])
		require.NoError(t, err)
		require.NoError(t, r.Append(encodeRotate(format, binlog.Position{File: filepath.Base(f.path), Offset: 4})))
		for i, e := range f.events {
			require.NoError(t, r.Append(e))
			if i%20 == 0 {
				require.NoError(t, r.Sync())
			}
		}
	}
	require.NoError(t, r.Sync())
}

// mysqlbinlog returns what the server's own tool prints of files, without what
// says where an event stands, and of the events that only frame the transactions.
func mysqlbinlog(t *testing.T, program string, paths []string) string {
	t.Helper()
	args := append([]string{"--no-defaults", "--verify-binlog-checksum", "--base64-output=decode-rows", "--verbose", "--verbose"}, paths...)
	cmd := exec.Command(program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	require.NotContains(t, strings.ToLower(stderr.String()), "error")
	return string(out)
}

var framing = regexp.MustCompile(`(?m)^(# at \d+|#.*\t(Rotate to|Previous-GTIDs|Stop|Ignorable|Start: binlog).*|# (Warning: this binlog|Ignorable|Unrecognized).*|# \[empty\]|# [0-9a-f-]{36}:.*|ROLLBACK/\*!\*/;|DELIMITER.*|.*COMPLETION_TYPE.*|.*added by mysqlbinlog.*)\n`)

// sameLines shows the first difference only: a line may be long.
func sameLines(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		require.Equal(t, w[i], g[i], "line %d", i)
	}
	require.Equal(t, len(w), len(g))
}

func TestMysqlbinlogReadsSegmentsLikeTheServersFiles(t *testing.T) {
	srv := mysqltest.Start(t, mysqltest.Relaxed())
	srv.MustExec(t,
		"CREATE DATABASE shop",
		"CREATE TABLE shop.a (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB, c JSON)",
		"INSERT INTO shop.a (b, c) VALUES ('x', '{\"k\": 1}'), ('y', NULL)",
		"INSERT INTO shop.a (b) VALUES (REPEAT('big', 10000))",
		"FLUSH BINARY LOGS",
		"UPDATE shop.a SET b = 'z' WHERE id = 1",
		"CREATE TABLE shop.b SELECT * FROM shop.a",
		"SET SESSION binlog_transaction_compression = ON", "DELETE FROM shop.b WHERE id = 2", "SET SESSION binlog_transaction_compression = OFF",
		"XA START 'q'", "INSERT INTO shop.a (b) VALUES ('xa')", "XA END 'q'", "XA PREPARE 'q'", "XA COMMIT 'q'",
		"SET GLOBAL binlog_checksum = NONE", "INSERT INTO shop.a (b) VALUES ('without checksum')",
		"SET GLOBAL binlog_checksum = CRC32", "INSERT INTO shop.a (b) VALUES ('with one')",
		"ANALYZE TABLE shop.a", "DROP TABLE shop.b",
	)
	if !strings.HasPrefix(srv.Installation.Version, "8.0") {
		srv.MustExec(t, "SET gtid_next = 'AUTOMATIC:tagged'", "INSERT INTO shop.a (b) VALUES ('tagged')",
			"FLUSH BINARY LOGS", "INSERT INTO shop.a (b) VALUES ('tagged again')", "SET gtid_next = 'AUTOMATIC'")
	}
	executed, err := gtid.ParseSet(srv.GTIDExecuted(t))
	require.NoError(t, err)
	require.NoError(t, srv.Stop(context.Background()))
	files := readBinlogs(t, srv.DataDir)

	cfg := Config{Dir: t.TempDir(), SegmentSize: 2 << 10, Memory: 128 << 10}
	r := open(t, cfg, Deps{})
	require.NoError(t, r.Init(gtid.Set{}))
	feed(t, r, files)
	require.Equal(t, executed.String(), r.Durable().String())
	segments := r.Stats().Segments
	require.Greater(t, segments, 4)
	require.NoError(t, r.Close())

	theirs, ours := []string{}, []string{}
	for _, f := range files {
		theirs = append(theirs, f.path)
	}
	for n := range segments {
		ours = append(ours, r.segmentPath(uint64(n+1)))
	}
	program := srv.Installation.Mysqlbinlog
	printed := mysqlbinlog(t, program, ours)
	sameLines(t, framing.ReplaceAllString(mysqlbinlog(t, program, theirs), ""), framing.ReplaceAllString(printed, ""))

	r = open(t, cfg, Deps{})
	require.Equal(t, executed.String(), r.Durable().String())
	feed(t, r, files)
	require.Equal(t, uint64(executed.Count()), r.Stats().Dropped, "what the relay has is not doubled")
	all := read(t, r, gtid.Set{}, int(executed.Count()))
	var want, got []byte
	for _, f := range files {
		var g binlog.Grouper
		format, err := binlog.ParseFormat(f.events[0])
		require.NoError(t, err)
		for _, e := range f.events {
			part, err := g.Next(e, format)
			require.NoError(t, err)
			if part != binlog.Outside {
				want = append(want, e...)
			}
		}
	}
	for _, tx := range all {
		got = append(got, bytesOf(t, tx)...)
	}
	require.True(t, bytes.Equal(want, got), "events are kept byte for byte")
}
