package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// branch is a step of the tree of known keys. It has a rule, children, or, for
// a list of mappings, both.
type branch struct {
	rule     *rule
	names    []string // of the children, in the table's order
	children map[string]*branch
}

// knownKeys builds the tree from the table.
func knownKeys() *branch {
	root := &branch{}
	for _, r := range rules() {
		at := root
		for _, name := range strings.Split(strings.ReplaceAll(r.key, "[]", ""), ".") {
			if at.children == nil {
				at.children = map[string]*branch{}
			}
			if at.children[name] == nil {
				at.children[name] = &branch{}
				at.names = append(at.names, name)
			}
			at = at.children[name]
		}
		at.rule = &r
	}
	return root
}

// document walks the YAML of a file along the tree of known keys and turns it
// into nested maps of typed values. What is wrong is reported and left out, so
// that the rest can be checked too.
type document struct {
	*findings
}

// read returns the values of the file; empty if it is no YAML mapping.
func (d document) read(data []byte) map[string]any {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if err != nil && !errors.Is(err, io.EOF) {
		d.syntax(data, err)
		return nil
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		d.addAt(more.Line, "", "a second YAML document begins; keep one document a file")
	case !errors.Is(err, io.EOF):
		d.syntax(data, err)
	}
	root := &yaml.Node{Kind: yaml.MappingNode, Line: 1}
	if len(doc.Content) == 1 && !isNull(doc.Content[0]) {
		root = doc.Content[0]
	}
	values, _ := d.mapping(knownKeys(), root, "")
	return values
}

// syntax reports that the file is no YAML. The parser says the line in its text
// only; the name of an alias, which may be an unquoted password, is not
// repeated.
func (d document) syntax(data []byte, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`(?s)^unknown anchor '(.*)' referenced`).FindStringSubmatch(text); m != nil {
		before, _, _ := strings.Cut(string(data), "*"+m[1])
		d.addAt(1+strings.Count(before, "\n"), "", "a value begins with *, an alias in YAML, which is not supported; put it in quotes")
		return
	}
	line := 1
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	d.addAt(max(line, 1), "", "not YAML: %s; check quotes and indentation (spaces, no tabs) around this line", text)
}

// value reads the value of a known key; ok is false where it was reported.
func (d document) value(at *branch, n *yaml.Node, key string) (any, bool) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.add(key, "YAML anchors and aliases are not supported; write the value out, in quotes if it begins with & or *")
		return nil, false
	}
	if at.rule == nil {
		return d.mapping(at, n, key)
	}
	switch at.rule.kind {
	case kindItems, kindHooks:
		return d.list(at, n, key)
	case kindArgs:
		return d.args(n, key)
	case kindNetworks:
		return d.networks(n, key)
	default:
		return d.scalar(at.rule, n, key)
	}
}

// mapping reads a section or an item of a list, and reports what is unknown,
// given twice or missing in it.
func (d document) mapping(at *branch, n *yaml.Node, key string) (map[string]any, bool) {
	if n.Kind != yaml.MappingNode {
		d.add(key, "%s where a mapping belongs; write its keys: %s", describe(n), strings.Join(at.names, ", "))
		return nil, false
	}
	out := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		d.pair(at, n.Content[i], n.Content[i+1], key, out)
	}
	d.missing(at, key)
	return out, true
}

// pair reads one key and its value into out.
func (d document) pair(at *branch, k, v *yaml.Node, around string, out map[string]any) {
	key := join(around, k.Value)
	child := at.children[k.Value]
	switch {
	case k.Kind != yaml.ScalarNode || k.Anchor != "" || k.Value == "<<":
		d.addAt(k.Line, around, "a merge key, or one that is no plain text, is not supported; write one of %s", strings.Join(at.names, ", "))
		return
	case child == nil:
		d.addAt(k.Line, key, "unknown key; %s", suggest(k.Value, at, around))
		return
	case d.given(key):
		d.addAt(k.Line, key, "given twice, first on line %d; keep one", d.lines[key])
		return
	case isNull(v):
		return // as if absent: a section whose keys are all commented out
	}
	d.lines[key] = k.Line
	if value, ok := d.value(child, v, key); ok {
		out[k.Value] = value
	}
}

// missing reports the required keys that a mapping lacks, those of sections
// that are absent altogether included.
func (d document) missing(at *branch, key string) {
	for _, name := range at.names {
		child, path := at.children[name], join(key, name)
		switch {
		case d.given(path):
		case child.rule == nil:
			d.missing(child, path)
		case child.rule.required:
			d.add(path, "missing; %s", example(child.rule))
		}
	}
}

func (d document) list(at *branch, n *yaml.Node, key string) ([]any, bool) {
	if n.Kind != yaml.SequenceNode {
		d.add(key, "%s where a list belongs; begin each item with \"- \"", describe(n))
		return nil, false
	}
	if at.rule.required && len(n.Content) == 0 {
		d.add(key, "empty; %s", example(at.rule))
		return nil, false
	}
	out := make([]any, 0, len(n.Content))
	for i, item := range n.Content {
		itemKey := key + "[" + strconv.Itoa(i) + "]"
		d.lines[itemKey] = item.Line
		fields := &branch{names: at.names, children: at.children}
		if at.rule.kind == kindHooks && (item.Kind == yaml.ScalarNode || item.Kind == yaml.SequenceNode) {
			// A bare command is short for {command: …}.
			item = &yaml.Node{Kind: yaml.MappingNode, Line: item.Line, Anchor: item.Anchor, Content: []*yaml.Node{
				{Kind: yaml.ScalarNode, Tag: "!!str", Value: "command", Line: item.Line}, item,
			}}
		}
		// A wrong item keeps its place, so that the numbers of the others stay.
		value, ok := d.value(fields, item, itemKey)
		if !ok {
			value = map[string]any{}
		}
		out = append(out, value)
	}
	return out, true
}

func isNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// describe names what a node is, never what it says: it may be a password.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!str":
		return "a text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "a date"
	}
	return "a tagged value"
}

func join(around, name string) string {
	if around == "" {
		return name
	}
	return around + "." + name
}

// example says how a missing key is written.
func example(r *rule) string {
	last := r.key[strings.LastIndex(r.key, ".")+1:]
	switch r.key {
	case "mysql.user":
		return "write user: baton, the account that baton uses"
	case "cluster":
		return "write cluster: shop"
	case "admin.tokens[].name":
		return "write name: prometheus, or who else asks"
	case "admin.tokens[].file":
		return "write file: /etc/baton/prometheus.token"
	}
	switch r.kind {
	case kindItems:
		return "list at least one, like \"- {name: db1, address: 10.0.0.1:3306}\""
	case kindPath:
		return "write " + last + ": /var/lib/baton/shop"
	case kindAddress:
		return "write " + last + ": 10.0.0.1:3306"
	case kindListen:
		return "write " + last + ": \"127.0.0.1:6446\""
	case kindChoice:
		return "write " + last + ": followed by one of " + strings.Join(r.choices, ", ")
	case kindArgs:
		return "write " + last + ": [/path/of/the/program, argument]"
	}
	return "write " + last + ": db1"
}

// suggest names the known key that a wrong one may mean: one beside it that
// looks alike, or one elsewhere that is called the same.
func suggest(wrong string, at *branch, around string) string {
	if best := nearest(strings.ReplaceAll(wrong, "-", "_"), at.names); best != "" {
		return "did you mean " + best + "?"
	}
	for _, r := range rules() {
		if strings.HasSuffix("."+r.key, "."+wrong) && r.key != join(around, wrong) {
			return "did you mean " + r.key + "?"
		}
	}
	return "known here: " + strings.Join(at.names, ", ")
}

// nearest returns the word that a wrong one may mean: what it abbreviates or
// prolongs, or differs from in a third of its letters at most; "" for none.
func nearest(wrong string, words []string) string {
	wrong = strings.ToLower(wrong)
	best, least := "", 1+len(wrong)/3
	for _, w := range words {
		n := distance(wrong, w)
		if min(len(wrong), len(w)) >= 3 && (strings.HasPrefix(w, wrong) || strings.HasPrefix(wrong, w)) {
			n = min(n, 1)
		}
		if n < least {
			best, least = w, n
		}
	}
	return best
}

// distance is the number of letters to insert, drop or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{change, row[j+1] + 1, row[j] + 1})
		}
	}
	return row[len(b)]
}
