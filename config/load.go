package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// passwordVariable is the environment variable of mysql.password.
const passwordVariable = "BATON_MYSQL_PASSWORD"

// maxFile bounds the file itself: a thousand instances need a tenth of it.
const maxFile = 4 << 20

// Load reads the file, fills in defaults, the environment and passwords, and
// checks everything. Where something is wrong with the file's content, or with
// a password or certificate file that it names, the error is an *Error with all
// of it.
func Load(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return Config{}, fmt.Errorf("read the configuration: %w; run this as root or as a user in the group baton", err)
	}
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w; name an existing file with --config", err)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return Config{}, fmt.Errorf("find the folder of the configuration %s: %w", path, err)
	}
	return parse(path, filepath.Dir(full), data, checkPrivate(path))
}

// parse is Load of a file's content; folder is what relative paths start from, and
// exposed why no secret may stand in the file itself, nil where one may.
func parse(file, folder string, data []byte, exposed error) (Config, error) {
	f := newFindings()
	if len(data) > maxFile || bytes.IndexByte(data, 0) >= 0 {
		f.addAt(1, "", "larger than %s, or with zero bytes in it: no configuration; name the right file", Size(maxFile))
		return Config{}, f.err(file)
	}
	values := document{f}.read(data)
	c, err := decode(values)
	if err != nil {
		return Config{}, fmt.Errorf("decode the configuration %s: %w", file, err)
	}
	complete(&c, f, folder)
	readPasswords(&c, f, exposed)
	readTokens(&c, f)
	check(c, f)
	if err := f.err(file); err != nil {
		return Config{}, err
	}
	return c, nil
}

// decode lays the file's values over the environment's and the defaults.
func decode(values map[string]any) (Config, error) {
	// Keys are split at "::", which no key contains; a variable of the
	// environment counts only for a key that has a default.
	v := viper.NewWithOptions(viper.KeyDelimiter("::"))
	def := reflect.ValueOf(Default())
	for _, r := range rules() {
		if !strings.Contains(r.key, "[]") {
			v.SetDefault(strings.ReplaceAll(r.key, ".", "::"), fieldAt(def, r.key).Interface())
		}
	}
	if err := v.BindEnv("mysql::password", passwordVariable); err != nil {
		return Config{}, err
	}
	if err := v.MergeConfigMap(values); err != nil {
		return Config{}, err
	}
	var c Config
	err := v.UnmarshalExact(&c, func(d *mapstructure.DecoderConfig) {
		d.WeaklyTypedInput = false
		d.DecodeHook = secretFromText
	})
	return c, err
}

// secretFromText lets the environment's text become a Secret.
func secretFromText(from, to reflect.Type, value any) (any, error) {
	if text, ok := value.(string); ok && from.Kind() == reflect.String && to == reflect.TypeFor[Secret]() {
		return NewSecret(text), nil
	}
	return value, nil
}

// complete fills in what depends on other values: inherited accounts, defaults
// within lists, paths relative to folder, the socket's name.
func complete(c *Config, f *findings, folder string) {
	for i := range c.Instances {
		in := &c.Instances[i]
		key := item("instances", i)
		in.Promotion = cmp.Or(in.Promotion, PromotionNeutral)
		in.MySQL.User = cmp.Or(in.MySQL.User, c.MySQL.User)
		if !f.given(key+".password") && !f.given(key+".password_file") {
			in.MySQL.Password, in.MySQL.PasswordFile = c.MySQL.Password, c.MySQL.PasswordFile
		}
		in.MySQL.TLS.Mode = cmp.Or(in.MySQL.TLS.Mode, c.MySQL.TLS.Mode)
		in.MySQL.TLS.CA = cmp.Or(in.MySQL.TLS.CA, c.MySQL.TLS.CA)
		if !f.given(key+".tls.cert") && !f.given(key+".tls.key") {
			in.MySQL.TLS.Cert, in.MySQL.TLS.Key = c.MySQL.TLS.Cert, c.MySQL.TLS.Key
		}
	}
	for i := range c.Endpoints {
		completeEndpoint(&c.Endpoints[i], item("endpoints", i), f)
	}
	for _, list := range c.Hooks.lists() {
		for i := range list.hooks {
			if !f.given(item(list.key, i) + ".timeout") {
				list.hooks[i].Timeout = defaultHookTimeout
			}
		}
	}
	for i := range c.Admin.Tokens {
		c.Admin.Tokens[i].Role = cmp.Or(c.Admin.Tokens[i].Role, RoleRead)
	}
	if c.Admin.Socket == "" {
		c.Admin.Socket = "/run/baton/" + c.Cluster + ".sock"
	}
	for _, p := range c.paths() {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
}

func completeEndpoint(e *Endpoint, key string, f *findings) {
	if e.Route == RouteFollowers {
		e.Fallback = cmp.Or(e.Fallback, FallbackLeader)
		if !f.given(key + ".max_lag") {
			e.MaxLag = defaultEndpointLag
		}
	}
	if !f.given(key + ".max_held") {
		e.MaxHeld = defaultHeld
	}
	if !f.given(key + ".hold_timeout") {
		e.HoldTimeout = defaultHold
	}
	e.MaxConnections = cmp.Or(e.MaxConnections, defaultConnections)
	e.ConnectTimeout = cmp.Or(e.ConnectTimeout, defaultConnect)
	e.SendProxy = cmp.Or(e.SendProxy, ProxyNone)
}

// paths returns every path of the file, to be made absolute.
func (c *Config) paths() []*string {
	out := []*string{&c.StateDir, &c.Admin.Socket, &c.Admin.TLS.Cert, &c.Admin.TLS.Key, &c.Admin.TLS.ClientCA}
	for i := range c.Admin.Tokens {
		out = append(out, &c.Admin.Tokens[i].File)
	}
	for _, m := range c.accounts() {
		out = append(out, &m.PasswordFile, &m.TLS.CA, &m.TLS.Cert, &m.TLS.Key)
	}
	return out
}

// account is where an account stands in the file.
type account struct {
	key string
	*MySQL
}

// accounts returns the cluster's account and then every instance's.
func (c *Config) accounts() []account {
	out := []account{{"mysql", &c.MySQL}}
	for i := range c.Instances {
		out = append(out, account{item("instances", i), &c.Instances[i].MySQL})
	}
	return out
}

type hookList struct {
	key   string
	hooks []Hook
}

// lists returns the hooks of each moment.
func (h Hooks) lists() []hookList {
	return []hookList{
		{"hooks.before_promote", h.BeforePromote},
		{"hooks.fence", h.Fence},
		{"hooks.after_promote", h.AfterPromote},
		{"hooks.after_switchover", h.AfterSwitchover},
	}
}

// readPasswords reads the password files that are asked for, each account's
// once; instances inherit the result.
func readPasswords(c *Config, f *findings, exposed error) {
	fromEnvironment := os.Getenv(passwordVariable) != ""
	for _, a := range c.accounts() {
		key := a.key + ".password_file"
		if exposed != nil && f.given(a.key+".password") {
			f.add(a.key+".password", "a password stands here and %s, or use password_file", exposed)
		}
		if f.given(a.key+".password") && f.given(key) {
			f.add(a.key+".password", "given beside password_file; keep one, password_file is the safer")
			continue
		}
		if !f.given(key) || a.PasswordFile == "" || !f.sound(key) || a.key == "mysql" && fromEnvironment {
			continue
		}
		password, err := readSecret(a.PasswordFile, "password")
		if err != nil {
			f.add(key, "%s", err)
			continue
		}
		a.Password = password
	}
	for i := range c.Instances {
		key := item("instances", i)
		if !f.given(key+".password") && !f.given(key+".password_file") {
			c.Instances[i].MySQL.Password = c.MySQL.Password
		}
	}
}

// checkPrivate refuses a secret's file that any account of the machine may read
// or replace. The mode is asked, not an access tried: root may read everything.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o006 != 0 {
		return fmt.Errorf("every account of the machine can open %s (mode %04o); run chmod o-rwx on it", path, mode)
	}
	return nil
}

func item(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }
