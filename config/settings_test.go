package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// keysOf lists the keys that a struct can hold, by its tags.
func keysOf(t reflect.Type, prefix string) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		tag, typ := f.Tag.Get("mapstructure"), f.Type
		switch {
		case tag == "-":
		case tag == ",squash":
			out = append(out, keysOf(typ, prefix)...)
		case typ.Kind() == reflect.Struct && typ != reflect.TypeFor[Secret]():
			out = append(out, keysOf(typ, prefix+tag+".")...)
		case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
			out = append(append(out, prefix+tag), keysOf(typ.Elem(), prefix+tag+"[].")...)
		default:
			out = append(out, prefix+tag)
		}
	}
	return out
}

func TestEveryFieldHasItsSettingAndEverySettingItsField(t *testing.T) {
	var keys []string
	for _, s := range Settings() {
		require.NotEmpty(t, s.Meaning, s.Key)
		keys = append(keys, s.Key)
	}
	require.ElementsMatch(t, keysOf(reflect.TypeFor[Config](), ""), keys)
}

func TestEveryDefaultIsWithinItsRange(t *testing.T) {
	for _, r := range rules() {
		text := r.defaultText(Default())
		if text == "" || strings.HasPrefix(text, "that of") || r.kind == kindItems || r.kind == kindHooks || r.kind == kindNetworks {
			continue
		}
		_, err := r.parse(text)
		require.NoError(t, err, r.key)
	}
}

// uncomment removes the "#" of the example's settings: those with a default,
// or with examples those marked as such too.
func uncomment(text string, examples bool) string {
	setting := regexp.MustCompile(`^( *)# ([a-z_]+: .*|endpoints:|  - \{listen.*)$`)
	var names []string
	for _, s := range Settings() {
		names = append(names, s.Key[strings.LastIndex(s.Key, ".")+1:])
	}
	known := regexp.MustCompile(`^(` + strings.Join(append(names, "tls"), "|") + `|  - \{listen): ?`)
	var out []string
	marked := false
	for _, line := range strings.Split(text, "\n") {
		marked = strings.TrimSpace(line) != "" && (marked || strings.Contains(line, "(example)"))
		if m := setting.FindStringSubmatch(line); m != nil && known.MatchString(m[2]) && (examples || !marked) {
			line = m[1] + m[2]
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestTheExampleShowsEveryKeyAndItsDefault(t *testing.T) {
	t.Setenv(passwordVariable, "")
	data, err := os.ReadFile("baton.example.yaml")
	require.NoError(t, err)
	text := string(data)

	asItStands := load(t, "", text)
	stated := load(t, "", uncomment(text, false))
	require.NotEqual(t, text, uncomment(text, false))
	require.Empty(t, cmpChanges(asItStands, stated), "a default that the example states is not the default")
	withDefaults := Default()
	for name, pair := range map[string][2]any{
		"durability": {withDefaults.Durability, stated.Durability}, "relay": {withDefaults.Relay, stated.Relay},
		"apply": {withDefaults.Apply, stated.Apply}, "failover": {withDefaults.Failover, stated.Failover},
		"switchover": {withDefaults.Switchover, stated.Switchover}, "log": {withDefaults.Log, stated.Log},
		"tls": {withDefaults.MySQL.TLS, stated.MySQL.TLS},
	} {
		require.Equal(t, pair[0], pair[1], name)
	}

	f := newFindings()
	document{f}.read([]byte(uncomment(text, true)))
	require.Empty(t, f.problems)
	shown := map[string]bool{}
	for key := range f.lines {
		shown[regexp.MustCompile(`\[\d+\]`).ReplaceAllString(key, "[]")] = true
	}
	defaults := newFindings()
	document{defaults}.read([]byte(uncomment(text, false)))
	for _, s := range Settings() {
		if strings.HasPrefix(s.Key, "hooks.") && strings.Contains(s.Key, "[]") {
			continue // shown once for all hooks, in the prose
		}
		require.True(t, shown[s.Key], "%s is not in the example", s.Key)
		if s.Default != "" && !strings.Contains(s.Key, "[]") && s.Key != "endpoints" && s.Key != "admin.tokens" {
			require.True(t, defaults.given(s.Key), "the example does not state the default of %s", s.Key)
		}
	}
	require.Contains(t, text, "{command: [")
}

func cmpChanges(a, b Config) []string {
	live, fixed := Changes(a, b)
	return append(live, fixed...)
}

func TestChangesAreNamedByKeyAndByWhatTheyNeed(t *testing.T) {
	t.Setenv(passwordVariable, "")
	base := minimal + "endpoints: [{listen: \"127.0.0.1:6447\", route: followers}]\n"
	for name, tc := range map[string]struct {
		old, new      string
		live, restart []string
	}{
		"nothing":           {},
		"comment only":      {"cluster:", "# hello\ncluster:", nil, nil},
		"retention":         {"endpoints", "relay: {retention: 1h}\nendpoints", []string{"relay.retention"}, nil},
		"both kinds":        {"endpoints", "relay: {memory: 1MiB}\nlog: {level: debug}\nendpoints", []string{"log.level"}, []string{"relay.memory"}},
		"explicit default":  {"endpoints", "relay: {memory: 64MiB}\nhooks: {fence: []}\nendpoints", nil, nil},
		"follower added":    {"endpoints", "  - {name: db3, address: 10.0.0.3:3306}\nendpoints", []string{"instances[db3]"}, nil},
		"follower removed":  {"  - {name: db2, address: 10.0.0.2:3306}\n", "", []string{"instances[db2]"}, nil},
		"address":           {"10.0.0.2", "10.0.0.9", nil, []string{"instances[db2].address"}},
		"promotion":         {"10.0.0.2:3306", "10.0.0.2:3306, promotion: never", []string{"instances[db2].promotion"}, nil},
		"cluster's account": {"{user: baton}", "{user: other, password: x}", nil, []string{"mysql.password", "mysql.user"}},
		"own account":       {"10.0.0.2:3306", "10.0.0.2:3306, user: other", nil, []string{"instances[db2].user"}},
		"endpoint's lag":    {"followers", "followers, max_lag: 1s", []string{"endpoints[127.0.0.1:6447].max_lag"}, nil},
		"endpoint's port":   {"6447", "6448", []string{"endpoints[127.0.0.1:6447]", "endpoints[127.0.0.1:6448]"}, nil},
		"endpoint's clients": {"followers", "followers, allow: [10.0.0.0/8], max_held: 0",
			[]string{"endpoints[127.0.0.1:6447].allow", "endpoints[127.0.0.1:6447].max_held"}, nil},
		"hook":    {"endpoints", "hooks: {fence: [\"true\"]}\nendpoints", []string{"hooks.fence"}, nil},
		"cluster": {"cluster: shop", "cluster: store", nil, []string{"admin.socket", "cluster"}},
	} {
		t.Run(name, func(t *testing.T) {
			live, restart := Changes(load(t, "", base), load(t, "", strings.Replace(base, tc.old, tc.new, 1)))
			require.Equal(t, tc.live, live)
			require.Equal(t, tc.restart, restart)
		})
	}
}

func TestSizesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "4096": 4 * KiB, "256MiB": 256 * MiB, "64 MiB": 64 * MiB, "1GiB": GiB, "2TiB": 2 * TiB, "1PiB": PiB, "1536KiB": 1536 * KiB,
	} {
		got, err := ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := ParseSize(got.String())
		require.NoError(t, err, text)
		require.Equal(t, want, again, text)
	}
	for _, text := range []string{"", "MiB", "-1", "+1", "1.5GiB", "64M", "64MB", "64mib", "1 2", "9000PiB", "9223372036854775808", "0x10", "1_000"} {
		_, err := ParseSize(text)
		require.Error(t, err, text)
	}
}

func TestDurationsAreWrittenShort(t *testing.T) {
	for want, d := range map[string]time.Duration{"24h": 24 * time.Hour, "10m": 10 * time.Minute, "1h0m1s": time.Hour + time.Second, "500ms": 500 * time.Millisecond, "0s": 0, "10s": 10 * time.Second, "1m30s": 90 * time.Second} {
		require.Equal(t, want, formatDuration(d))
	}
}
