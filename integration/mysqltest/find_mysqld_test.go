package mysqltest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// runScript runs find-mysqld and gives what it says on both outputs.
func runScript(t *testing.T, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, said strings.Builder
	cmd := exec.CommandContext(t.Context(), "./find-mysqld", args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

// program writes an executable script, which answers --version like some server.
func program(t *testing.T, path, version string) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\necho '%s  Ver %s'\n", path, version)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o755))
}

func TestUnusableServersAreRefusedWithAdvice(t *testing.T) {
	named := filepath.Join(t.TempDir(), "mysqld")
	for _, test := range []struct{ name, version, say string }{
		{"MariaDB", "10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)", "is MariaDB (10.11.6), and baton needs MySQL"},
		{"too old", "5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))", "is MySQL 5.7.44, and baton needs 8.0 or newer"},
		{"no server", "?", "has a version that is not understood: ?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			program(t, named, test.version)
			_, said, err := runScript(t, []string{"BATON_MYSQLD=" + named})
			require.Error(t, err)
			require.Equal(t, "find-mysqld: BATON_MYSQLD="+named+" "+test.say+": set BATON_MYSQLD to the path of a mysqld (MySQL 8.0 or newer)\n", said)
		})
	}
}

func TestMissingServerFailsLaunchWithTheScriptsMessage(t *testing.T) {
	t.Setenv("BATON_MYSQLD", filepath.Join(t.TempDir(), "none"))
	_, err := Launch(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "none is no program: set BATON_MYSQLD to the path of a mysqld")
}

func TestMariaDBOnPathIsPassedOver(t *testing.T) {
	bin := t.TempDir()
	program(t, filepath.Join(bin, "mysqld"), "10.11.6-MariaDB for debian-linux-gnu on x86_64 (Debian 12)")
	out, said, err := runScript(t, []string{"PATH=" + bin + ":" + os.Getenv("PATH")})
	require.NoError(t, err, said)
	require.Contains(t, said, "passing over "+bin+"/mysqld: it is MariaDB (10.11.6)")
	require.NotContains(t, out, bin)
}

// A server that somebody names is found with all its parts, here the one that every other test uses.
func TestNamedServerIsUsedWithItsOwnParts(t *testing.T) {
	found, err := Find(t.Context())
	require.NoError(t, err)
	t.Setenv("BATON_MYSQLD", found.Mysqld)
	named, err := Find(t.Context())
	require.NoError(t, err)
	found.Source = "env"
	require.Equal(t, found, named)
	for _, place := range []string{named.BaseDir, named.PluginDir, named.LCMessagesDir, named.CharsetsDir, named.TemplateDir} {
		require.DirExists(t, place)
	}
}

func TestClientsOfTheInstallationRun(t *testing.T) {
	s := Start(t)
	s.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "INSERT INTO d.t VALUES (1)", "FLUSH BINARY LOGS")
	run := func(program string, args ...string) string {
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	socket := "--socket=" + s.Socket
	require.Contains(t, run(s.Installation.Mysqladmin, "--no-defaults", socket, "-uroot", "ping"), "mysqld is alive")
	require.Contains(t, run(s.Installation.Mysql, "--no-defaults", socket, "-uroot", "-e", "SELECT a FROM d.t"), "1")
	require.Contains(t, run(s.Installation.Mysqldump, "--no-defaults", socket, "-uroot", "--databases", "d"), "CREATE TABLE `t`")
	require.Contains(t, run(s.Installation.Mysqlbinlog, "--no-defaults", filepath.Join(s.DataDir, "binlog.000001")), "BINLOG '")
}

func TestOtherProgramsAreFoundOnRequest(t *testing.T) {
	in, err := FindWith(t.Context(), "promtool", "chromium", "haproxy")
	require.NoError(t, err)
	for program, says := range map[string]string{in.Promtool: "promtool, version", in.Chromium: "Chrom", in.Haproxy: "HAProxy version"} {
		version := "--version"
		if program == in.Haproxy {
			version = "-v"
		}
		out, err := exec.CommandContext(t.Context(), program, version).CombinedOutput()
		require.NoError(t, err, "%s: %s", program, out)
		require.Contains(t, string(out), says)
	}
	_, said, err := runScript(t, []string{"BATON_CHROMIUM=/nowhere/chromium"}, "--with", "chromium")
	require.Error(t, err)
	require.Contains(t, said, "BATON_CHROMIUM=/nowhere/chromium is no program: set it to the path of Chromium or Chrome")
	_, said, err = runScript(t, nil, "--with", "emacs")
	require.Error(t, err)
	require.Contains(t, said, "usage:")
}

func TestPackageSourcesAreReadInBothFormats(t *testing.T) {
	etc := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(etc, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	write("os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")
	write("apt/sources.list", `# a comment
deb http://one.example/debian bookworm main contrib # another
deb-src http://source.example/debian bookworm main
deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://security.example/debian bookworm-security main
deb [ arch=amd64 ] http://updates.example/debian bookworm-updates main
deb https://elsewhere.example/repo stable main
`)
	write("apt/sources.list.d/two.sources", `Types: deb deb-src
URIs: http://a.example/debian/ http://b.example/debian/
Suites: bookworm bookworm-updates bookworm-backports
# a comment within
Components: main
 non-free
Signed-By: /usr/share/keyrings/a.gpg

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main

types: deb
uris: http://c.example/debian
suites: bookworm
components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
`)
	out, said, err := runScript(t, []string{"BATON_ETC=" + etc}, "--sources")
	require.NoError(t, err, said)
	require.Equal(t, `release http://one.example/debian bookworm - main contrib
release http://security.example/debian bookworm-security /usr/share/keyrings/k.gpg main
release http://updates.example/debian bookworm-updates - main
release http://a.example/debian/ bookworm /usr/share/keyrings/a.gpg main non-free
release http://a.example/debian/ bookworm-updates /usr/share/keyrings/a.gpg main non-free
release http://b.example/debian/ bookworm /usr/share/keyrings/a.gpg main non-free
release http://b.example/debian/ bookworm-updates /usr/share/keyrings/a.gpg main non-free
release http://c.example/debian bookworm - main
sid http://one.example/debian sid - main
`, out)

	write("os-release", "ID=ubuntu\nVERSION_CODENAME=noble\n")
	out, said, err = runScript(t, []string{"BATON_ETC=" + etc}, "--sources")
	require.NoError(t, err, said)
	require.Empty(t, out, "there is no sid on Ubuntu's mirrors, and none of these is noble's")
}
