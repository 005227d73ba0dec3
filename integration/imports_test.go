package integration_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/batondb/baton"

// floors is the house from its roof to its cellar. A package may import those of its own floor and of the floors
// below, never one above; a test may also import what is under integration.
var floors = [][]string{
	{"integration/...", "deploy/..."},
	{"cmd/..."},
	{"failover/...", "applier/..."},
	{"binlog/...", "config/...", "internal/..."},
}

// rules narrow what packages may import of ours. "binlog" is that package, "binlog/..." also all in its folder.
var rules = []struct {
	of    []string
	only  []string // nothing but these, where there are any
	never []string
	tests bool // holds for the packages' tests too
	why   string
}{
	{
		of:   []string{"config", "binlog", "binlog/gtid", "applier/schedule", "applier/writeset", "failover/plan"},
		only: []string{"binlog", "binlog/gtid"},
		why:  "the words and the decisions stand on nothing",
	},
	{
		of:    []string{"applier/..."},
		never: []string{"failover/...", "binlog/relay/..."},
		why:   "an applier declares the relay that it needs, and knows no hand-over",
	},
	{
		of:    []string{"failover/..."},
		never: []string{"applier/...", "binlog/relay/..."},
		why:   "a hand-over declares what it needs of the others",
	},
	{
		of:    []string{"binlog/source/..."},
		never: []string{"binlog/relay/..."},
		why:   "the source declares the relay that it writes to",
	},
	{
		of:    []string{"applier/...", "binlog/...", "config/...", "failover/...", "integration/...", "internal/..."},
		never: []string{"cmd/..."},
		tests: true,
		why:   "nothing imports the programs",
	},
	{
		of:    []string{"applier/...", "binlog/...", "cmd/...", "config/...", "failover/...", "internal/..."},
		never: []string{"integration/..."},
		why:   "only tests import the harness",
	},
}

// A sourceFile is what the rules look at in one file.
type sourceFile struct {
	folder  string // of its package, relative to the module's; "." for the module's own
	name    string
	main    bool // belongs to a program
	test    bool
	imports []string // of ours only, relative to the module
	faults  []string // what no library of ours may do: "calls panic in Open"
}

func (f sourceFile) path() string { return filepath.Join(f.folder, f.name) }

func TestImportsFollowTheHouse(t *testing.T) {
	files := moduleFiles(t)
	require.Greater(t, len(files), 50, "the module's files were not found")
	require.Empty(t, brokenImports(files), "imports that docs/architecture.md does not allow")
}

func TestLibrariesNeitherEndTheProcessNorKeepState(t *testing.T) {
	allowed := []string{
		// Documented to panic, for constants and tests.
		filepath.Join("binlog", "gtid", "parse.go") + ": calls panic in MustParseSet",
	}
	var found []string
	for _, f := range moduleFiles(t) {
		if f.main || f.test {
			continue
		}
		for _, fault := range f.faults {
			if said := f.path() + ": " + fault; !slices.Contains(allowed, said) {
				found = append(found, said)
			}
		}
	}
	require.Empty(t, found)
}

// brokenImports names each import that breaks a rule, with the rule.
func brokenImports(files []sourceFile) []string {
	var broken []string
	for _, f := range files {
		for _, imported := range f.imports {
			if why := refusal(f, imported); why != "" {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", f.path(), imported, why))
			}
		}
	}
	return broken
}

// refusal says why a file may not import a package of ours; empty if it may.
func refusal(f sourceFile, imported string) string {
	harness := f.test && within("integration/...", imported)
	from, to := floorOf(f.folder), floorOf(imported)
	switch {
	case from < 0:
		return fmt.Sprintf("%q stands on no floor: give it one", f.folder)
	case to < 0:
		return fmt.Sprintf("%q stands on no floor: give it one", imported)
	case to < from && !harness:
		return "it stands on a floor above"
	}
	for _, r := range rules {
		if f.test && !r.tests || !withinAny(r.of, f.folder) || imported == f.folder {
			continue
		}
		if withinAny(r.never, imported) || len(r.only) > 0 && !withinAny(r.only, imported) {
			return r.why
		}
	}
	return ""
}

// floorOf returns the number of the floor a folder stands on, from the roof; -1 for none.
func floorOf(folder string) int {
	return slices.IndexFunc(floors, func(floor []string) bool { return withinAny(floor, folder) })
}

func withinAny(patterns []string, folder string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return within(p, folder) })
}

func within(pattern, folder string) bool {
	if top, ok := strings.CutSuffix(pattern, "/..."); ok {
		return folder == top || strings.HasPrefix(folder, top+"/")
	}
	return folder == pattern
}

// moduleFiles reads all Go files of the module, those for other systems and the tests included. It walks the folders
// itself because the go command remembers a test's result for as long as what the test itself read is the same.
func moduleFiles(t *testing.T) []sourceFile {
	t.Helper()
	const root = ".."
	var files []sourceFile
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (name == "testdata" || name[0] == '.' || name[0] == '_'):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		f, err := readSource(filepath.ToSlash(folder), name, path, nil)
		files = append(files, f)
		return err
	})
	require.NoError(t, err)
	return files
}

// readSource parses a file; src, where it isn't nil, is its text.
func readSource(folder, name, path string, src any) (sourceFile, error) {
	syntax, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		return sourceFile{}, err
	}
	f := sourceFile{
		folder: folder, name: name,
		main: syntax.Name.Name == "main",
		test: strings.HasSuffix(name, "_test.go"),
	}
	packages := map[string]string{} // by the name that the file gives them
	for _, spec := range syntax.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return sourceFile{}, err
		}
		packages[path[strings.LastIndex(path, "/")+1:]] = path
		if spec.Name != nil {
			packages[spec.Name.Name] = path
		}
		if path == module || strings.HasPrefix(path, module+"/") {
			f.imports = append(f.imports, strings.TrimPrefix(strings.TrimPrefix(path, module), "/"))
		}
	}
	f.faults = faultsOf(syntax, packages, within("integration/...", folder))
	return f, nil
}

// ending are the functions that end the process; the methods of loggers that do, or that panic, are told by their name.
var (
	ending        = []string{"os.Exit", "syscall.Exit", "golang.org/x/sys/unix.Exit", "runtime.Goexit"}
	endingMethods = []string{"Fatal", "Fatalf", "Fatalln", "Fatalw", "Panic", "Panicf", "Panicln", "Panicw", "DPanic", "DPanicf", "DPanicw"}
)

// faultsOf finds what a library may not do. In the harness, Fatal is a test's and state may be shared by tests.
func faultsOf(syntax *ast.File, packages map[string]string, harness bool) []string {
	found := map[string]bool{}
	for _, decl := range syntax.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				found["has an init function"] = true
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if name := endingCall(call, packages, harness); name != "" {
						found[fmt.Sprintf("calls %s in %s", name, d.Name.Name)] = true
					}
				}
				return true
			})
		case *ast.GenDecl:
			if d.Tok == token.VAR && !harness {
				for _, spec := range d.Specs {
					if kind := stateOf(spec.(*ast.ValueSpec), packages); kind != "" {
						found["has a package variable of type "+kind] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func endingCall(call *ast.CallExpr, packages map[string]string, harness bool) string {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		if fun.Name == "panic" {
			return "panic"
		}
	case *ast.SelectorExpr:
		x, _ := fun.X.(*ast.Ident)
		if x != nil && slices.Contains(ending, packages[x.Name]+"."+fun.Sel.Name) {
			return packages[x.Name] + "." + fun.Sel.Name
		}
		ofLog := x != nil && packages[x.Name] == "log"
		if slices.Contains(endingMethods, fun.Sel.Name) && (ofLog || !harness) {
			return fun.Sel.Name
		}
	}
	return ""
}

// stateOf names the type of a variable that exists to be changed by several goroutines.
func stateOf(spec *ast.ValueSpec, packages map[string]string) string {
	kind := spec.Type
	if index, ok := kind.(*ast.IndexExpr); ok { // atomic.Pointer[T]
		kind = index.X
	}
	selector, ok := kind.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	switch path := packages[x.Name]; path {
	case "sync", "sync/atomic":
		return path + "." + selector.Sel.Name
	}
	return ""
}
