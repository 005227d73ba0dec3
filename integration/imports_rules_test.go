package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachBrokenImportRuleIsFound(t *testing.T) {
	lib := func(folder string, imports ...string) sourceFile {
		return sourceFile{folder: folder, name: "x.go", imports: imports}
	}
	test := func(folder string, imports ...string) sourceFile {
		return sourceFile{folder: folder, name: "x_test.go", test: true, imports: imports}
	}
	const (
		pure      = "the words and the decisions stand on nothing"
		above     = "it stands on a floor above"
		homeless  = `"newroom" stands on no floor: give it one`
		ofApplier = "an applier declares the relay that it needs, and knows no hand-over"
		ofHand    = "a hand-over declares what it needs of the others"
		ofSource  = "the source declares the relay that it writes to"
		programs  = "nothing imports the programs"
	)
	for _, c := range []struct {
		file sourceFile
		why  string // "" where it is allowed
	}{
		{lib("binlog", "binlog/gtid"), ""},
		{lib("binlog/gtid", "binlog"), ""},
		{lib("binlog/gtid", "internal/logkey"), pure},
		{lib("config", "binlog", "binlog/gtid"), ""},
		{lib("config", "internal/mysql"), pure},
		{lib("config/schema", "internal/mysql"), ""},
		{lib("applier/schedule", "binlog"), ""},
		{lib("applier/schedule", "applier/session"), pure},
		{lib("applier/writeset", "binlog/rowimage"), pure},
		{lib("failover/plan", "binlog/gtid"), ""},
		{lib("failover/plan", "config"), pure},
		{test("failover/plan", "config", "integration/mysqltest"), ""},

		{lib("applier", "applier/schedule", "applier/session", "binlog", "internal/mysql", "config"), ""},
		{lib("applier", "failover"), ofApplier},
		{lib("applier/session", "failover/plan"), ofApplier},
		{lib("applier", "binlog/relay"), ofApplier},
		{test("applier", "binlog/relay"), ""},
		{lib("failover", "failover/plan", "internal/mysql"), ""},
		{lib("failover", "applier"), ofHand},
		{lib("failover/endpoint", "applier/session"), ofHand},
		{lib("failover", "binlog/relay"), ofHand},
		{lib("binlog/source", "binlog", "internal/history"), ""},
		{lib("binlog/source", "binlog/relay"), ofSource},

		{lib("internal/mysql", "applier"), above},
		{lib("binlog/relay", "failover"), above},
		{lib("failover", "cmd/internal/admin"), above},
		{lib("cmd/internal/daemon", "failover", "applier", "binlog/relay", "binlog/source", "config", "internal/mysql"), ""},
		{lib("cmd/baton", "cmd/internal/daemon"), ""},
		{lib("cmd/baton", "integration/mysqltest"), above},
		{test("cmd/baton", "integration/mysqltest", "cmd/internal/admin"), ""},
		{test("internal/mysql", "cmd/internal/admin"), above},
		{lib("integration/demo", "integration/mysqltest", "internal/history"), ""},
		{lib("integration/demo", "cmd/internal/admin"), programs},
		{test("integration", "cmd/baton"), programs},
		{lib("newroom", "binlog"), homeless},
		{lib("cmd/baton", "newroom"), homeless},
		{lib("applierlike", "binlog"), `"applierlike" stands on no floor: give it one`},
	} {
		var want []string
		for _, imported := range c.file.imports {
			if c.why != "" {
				want = append(want, c.file.path()+" imports "+imported+": "+c.why)
			}
		}
		require.Equal(t, want, brokenImports([]sourceFile{c.file}))
	}
}

func TestWhatALibraryMayNotDoIsFound(t *testing.T) {
	for _, c := range []struct {
		folder, text string
		want         []string
	}{
		{"applier", `func Open() { defer func() { recover() }() }`, nil},
		{"applier", `func Open() { go func() { panic("x") }() }`, []string{"calls panic in Open"}},
		{"applier", `import "log"; func Open() { log.Fatalf("x") }`, []string{"calls Fatalf in Open"}},
		{"applier", `import quit "os"; func Open() { quit.Exit(1) }`, []string{"calls os.Exit in Open"}},
		{"applier", `import "os"; func Open() { os.Getpid() }`, nil},
		{"applier", `func (a A) Open() { a.log.With(x).Fatal("x") }`, []string{"calls Fatal in Open"}},
		{"integration/mysqltest", `func Start(t T) { t.Fatal("x") }`, nil},
		{"integration/mysqltest", `import "log"; func Start() { log.Fatal("x") }`, []string{"calls Fatal in Start"}},
		{"applier", `func init() {}`, []string{"has an init function"}},
		{"applier", `func (a A) init() {}`, nil},
		{"applier", `import "sync"; var mu sync.Mutex`, []string{"has a package variable of type sync.Mutex"}},
		{"applier", `import "sync/atomic"; var p atomic.Pointer[int]`, []string{"has a package variable of type sync/atomic.Pointer"}},
		{"applier", `import "errors"; var errClosed = errors.New("closed")`, nil},
	} {
		f, err := readSource(c.folder, "x.go", "x.go", "package x; "+c.text)
		require.NoError(t, err)
		require.Equal(t, c.want, f.faults, c.text)
	}
}
