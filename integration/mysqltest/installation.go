package mysqltest

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

//go:embed find-mysqld
var findMysqld string

// Installation says where a MySQL server and its clients are: what the script find-mysqld printed.
type Installation struct {
	Source  string // where it comes from: "env", "path", or the name of the release whose packages were unpacked
	Version string // for instance "9.7.4"

	Mysqld        string // programs: paths that can be run as they are
	Mysql         string // empty where the server came without it, as are the next three
	Mysqladmin    string
	Mysqlbinlog   string
	Mysqldump     string
	Sysbench      string // only from FindWith, as are the next three
	Promtool      string
	Chromium      string
	Haproxy       string
	BaseDir       string // mysqld's basedir, plugin_dir, lc_messages_dir, character_sets_dir
	PluginDir     string
	LCMessagesDir string
	CharsetsDir   string
	TemplateDir   string // an initialized data directory to copy
}

// Find runs find-mysqld. The first time on a machine without MySQL this downloads one, which takes a minute and says
// so on standard error. The error is the script's own message, which says what to set.
func Find(ctx context.Context) (Installation, error) { return find(ctx) }

// FindWith is Find, and finds or fetches other programs too: "sysbench", "promtool", "chromium",
// "haproxy", "rpm".
func FindWith(ctx context.Context, programs ...string) (Installation, error) {
	var args []string
	for _, program := range programs {
		args = append(args, "--with", program)
	}
	return find(ctx, args...)
}

func find(ctx context.Context, args ...string) (Installation, error) {
	var in Installation
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", append([]string{"-c", findMysqld, "find-mysqld"}, args...)...)
	cmd.Stdout = &out
	cmd.Stderr = io.MultiWriter(&said, os.Stderr)
	if err := cmd.Run(); err != nil {
		if said.Len() > 0 {
			return in, errors.New(strings.TrimSpace(said.String()))
		}
		return in, fmt.Errorf("run find-mysqld: %w", err)
	}
	into := map[string]*string{
		"SOURCE": &in.Source, "VERSION": &in.Version, "MYSQLD": &in.Mysqld, "MYSQL": &in.Mysql,
		"MYSQLADMIN": &in.Mysqladmin, "MYSQLBINLOG": &in.Mysqlbinlog, "MYSQLDUMP": &in.Mysqldump,
		"SYSBENCH": &in.Sysbench, "PROMTOOL": &in.Promtool, "CHROMIUM": &in.Chromium, "HAPROXY": &in.Haproxy, "BASEDIR": &in.BaseDir, "PLUGIN_DIR": &in.PluginDir,
		"LC_MESSAGES_DIR": &in.LCMessagesDir, "CHARSETS_DIR": &in.CharsetsDir, "TEMPLATE_DIR": &in.TemplateDir,
	}
	for line := range strings.Lines(out.String()) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if field := into[key]; field != nil {
			*field = value
		}
	}
	if in.Mysqld == "" || in.TemplateDir == "" {
		return in, fmt.Errorf("find-mysqld names no server: %q", out.String())
	}
	return in, nil
}
