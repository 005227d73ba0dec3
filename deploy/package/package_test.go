// Package packages_test installs, runs, upgrades and removes what `make package` has made, below a folder of its own.
package packages_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dist is where the packages are: DIST, as make package was told.
var dist = filepath.Join("../..", cmp.Or(os.Getenv("DIST"), "dist"))

// made returns the packages of a kind, "deb" or "rpm".
func made(t *testing.T, kind string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dist, "*."+kind))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in %s: run make package first (%v)", kind, dist, err)
	}
	return files
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestTheSameCommitMakesTheSameBytes(t *testing.T) {
	sums := func() map[string][32]byte {
		of := map[string][32]byte{}
		for _, file := range append(made(t, "deb"), made(t, "rpm")...) {
			of[filepath.Base(file)] = sha256.Sum256(read(t, file))
		}
		return of
	}
	first := sums()
	time.Sleep(2 * time.Second) // a time of day that got in would be another one
	command(t, "make", "-C", "../..", "package")
	second := sums()
	if len(first) != len(second) {
		t.Fatalf("%d packages, then %d", len(first), len(second))
	}
	for name, sum := range first {
		if second[name] != sum {
			t.Errorf("%s differs from the one before", name)
		}
	}
}

func TestBinariesNeedNoLibrary(t *testing.T) {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	binaries, err := filepath.Glob(filepath.Join(dist, "files/*/baton"))
	if err != nil || len(binaries) == 0 {
		t.Fatalf("no binaries: %v", err)
	}
	for _, path := range binaries {
		f, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if want := machines[filepath.Base(filepath.Dir(path))]; f.Machine != want {
			t.Errorf("%s is for %s, not %s", path, f.Machine, want)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is linked dynamically", path)
			}
		}
	}
}

// mine returns the package for this machine.
func mine(t *testing.T, kind string) string {
	t.Helper()
	arch := map[string]string{"deb": runtime.GOARCH, "rpm": map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]}[kind]
	for _, file := range made(t, kind) {
		if strings.HasSuffix(file, arch+"."+kind) {
			abs, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			return abs
		}
	}
	t.Fatalf("no %s for %s", kind, arch)
	return ""
}

// A system is a folder that dpkg takes for a whole machine.
type system struct {
	t    *testing.T
	root string
	path string // of the scripts' commands
}

func newSystem(t *testing.T, path string) *system {
	s := &system{t: t, root: t.TempDir(), path: path}
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.write("var/lib/dpkg/status", "")
	s.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
	s.write("etc/group", "root:x:0:\n")
	return s
}

func (s *system) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.root, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// dpkg has the package's scripts run outside of the folder: they are told of it by DPKG_ROOT.
func (s *system) dpkg(args ...string) string {
	s.t.Helper()
	line := []string{"dpkg", "--root=" + s.root, "--force-script-chrootless", "--force-confold", "--log=" + filepath.Join(s.root, "dpkg.log")}
	if os.Getuid() != 0 {
		line = append([]string{"fakeroot"}, append(line, "--force-not-root")...)
	}
	line = append(line, args...)
	cmd := exec.CommandContext(s.t.Context(), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+s.path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, out)
	}
	return string(out)
}

// withoutSystemd is a PATH on which systemd's tools are missing.
func withoutSystemd(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range filepath.SplitList("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") {
		files, err := os.ReadDir(from)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasPrefix(f.Name(), "systemd-") && !exists(filepath.Join(dir, f.Name())) {
				if err := os.Symlink(filepath.Join(from, f.Name()), filepath.Join(dir, f.Name())); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return dir
}

func TestADebianPackageIsInstalledRunUpgradedAndRemoved(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Log("dpkg is not on PATH: nothing is installed")
		return
	}
	if _, err := exec.LookPath("fakeroot"); err != nil && os.Getuid() != 0 {
		t.Log("this isn't root, and fakeroot is not on PATH: nothing is installed")
		return
	}
	for name, path := range map[string]string{"with systemd's tools": os.Getenv("PATH"), "without them": withoutSystemd(t)} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, path)
			deb := mine(t, "deb")
			s.dpkg("--install", deb)
			at := func(name string) string { return filepath.Join(s.root, name) }
			for _, file := range []string{
				"usr/bin/baton", "usr/lib/systemd/system/baton@.service", "etc/baton/baton.example.yaml", "usr/share/man/man1/baton-switchover.1.gz",
				"usr/share/bash-completion/completions/baton", "usr/share/doc/baton/copyright", "usr/share/doc/baton/docs/operations.md",
			} {
				if !exists(at(file)) {
					t.Errorf("%s is not there", file)
				}
			}
			if unit := string(read(t, at("usr/lib/systemd/system/baton@.service"))); !strings.Contains(unit, "ExecStart=/usr/bin/baton run ") {
				t.Errorf("the unit runs another binary:\n%s", unit)
			}
			s.userAndFolders()
			s.manual()
			s.runs()

			s.write("etc/baton/baton.example.yaml", "# mine\n")
			s.write("var/lib/baton/kept", "state")
			s.dpkg("--install", deb) // dpkg calls it an upgrade
			if text := string(read(t, at("etc/baton/baton.example.yaml"))); text != "# mine\n" {
				t.Errorf("the upgrade replaced a changed configuration: %s", text)
			}
			s.dpkg("--remove", "baton")
			if exists(at("usr/bin/baton")) || !exists(at("etc/baton/baton.example.yaml")) {
				t.Error("remove takes the program and leaves the configuration")
			}
			said := s.dpkg("--purge", "baton")
			if exists(at("etc/baton/baton.example.yaml")) || !exists(at("var/lib/baton/kept")) || !strings.Contains(said, "/var/lib/baton is kept") {
				t.Errorf("purge takes the configuration, and leaves and names the state:\n%s", said)
			}
			if left := string(read(t, at("var/lib/dpkg/status"))); strings.Contains(left, "Package: baton") {
				t.Errorf("dpkg still knows it:\n%s", left)
			}
		})
	}
}

func TestARedHatPackageIsInstalledRunUpgradedAndRemoved(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("this isn't root, who alone may make a machine of its own for rpm: nothing is installed")
		return
	}
	rpm := ""
	for line := range strings.Lines(command(t, "../../integration/mysqltest/find-mysqld", "--with", "rpm")) {
		if path, found := strings.CutPrefix(line, "RPM="); found {
			rpm = strings.TrimSpace(path)
		}
	}
	out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "sh", "testdata/rpm.sh", rpm, mine(t, "rpm"), t.TempDir()).CombinedOutput()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.ExitCode() == 77 {
		t.Logf("this machine allows no overlay: nothing is installed\n%s", out)
		return
	}
	if err != nil || !bytes.Contains(out, []byte("installed, run, upgraded and removed")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// userAndFolders looks at what the unit relies on.
func (s *system) userAndFolders() {
	s.t.Helper()
	id := func(file, of string) uint32 {
		for line := range strings.Lines(string(read(s.t, filepath.Join(s.root, file)))) {
			if fields := strings.Split(line, ":"); fields[0] == of {
				var n uint32
				if _, err := fmt.Sscan(fields[2], &n); err != nil {
					s.t.Fatal(err)
				}
				return n
			}
		}
		s.t.Fatalf("%s has no %s", file, of)
		return 0
	}
	user, group := id("etc/passwd", "baton"), id("etc/group", "baton")
	for name, owner := range map[string]uint32{"etc/baton": 0, "var/lib/baton": user, "run/baton": user} {
		info, err := os.Stat(filepath.Join(s.root, name))
		if err != nil {
			s.t.Errorf("%s: %v", name, err)
			continue
		}
		if info.Mode().Perm() != 0o750 {
			s.t.Errorf("%s has mode %04o", name, info.Mode().Perm())
		}
		// fakeroot forgets who owns a file when it ends.
		if st := info.Sys().(*syscall.Stat_t); os.Getuid() == 0 && (st.Uid != owner || st.Gid != group) {
			s.t.Errorf("%s belongs to %d:%d, not %d:%d", name, st.Uid, st.Gid, owner, group)
		}
	}
}

// manual follows the links of the manual: what it refers to comes with it, the sources apart.
func (s *system) manual() {
	s.t.Helper()
	dir := filepath.Join(s.root, "usr/share/doc/baton/docs")
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(pages) == 0 {
		s.t.Fatalf("no manual in %s: %v", dir, err)
	}
	link := regexp.MustCompile(`\]\(([^)#\s]+)`)
	for _, page := range pages {
		for _, to := range link.FindAllStringSubmatch(string(read(s.t, page)), -1) {
			if !strings.Contains(to[1], "://") && !strings.HasPrefix(to[1], "../integration/") && !exists(filepath.Join(dir, to[1])) {
				s.t.Errorf("%s leads to %s, which isn't in the package", filepath.Base(page), to[1])
			}
		}
	}
}

// runs starts the daemon as a system without systemd would, has it answer, and stops it in order.
func (s *system) runs() {
	s.t.Helper()
	program := filepath.Join(s.root, "usr/bin/baton")
	if said := command(s.t, program, "version"); !strings.HasPrefix(said, "baton ") {
		s.t.Fatal(said)
	}
	dir, err := os.MkdirTemp("", "baton") // a unix socket's path has to be short
	if err != nil {
		s.t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	config, socket := filepath.Join(dir, "shop.yaml"), filepath.Join(dir, "shop.sock")
	text := fmt.Sprintf("cluster: shop\nstate_dir: %s/state\nleader: db1\nmysql: {user: baton, password: x}\nadmin: {socket: %s}\n"+
		"instances: [{name: db1, address: 127.0.0.1:1}, {name: db2, address: 127.0.0.1:2}]\n", dir, socket)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(program, "run", "--config", config)
	cmd.Stderr = &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	var said []byte
	for range 600 {
		if said, err = exec.Command(program, "status", "--socket", socket).Output(); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if ended := cmd.Wait(); err != nil || ended != nil {
		s.t.Fatalf("status: %v; the daemon ended with: %v\n%s", err, ended, log.String())
	}
	if !bytes.Contains(said, []byte("unreachable")) {
		s.t.Errorf("nobody listens there, but status says:\n%s", said)
	}
}

func TestTheScriptsAreShell(t *testing.T) {
	scripts, err := filepath.Glob("scripts/*.sh")
	if err != nil || len(scripts) != 3 {
		t.Fatalf("%v %v", scripts, err)
	}
	for _, script := range scripts {
		command(t, "/bin/sh", "-n", script)
	}
}

// Tags of an rpm's header (Linux Standard Base, "Package File Format").
const (
	tagName, tagArch             = 1000, 1022
	tagPostIn, tagPreUn          = 1024, 1025
	tagFileFlags, tagFileUser    = 1037, 1039
	tagDirIndexes, tagBase, tagD = 1116, 1117, 1118

	flagConfig, flagNoReplace = 1, 16
)

// header reads the header of an rpm, which begins after a lead of 96 bytes and the signatures.
func header(t *testing.T, file string) (strings map[int][]string, numbers map[int][]uint32) {
	t.Helper()
	text := read(t, file)[96:]
	section := func() (index, store []byte) {
		if !bytes.HasPrefix(text, []byte{0x8e, 0xad, 0xe8, 1}) {
			t.Fatalf("%s: no header here: % x", file, text[:4])
		}
		n, size := int(binary.BigEndian.Uint32(text[8:])), int(binary.BigEndian.Uint32(text[12:]))
		index, store = text[16:16+16*n], text[16+16*n:16+16*n+size]
		text = text[16+16*n+size:]
		return index, store
	}
	_, signatures := section()
	text = text[(8-len(signatures)%8)%8:]
	index, store := section()
	strings, numbers = map[int][]string{}, map[int][]uint32{}
	for ; len(index) > 0; index = index[16:] {
		tag, kind := int(binary.BigEndian.Uint32(index)), binary.BigEndian.Uint32(index[4:])
		at, count := store[binary.BigEndian.Uint32(index[8:]):], int(binary.BigEndian.Uint32(index[12:]))
		for range count {
			switch kind {
			case 4: // INT32
				numbers[tag] = append(numbers[tag], binary.BigEndian.Uint32(at))
				at = at[4:]
			case 6, 8, 9: // STRING, STRING_ARRAY, I18NSTRING
				end := bytes.IndexByte(at, 0)
				strings[tag] = append(strings[tag], string(at[:end]))
				at = at[end+1:]
			}
		}
	}
	return strings, numbers
}

func TestARedHatPackageHoldsTheSame(t *testing.T) {
	deb := map[string]bool{}
	if _, err := exec.LookPath("dpkg-deb"); err == nil {
		for line := range strings.Lines(command(t, "dpkg-deb", "--contents", mine(t, "deb"))) {
			if fields := strings.Fields(line); !strings.HasPrefix(line, "d") {
				deb[strings.TrimPrefix(fields[5], ".")] = true
			}
		}
	}
	texts, numbers := header(t, mine(t, "rpm"))
	if texts[tagName][0] != "baton" {
		t.Error(texts[tagName])
	}
	for _, tag := range []int{tagPostIn, tagPreUn} {
		if len(texts[tag]) != 1 || !strings.HasPrefix(texts[tag][0], "#!/bin/sh") && !strings.Contains(texts[tag][0], "set -e") {
			t.Errorf("script %d: %q", tag, texts[tag])
		}
	}
	var files []string
	for i, base := range texts[tagBase] {
		path := texts[tagD][numbers[tagDirIndexes][i]] + base
		files = append(files, path)
		isConfig := numbers[tagFileFlags][i]&flagConfig != 0
		if want := path == "/etc/baton/baton.example.yaml"; isConfig != want || want && numbers[tagFileFlags][i]&flagNoReplace == 0 {
			t.Errorf("%s has the flags %b", path, numbers[tagFileFlags][i])
		}
		if texts[tagFileUser][i] != "root" {
			t.Errorf("%s belongs to %s", path, texts[tagFileUser][i])
		}
	}
	// What each system wants elsewhere.
	elsewhere := map[string]string{
		"/usr/share/doc/baton/copyright": "/usr/share/licenses/baton/LICENSE", "/usr/share/zsh/vendor-completions/_baton": "/usr/share/zsh/site-functions/_baton",
	}
	for path := range deb {
		if to, moved := elsewhere[path]; moved {
			path = to
		}
		if !slices.Contains(files, path) {
			t.Errorf("the rpm lacks %s", path)
		}
	}
	if len(deb) > 0 && len(deb) != len(files) {
		t.Errorf("%d files in the deb, %d in the rpm: %v", len(deb), len(files), files)
	}
}
