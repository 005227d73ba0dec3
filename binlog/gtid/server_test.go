package gtid_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/mysqltest"
)

// TestTheServerAgrees compares what this package does with what a real server does.
func TestTheServerAgrees(t *testing.T) {
	s := server{DB: mysqltest.Start(t, mysqltest.Relaxed()).DB()}
	_, err := s.normalize(t, uuid1+":a:1")
	s.tags = err == nil
	_, err = s.normalize(t, uuid1+":1-")
	s.strict = err != nil
	t.Run("texts", s.testTexts)
	t.Run("random texts", s.testRandomTexts)
	t.Run("subtract and subset", s.testSubtractAndSubset)
	t.Run("binary form", s.testBinaryForm)
}

// server is a running one and what it can do.
type server struct {
	*sql.DB
	tags   bool // 8.3 and later
	strict bool // has the newer of the two readers of GTID sets (see ParseSet): it takes exactly what this package takes
}

func (s server) testTexts(t *testing.T) {
	for _, c := range gtid.SetTexts {
		if c.Disputed || !s.tags && tagText.MatchString(c.Text) {
			continue
		}
		text, err := s.normalize(t, c.Text)
		assert.Equal(t, c.Malformed, err != nil, "%s: %q: %v", c.Name, c.Text, err)
		assert.Equal(t, c.Canonical, text, "%s: %q", c.Name, c.Text)
	}
}

// testRandomTexts makes texts of pieces that matter to the grammar, most of them malformed.
func (s server) testRandomTexts(t *testing.T) {
	uuid := rapid.SampledFrom([]string{uuid1, uuid2, strings.ToUpper(uuid2)})
	piece := rapid.OneOf(
		uuid,
		rapid.SampledFrom([]string{
			":", ":", ":", "-", "-", ",", ",", " ", "\n", "+", "blue", "Red_1", "_", "0", "1", "7", "12", "x", "{" + uuid2 + "}",
			"9223372036854775806", "9223372036854775807", "9223372036854775808", "1 2", "::", "é", ";",
		}),
		rapid.StringMatching(`:[1-9]{1,2}(-[1-9][0-9])?`),
		rapid.StringMatching(`:[a-z]{1,3}:[1-9]`),
	)
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		for _, rest := range rapid.SliceOfN(rapid.SliceOfN(piece, 0, 6), 20, 20).Draw(rt, "rest") {
			text := uuid1 + strings.Join(rest, "")
			want, wantErr := s.normalize(t, text)
			got, err := gtid.ParseSet(text)
			if leadingZero.MatchString(strings.ReplaceAll(text, uuid1, "uuid")) {
				require.Error(rt, err)
				continue
			}
			if !s.strict && (err != nil || wantErr != nil) {
				continue
			}
			if (err == nil) != (wantErr == nil) || got.String() != want {
				rt.Fatalf("%q:\nhere  %q, %v\nthere %q, %v", text, got.String(), err, want, wantErr)
			}
			if err == nil {
				accepted++
			}
		}
	})
	assert.NotZero(t, accepted)
}

// leadingZero finds the numbers that servers read in two ways, in a text without UUIDs that have such sections.
var leadingZero = regexp.MustCompile(`[:-]\s*0[0-9]+\s*([:,-]|$)`)

// tagText finds texts with a tag.
var tagText = regexp.MustCompile(`:\s*[A-Za-z_]`)

// normalize returns the server's canonical text without line breaks; an error is the server's word that the text is malformed.
func (s server) normalize(t *testing.T, text string) (string, error) {
	t.Helper()
	const malformedGTIDSet = 1772 // ER_MALFORMED_GTID_SET_SPECIFICATION
	var canonical string
	err := s.QueryRow("SELECT GTID_SUBTRACT(?, '')", text).Scan(&canonical)
	if refused := new(mysql.MySQLError); errors.As(err, &refused) && refused.Number == malformedGTIDSet {
		return "", err
	}
	require.NoError(t, err, "%q", text)
	return strings.ReplaceAll(canonical, "\n", ""), nil
}

func (s server) testSubtractAndSubset(t *testing.T) {
	type pair struct{ A, B string }
	sources := []string{uuid1, uuid2}
	if s.tags {
		sources = append(sources, uuid1+":blue", uuid1+":red")
	}
	// The numbers lie close together, so that sets overlap, touch and contain one another often.
	interval := rapid.Custom(func(t *rapid.T) string {
		first := rapid.Int64Range(1, 30).Draw(t, "first")
		return fmt.Sprintf("%d-%d", first, first+rapid.Int64Range(0, 6).Draw(t, "more"))
	})
	part := rapid.Custom(func(t *rapid.T) string {
		source := rapid.SampledFrom(sources).Draw(t, "source")
		return source + ":" + strings.Join(rapid.SliceOfN(interval, 1, 6).Draw(t, "intervals"), ":")
	})
	set := rapid.Map(rapid.SliceOfN(part, 0, 5), func(parts []string) string { return strings.Join(parts, ",") })
	pairs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pair { return pair{set.Draw(t, "a"), set.Draw(t, "b")} }), 100, 100)

	rapid.Check(t, func(rt *rapid.T) {
		batch := pairs.Draw(rt, "pairs")
		// A third of the pairs is made of a set and a subset of it.
		for i := 0; i < len(batch); i += 3 {
			batch[i].A = gtid.MustParseSet(batch[i].B).Subtract(gtid.MustParseSet(batch[i].A)).String()
		}
		document, err := json.Marshal(batch)
		require.NoError(rt, err)
		rows, err := s.Query(`SELECT GTID_SUBTRACT(a, ''), GTID_SUBTRACT(a, b), GTID_SUBTRACT(a, GTID_SUBTRACT(a, b)), GTID_SUBSET(a, b)
			FROM JSON_TABLE(CONVERT(? USING utf8mb4), '$[*]' COLUMNS (n FOR ORDINALITY, a TEXT PATH '$.A', b TEXT PATH '$.B')) pairs ORDER BY n`, document)
		require.NoError(rt, err)
		defer rows.Close()
		n := 0
		for ; rows.Next(); n++ {
			var canonical, difference, common string
			var subset bool
			require.NoError(rt, rows.Scan(&canonical, &difference, &common, &subset))
			a, b := gtid.MustParseSet(batch[n].A), gtid.MustParseSet(batch[n].B)
			for _, check := range []struct{ what, here, there string }{
				{"canonical", a.String(), canonical},
				{"subtract", a.Subtract(b).String(), difference},
				{"intersect", a.Intersect(b).String(), common},
				{"subset", fmt.Sprint(b.ContainsSet(a)), fmt.Sprint(subset)},
			} {
				if there := strings.ReplaceAll(check.there, "\n", ""); check.here != there {
					rt.Fatalf("%s of a=%s b=%s:\nhere  %s\nthere %s", check.what, batch[n].A, batch[n].B, check.here, there)
				}
			}
		}
		require.NoError(rt, rows.Err())
		require.Equal(rt, len(batch), n)
	})
}

// testBinaryForm reads the Previous_gtids event of binlog files that the server wrote, before and after its first tagged GTID.
func (s server) testBinaryForm(t *testing.T) {
	exec := func(query string, args ...any) {
		t.Helper()
		_, err := s.Exec(query, args...)
		require.NoError(t, err, query)
	}
	exec("CREATE DATABASE binary_form")
	exec("DROP DATABASE binary_form")
	s.comparePreviousGTIDs(t, false)

	// One connection, since GTID_NEXT belongs to a session.
	s.SetMaxOpenConns(1)
	defer s.SetMaxOpenConns(0)
	next := []string{uuid2 + ":5", uuid2 + ":7", uuid1 + ":9223372036854775806"}
	if s.tags {
		next = append(next, uuid2+":blue:1", uuid2+":blue:3", uuid2+":"+strings.Repeat("z", gtid.MaxTagLength)+":1",
			uuid1+":_:9223372036854775806", "AUTOMATIC:Red_1", "AUTOMATIC:Red_1")
	}
	for _, value := range next {
		exec("SET gtid_next = ?", value)
		exec("CREATE DATABASE IF NOT EXISTS binary_form")
	}
	exec("SET gtid_next = 'AUTOMATIC'")
	exec("DROP DATABASE binary_form")
	s.comparePreviousGTIDs(t, s.tags)
}

func (s server) comparePreviousGTIDs(t *testing.T, tagged bool) {
	t.Helper()
	_, err := s.Exec("FLUSH BINARY LOGS")
	require.NoError(t, err)
	var executed, directory string
	require.NoError(t, s.QueryRow("SELECT @@gtid_executed, @@datadir").Scan(&executed, &directory))
	files, err := filepath.Glob(filepath.Join(directory, "*.[0-9][0-9][0-9][0-9][0-9][0-9]"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	content, err := os.ReadFile(files[len(files)-1])
	require.NoError(t, err)
	written := previousGTIDs(t, content)

	set := gtid.MustParseSet(executed)
	encoded, err := set.MarshalBinary()
	require.NoError(t, err)
	assert.Equal(t, written, encoded)
	assert.Equal(t, tagged, written[7] == 1)
	var decoded gtid.Set
	require.NoError(t, decoded.UnmarshalBinary(written))
	assert.Equal(t, strings.ReplaceAll(executed, "\n", ""), decoded.String())
}

// previousGTIDs returns the body of the event of that type in a binlog file with checksums.
func previousGTIDs(t *testing.T, file []byte) []byte {
	t.Helper()
	const magicLength, headerLength, checksumLength, previousGTIDsEvent = 4, 19, 4, 35
	require.True(t, bytes.HasPrefix(file, []byte("\xfebin")))
	for file = file[magicLength:]; len(file) > headerLength; {
		length := int(file[9]) | int(file[10])<<8 | int(file[11])<<16 | int(file[12])<<24
		require.LessOrEqual(t, length, len(file))
		if file[4] == previousGTIDsEvent {
			return file[headerLength : length-checksumLength]
		}
		file = file[length:]
	}
	require.Fail(t, "no Previous_gtids event in the file")
	return nil
}

const (
	uuid1 = "00000000-0000-0000-0000-000000000001"
	uuid2 = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
)
