package systemd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/stretchr/testify/require"
)

const (
	unitFile = "baton@.service"
	binary   = "/usr/local/bin/baton"
)

// settings returns the unit's values by "Section.Name"; a name given twice has
// both values.
func settings(t *testing.T, text []byte) map[string][]string {
	t.Helper()
	options, err := unit.DeserializeOptions(bytes.NewReader(text))
	require.NoError(t, err)
	values := map[string][]string{}
	for _, o := range options {
		key := o.Section + "." + o.Name
		values[key] = append(values[key], o.Value)
	}
	return values
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return text
}

func TestTheUnitSaysWhatTheDaemonReliesOn(t *testing.T) {
	values := settings(t, read(t, unitFile))
	for key, want := range map[string]string{
		"Service.Type": "notify", "Service.NotifyAccess": "main", "Service.ExecStart": binary + " run --config /etc/baton/%i.yaml",
		"Service.ExecReload": "/bin/kill -HUP $MAINPID", "Service.Restart": "on-failure", "Service.KillMode": "mixed",
		"Service.User": "baton", "Service.StateDirectory": "baton", "Service.RuntimeDirectory": "baton",
		"Service.RuntimeDirectoryPreserve": "yes", "Service.RestartPreventExitStatus": "2",
		"Service.NoNewPrivileges": "yes", "Service.ProtectSystem": "strict", "Service.ProtectHome": "yes",
		"Service.PrivateTmp": "yes", "Service.CapabilityBoundingSet": "", "Install.WantedBy": "multi-user.target",
	} {
		require.Equal(t, []string{want}, values[key], key)
	}
	for _, key := range []string{"Service.WatchdogSec", "Service.TimeoutStopSec", "Service.TimeoutStartSec", "Service.LimitNOFILE", "Unit.StartLimitIntervalSec"} {
		require.Len(t, values[key], 1, key)
	}
	for key, given := range values {
		require.Len(t, given, 1, "%s is given once", key)
	}
}

// installed returns a copy of the unit that runs an executable that is there.
func installed(t *testing.T) string {
	t.Helper()
	runs := filepath.Join(t.TempDir(), "baton")
	require.NoError(t, os.WriteFile(runs, []byte("#!/bin/sh\n"), 0o755))
	file := filepath.Join(t.TempDir(), "baton@shop.service")
	text := strings.ReplaceAll(string(read(t, unitFile)), binary, runs)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	return file
}

// TestSystemdAcceptsTheUnit asks systemd where it is there; the test above
// stands for it elsewhere.
func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not on PATH: the unit is only read, not verified")
		return
	}
	file := installed(t)
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		require.NotContains(t, line, filepath.Base(file), "a warning")
	}
}

func TestUserAndFoldersFitTheUnit(t *testing.T) {
	users := fields(read(t, "baton.sysusers.conf"))
	require.Len(t, users, 1)
	require.Equal(t, []string{"u", "baton", "-"}, users[0][:3])
	folders := map[string][]string{}
	for _, line := range fields(read(t, "baton.tmpfiles.conf")) {
		folders[line[1]] = line
	}
	for path, want := range map[string][]string{
		"/etc/baton":     {"d", "/etc/baton", "0750", "root", "baton", "-"},
		"/var/lib/baton": {"d", "/var/lib/baton", "0750", "baton", "baton", "-"},
		"/run/baton":     {"d", "/run/baton", "0750", "baton", "baton", "-"},
	} {
		require.Equal(t, want, folders[path])
	}
	values := settings(t, read(t, unitFile))
	require.Equal(t, "0750", values["Service.RuntimeDirectoryMode"][0])
	require.Equal(t, "0750", values["Service.StateDirectoryMode"][0])
}

// fields returns the words of the lines that are no comments.
func fields(text []byte) [][]string {
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			lines = append(lines, words)
		}
	}
	return lines
}
