package config

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Setting documents one key of the file.
type Setting struct {
	// Key is the key's path; "[]" stands for each item of a list:
	// "instances[].promotion".
	Key string
	// Kind is what its value is: "duration", "one of", …
	Kind string
	// Range is what its value may be: "100ms to 1h", "strict | balanced | async";
	// empty where the kind says it all.
	Range string
	// Default is the value it has when the file does not give it; empty for none.
	Default string
	// Required says that there is no default and the file must give it.
	Required bool
	// Reload says that SIGHUP applies a change of it; otherwise it needs a
	// restart of the daemon.
	Reload bool
	// Meaning is one sentence.
	Meaning string
}

// Settings returns every key of the file, in the file's usual order. The parser,
// the documentation and Changes all follow this one table.
func Settings() []Setting {
	var out []Setting
	def := Default()
	for _, r := range rules() {
		out = append(out, Setting{
			Key: r.key, Kind: r.kind.String(), Range: r.rangeText(), Default: r.defaultText(def),
			Required: r.required, Reload: r.reload, Meaning: r.meaning,
		})
	}
	return out
}

// rule is a Setting as the parser needs it. min and max are nanoseconds, bytes
// or a count.
type rule struct {
	key      string
	kind     kind
	choices  []string
	min, max int64
	required bool
	reload   bool
	fallback string // the default's text, where Default() cannot hold it
	meaning  string
}

type kind int

const (
	kindText kind = iota
	kindSecret
	kindPath
	kindName
	kindAddress
	kindListen
	kindChoice
	kindWhole
	kindDuration
	kindSize
	kindItems // a list of mappings
	kindHooks // a list of commands: texts or mappings
	kindArgs  // a text or a list of texts
	kindNetworks
)

// String names the kind as the documentation and the messages do.
func (k kind) String() string {
	switch k {
	case kindText, kindSecret:
		return "text"
	case kindPath:
		return "path"
	case kindName:
		return "name"
	case kindAddress, kindListen:
		return "host:port"
	case kindChoice:
		return "one of"
	case kindWhole:
		return "number"
	case kindDuration:
		return "duration"
	case kindSize:
		return "size"
	case kindArgs:
		return "command"
	case kindNetworks:
		return "list of networks"
	default:
		return "list"
	}
}

func (r rule) format(n int64) string {
	switch r.kind {
	case kindDuration:
		return formatDuration(time.Duration(n))
	case kindSize:
		return Size(n).String()
	default:
		return strconv.FormatInt(n, 10)
	}
}

func (r rule) rangeText() string {
	switch {
	case r.kind == kindChoice:
		return strings.Join(r.choices, " | ")
	case r.max > 0:
		return r.format(r.min) + " to " + r.format(r.max)
	default:
		return ""
	}
}

func (r rule) defaultText(def Config) string {
	if r.fallback != "" || r.required {
		return r.fallback
	}
	switch v := fieldAt(reflect.ValueOf(def), r.key); {
	case r.kind == kindItems || r.kind == kindHooks:
		return "[]"
	case !v.IsValid() || v.IsZero() || r.kind == kindSecret:
		return ""
	case v.Kind() == reflect.Int || v.Kind() == reflect.Int64:
		return r.format(v.Int())
	default:
		return v.String()
	}
}

// fieldAt returns the field of v that the key names by the mapstructure tags of
// its structs; an invalid Value for keys within lists.
func fieldAt(v reflect.Value, key string) reflect.Value {
	for _, part := range strings.Split(key, ".") {
		if v.Kind() != reflect.Struct {
			return reflect.Value{}
		}
		v = fieldTagged(v, part)
	}
	return v
}

func fieldTagged(v reflect.Value, tag string) reflect.Value {
	for i := range v.NumField() {
		switch t := v.Type().Field(i).Tag.Get("mapstructure"); t {
		case tag:
			return v.Field(i)
		case ",squash":
			if f := fieldTagged(v.Field(i), tag); f.IsValid() {
				return f
			}
		}
	}
	return reflect.Value{}
}

// formatDuration writes 24h for 24h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
