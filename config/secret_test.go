package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"go.yaml.in/yaml/v3"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	c := Default()
	c.MySQL.Password = NewSecret("sesame")
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out = append(out, fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, c.MySQL.Password))
	}
	asJSON, err := json.Marshal(c)
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(c)
	require.NoError(t, err)
	text, err := c.MySQL.Password.MarshalText()
	require.NoError(t, err)
	core, logs := observer.New(zapcore.DebugLevel)
	zap.New(core).Info("loaded", zap.Any("config", c), zap.Any("password", c.MySQL.Password), zap.Stringer("again", c.MySQL.Password))
	line, err := zapcore.NewJSONEncoder(zapcore.EncoderConfig{}).EncodeEntry(zapcore.Entry{}, logs.All()[0].Context)
	require.NoError(t, err)

	for _, s := range append(out, string(asJSON), string(asYAML), string(text), line.String()) {
		require.NotContains(t, s, "sesame")
		require.NotContains(t, s, fmt.Sprintf("%x", "sesame"))
	}
	require.Contains(t, string(asJSON), hidden)
	require.Contains(t, line.String(), hidden)
	require.Equal(t, "sesame", c.MySQL.Password.Reveal())
}

func TestAMistakeWithAPasswordDoesNotRepeatIt(t *testing.T) {
	t.Setenv(passwordVariable, "")
	for _, value := range []string{
		"[sesame]", "{sesame: sesame}", "*sesame", "&sesame sesame", "!sesame sesame", "!!binary c2VzYW1l", "!!int sesame",
		"\"sesame", "'sesame", "%sesame", "@sesame", "{sesame", "sesame: sesame", "12345678",
	} {
		text := "cluster: shop\nstate_dir: /s\nmysql:\n  user: baton\n  password: " + value + "\ninstances:\n  - {name: db1, address: 10.0.0.1:3306}\n"
		_, err := tryLoad(t, "", text)
		require.Error(t, err, value)
		require.NotContains(t, err.Error(), "sesame", value)
		require.NotContains(t, err.Error(), "12345678", value)
	}
}

// An unquoted password with ": " or " #" in it is YAML of another meaning: that
// is what quotes are for, and password_file.
func TestPasswordsComeFromWhereTheyAreSaidTo(t *testing.T) {
	const cluster = "cluster: shop\nstate_dir: /s\nmysql: {user: baton%s}\ninstances:\n  - {name: db1, address: 10.0.0.1:3306%s}\n"
	for name, tc := range map[string]struct {
		mysql, instance, env string
		want, wantInstance   string
	}{
		"nowhere":                            {},
		"file itself":                        {mysql: `, password: "s# e:"`, want: "s# e:", wantInstance: "s# e:"},
		"password file":                      {mysql: ", password_file: a", want: "from a", wantInstance: "from a"},
		"environment":                        {env: "env", want: "env", wantInstance: "env"},
		"environment before the file itself": {mysql: ", password: x", env: "env", want: "env", wantInstance: "env"},
		"environment before password file":   {mysql: ", password_file: none", env: "env", want: "env", wantInstance: "env"},
		"instance overrides":                 {mysql: ", password_file: a", instance: ", password_file: b", want: "from a", wantInstance: "from b"},
		"instance overrides the environment": {env: "env", instance: ", password: own", want: "env", wantInstance: "own"},
		"instance without any":               {mysql: ", password: x", instance: `, password: ""`, want: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(passwordVariable, tc.env)
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("from a\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "b"), []byte("from b\r\n"), 0o640))
			c := load(t, dir, fmt.Sprintf(cluster, tc.mysql, tc.instance))
			require.Equal(t, tc.want, c.MySQL.Password.Reveal())
			require.Equal(t, tc.wantInstance, c.Instances[0].MySQL.Password.Reveal())
		})
	}
}

func TestPasswordFilesThatAreRefused(t *testing.T) {
	t.Setenv(passwordVariable, "")
	for name, tc := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"readable by everybody": {"sesame\n", 0o644, "run chmod o-rwx on it"},
		"writable by everybody": {"sesame\n", 0o602, "run chmod o-rwx on it"},
		"empty":                 {"\n", 0o600, "is empty; write the password into it"},
		"two lines":             {"sesame\nopen\n", 0o600, "more than one line"},
		"a folder":              {"", os.ModeDir | 0o700, "is no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "password")
			if tc.mode.IsDir() {
				require.NoError(t, os.Mkdir(path, tc.mode))
			} else {
				require.NoError(t, os.WriteFile(path, []byte(tc.content), 0o600))
				require.NoError(t, os.Chmod(path, tc.mode)) // whatever the umask
			}
			_, err := tryLoad(t, dir, strings.Replace(minimal, "{user: baton}", "{user: baton, password_file: password}", 1))
			require.ErrorContains(t, err, "shop.yaml:3: mysql.password_file: ")
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "sesame")
		})
	}
}

func TestAnInstanceInheritsWhatItDoesNotSay(t *testing.T) {
	t.Setenv(passwordVariable, "")
	c := load(t, "", `cluster: shop
state_dir: /s
mysql: {user: baton, password: x, tls: {mode: required}}
instances:
  - {name: db1, address: 10.0.0.1:3306}
  - {name: db2, address: 10.0.0.2:3306, user: other, tls: {mode: disabled}}
`)
	require.Equal(t, c.MySQL, c.Instances[0].MySQL)
	require.Equal(t, MySQL{User: "other", Password: NewSecret("x"), TLS: TLS{Mode: TLSDisabled}}, c.Instances[1].MySQL)
}
