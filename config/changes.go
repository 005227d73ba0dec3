package config

import (
	"reflect"
	"slices"
	"strings"
)

// Changes compares two Configs of one cluster and returns the keys that differ:
// those that SIGHUP applies, and those that need a restart. Items of lists are
// named, not counted: "instances[db3]" for one that was added or removed,
// "instances[db2].address", "endpoints[127.0.0.1:6447].max_lag". The rule of
// each key is its Setting.Reload. Whether a removed instance leads just now is
// for the caller to ask: such a removal it must refuse.
func Changes(old, new Config) (reloadable, restart []string) {
	d := differences{reload: map[string]bool{}}
	for _, r := range rules() {
		d.reload[r.key] = r.reload
		if !strings.Contains(r.key, "[]") && r.kind != kindItems {
			d.compare(r.key, r.key, fieldAt(reflect.ValueOf(old), r.key), fieldAt(reflect.ValueOf(new), r.key))
		}
	}
	d.items("instances", named(old.Instances, instanceName), named(new.Instances, instanceName),
		func(field string, a, b reflect.Value) bool {
			// What changed with the cluster's account was said there.
			return inherited(field, a, old) && inherited(field, b, new)
		})
	d.items("endpoints", named(old.Endpoints, endpointName), named(new.Endpoints, endpointName),
		func(string, reflect.Value, reflect.Value) bool { return false })
	d.items("admin.tokens", named(old.Admin.Tokens, tokenName), named(new.Admin.Tokens, tokenName),
		func(string, reflect.Value, reflect.Value) bool { return false })
	for _, a := range old.Admin.Tokens {
		for _, b := range new.Admin.Tokens {
			// Another token in the same file is a change of it.
			if a.Name == b.Name && a.File == b.File && a.Text != b.Text {
				d.note("admin.tokens[].file", "admin.tokens["+a.Name+"].file")
			}
		}
	}
	slices.Sort(d.live)
	slices.Sort(d.fixed)
	return d.live, d.fixed
}

func instanceName(i Instance) string { return i.Name }
func tokenName(t Token) string       { return t.Name }
func endpointName(e Endpoint) string { return e.Listen }

type differences struct {
	reload      map[string]bool
	live, fixed []string
}

func (d *differences) compare(rule, key string, a, b reflect.Value) {
	if reflect.DeepEqual(a.Interface(), b.Interface()) || a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return
	}
	d.note(rule, key)
}

func (d *differences) note(rule, key string) {
	if d.reload[rule] {
		d.live = append(d.live, key)
	} else {
		d.fixed = append(d.fixed, key)
	}
}

// items compares two lists item by item, but for the fields that skip names.
func (d *differences) items(list string, old, new map[string]reflect.Value, skip func(field string, a, b reflect.Value) bool) {
	for name, a := range old {
		b, both := new[name]
		if !both {
			d.note(list, list+"["+name+"]")
			continue
		}
		for _, r := range rules() {
			field, ok := strings.CutPrefix(r.key, list+"[].")
			if !ok || skip(field, a, b) {
				continue
			}
			d.compare(r.key, list+"["+name+"]."+field, fieldAt(a, field), fieldAt(b, field))
		}
	}
	for name := range new {
		if _, both := old[name]; !both {
			d.note(list, list+"["+name+"]")
		}
	}
}

// inherited says whether an instance has the cluster's value in a field.
func inherited(field string, instance reflect.Value, c Config) bool {
	cluster := fieldAt(reflect.ValueOf(c.MySQL), field)
	return cluster.IsValid() && reflect.DeepEqual(cluster.Interface(), fieldAt(instance, field).Interface())
}

func named[T any](items []T, name func(T) string) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for _, i := range items {
		out[name(i)] = reflect.ValueOf(i)
	}
	return out
}
