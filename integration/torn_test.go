package integration_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// span is where an event stands in a segment.
type span struct {
	typ        replication.EventType
	start, end int
}

const (
	headerSize   = 19 // of an event: timestamp 4, type 1, server_id 4, size 4, position 4, flags 2
	checksumSize = 4
)

// segments are the relay's files, the oldest first.
func (b *baton) segments() []string {
	b.t.Helper()
	all, err := filepath.Glob(filepath.Join(b.stateDir, "relay", "relay.*"))
	require.NoError(b.t, err)
	number := regexp.MustCompile(`^relay\.\d+$`)
	all = slices.DeleteFunc(all, func(path string) bool { return !number.MatchString(filepath.Base(path)) })
	slices.Sort(all)
	return all
}

// spans are the events of a segment.
func spans(content []byte) []span {
	var all []span
	for at := 4; at+headerSize <= len(content); {
		size := int(binary.LittleEndian.Uint32(content[at+9:]))
		if size < headerSize || at+size > len(content) {
			break
		}
		all = append(all, span{replication.EventType(content[at+4]), at, at + size})
		at += size
	}
	return all
}

// lastGroup are the events that were made durable together at the end, the last of them their sync mark.
func lastGroup(all []span) []span {
	mark := func(s span) bool { return s.typ == replication.IGNORABLE_EVENT }
	for n := len(all) - 2; n >= 0; n-- {
		if mark(all[n]) {
			return all[n+1:]
		}
	}
	return nil
}

// Ways in which a loss of power may leave the end of the relay whole, though shorter: g is the last group, c the file's
// content up to its end.
var shortenings = []tear{
	{"the mark is gone", func(c []byte, g []span) []byte { return c[:g[len(g)-1].start] }},
	{"nothing of the group", func(c []byte, g []span) []byte { return c[:g[0].start] }},
}

// Ways in which it may leave something that is no transaction.
var tears = []tear{
	{"the mark is cut in its header", func(c []byte, g []span) []byte { return c[:g[len(g)-1].start+7] }},
	{"the mark is cut in its checksum", func(c []byte, g []span) []byte { return c[:len(c)-2] }},
	{"cut in a transaction's checksum", func(c []byte, g []span) []byte { return c[:g[len(g)-2].end-1] }},
	{"cut in a transaction's body", func(c []byte, g []span) []byte { return c[:g[len(g)-2].start+headerSize+1] }},
	{"cut between the events of a transaction", func(c []byte, g []span) []byte { return c[:g[len(g)-2].start] }},
	{"cut in an event's header", func(c []byte, g []span) []byte { return c[:g[len(g)-2].start+headerSize-1] }},
	{"cut before an event's size", func(c []byte, g []span) []byte { return c[:g[len(g)-2].start+5] }},
	{"one byte of the group", func(c []byte, g []span) []byte { return c[:g[0].start+1] }},
	{"zeros instead of the group", func(c []byte, g []span) []byte { clear(c[g[0].start:]); return c }},
	{"zeros at the end", func(c []byte, g []span) []byte { clear(c[len(c)-30:]); return c }},
	{"zeros in the middle of the group", func(c []byte, g []span) []byte { clear(c[g[0].start+10 : g[0].start+40]); return c }},
	{"another timestamp", flip(0)},
	{"another type", flip(4)},
	{"another size", flip(9)},
	{"a size beyond the file", flip(12)},
	{"another body", flip(headerSize)},
	{"another checksum", func(c []byte, g []span) []byte { c[g[0].end-1] ^= 0x55; return c }},
	{"garbage behind", func(c []byte, g []span) []byte {
		return append(c, bytes.Repeat([]byte{0xa5, 0x00, 0x13, 0xff, 0x21}, 50)...)
	}},
	{"zeros behind", func(c []byte, g []span) []byte { return append(c, make([]byte, 5000)...) }},
	{"an event's beginning behind", func(c []byte, g []span) []byte { return append(c, c[g[0].start:g[0].start+25]...) }},
}

type tear struct {
	name string
	tear func(c []byte, g []span) []byte
}

// flip changes the byte at that offset of the group's first event.
func flip(offset int) func([]byte, []span) []byte {
	return func(c []byte, g []span) []byte { c[g[0].start+offset] ^= 0x55; return c }
}

func TestTornTailIsCutAndFetchedAgain(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	b := startBaton(t, c.Servers())
	w := newWorkload(t, c.Leader, 4)
	for i, tear := range append(shortenings, tears...) {
		t.Logf("tail: %s", tear.name)
		w.write(t, 10)
		// One follower lacks what is torn off, the other has it already.
		mysqltest.WaitGTID(t, c.Followers[0], c.Leader.GTIDExecuted(t), patience)
		b.must("pause", "db3")
		w.start()
		w.await(t, 20)
		b.kill9()
		w.stop()
		path := b.segments()[len(b.segments())-1]
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		all := spans(content)
		content = content[:all[len(all)-1].end]
		group := lastGroup(all)
		require.Greater(t, len(group), 1, "segment %s ends with a group: %v", path, all)
		require.NoError(t, os.WriteFile(path, tear.tear(content, group), 0o600))
		before := len(b.log())
		b.start()
		if i >= len(shortenings) {
			require.Contains(t, b.log()[before:], "cut off the torn tail", tear.name)
		}
		b.must("resume", "db3")
		converged(t, b, w, c.Leader, c.Followers...)
		if t.Failed() {
			t.Fatal(tear.name)
		}
		if i%8 == 7 {
			w.tidy(t)
		}
	}
}

// What had been durable and is not what it was any more is no torn tail.
func TestDamagedRelayIsRefused(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	b := startBaton(t, c.Servers(), smallRelay())
	w := newWorkload(t, c.Leader, 5)
	w.write(t, 100)
	converged(t, b, w, c.Leader, c.Followers...)
	b.must("pause", "db2")
	b.waitState("db2", "paused")
	held := c.Followers[0].GTIDExecuted(t)
	w.write(t, 400)
	b.wait("the relay has several segments", func() (bool, string) { return b.status().Relay.Segments > 2, "" })
	b.kill9()
	files := b.segments()

	damage := func(path string) (offset int, mend func()) {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		all := spans(content)
		s := all[len(all)/2]
		broken := bytes.Clone(content)
		broken[s.end-checksumSize-1] ^= 0x55
		require.NoError(t, os.WriteFile(path, broken, 0o600))
		return s.start, func() { require.NoError(t, os.WriteFile(path, content, 0o600)) }
	}
	refused := func(path string, offset int) {
		t.Helper()
		before := len(b.log())
		b.launch()
		require.Equal(t, 1, b.exitCode())
		said := b.log()[before:]
		require.Contains(t, said, path)
		require.Contains(t, said, fmt.Sprintf("offset %d", offset))
		require.Equal(t, held, c.Followers[0].GTIDExecuted(t), "nothing is applied")
	}
	active := files[len(files)-1]
	offset, mend := damage(active)
	refused(active, offset)
	mend()

	// A sealed segment is not read as a whole before somebody needs it.
	sealed := files[len(files)-2]
	offset, mend = damage(sealed)
	b.start()
	b.must("resume", "db2")
	stopped := b.waitStatus("the follower is stopped", func(s state) bool { return s.instance("db2").State == "stopped" }).instance("db2")
	require.Contains(t, stopped.Error, sealed)
	require.Contains(t, stopped.Error, fmt.Sprintf("offset %d", offset))
	require.NotEmpty(t, stopped.Mend)
	require.Contains(t, b.waitEvent("follower-stopped", "db2", "damaged").Message, sealed)
	mend()
	b.must("resume", "db2")
	converged(t, b, w, c.Leader, c.Followers...)
}
