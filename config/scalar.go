package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// scalar reads a single value as its rule says.
func (d document) scalar(r *rule, n *yaml.Node, key string) (any, bool) {
	if n.Kind != yaml.ScalarNode {
		d.add(key, "%s where a single value belongs; write one", describe(n))
		return nil, false
	}
	text, tag := n.Value, n.ShortTag()
	number := tag == "!!int" || tag == "!!float"
	counted := r.kind == kindWhole || r.kind == kindSize || r.kind == kindDuration
	if tag != "!!str" && !(number && counted) || r.kind == kindWhole && !number {
		d.add(key, "%s where %s", describe(n), r.want())
		return nil, false
	}
	if text == "" {
		if r.required {
			d.add(key, "empty; %s", example(r))
		} else if r.kind == kindChoice || r.kind == kindDuration || r.kind == kindSize {
			d.add(key, "empty where %s, or leave the key out", r.want())
		}
		return text, d.sound(key) && r.kind != kindSecret
	}
	value, err := r.parse(text)
	if err != nil {
		d.add(key, "%s", err)
		return nil, false
	}
	return value, true
}

// want ends the message about a value that YAML takes for something else.
func (r rule) want() string {
	switch r.kind {
	case kindWhole:
		return "a number belongs; write " + r.rangeText() + ", without quotes"
	case kindDuration:
		return "a duration belongs; write it like 10s (" + r.rangeText() + ")"
	case kindSize:
		return "a size belongs; write it like 256MiB (" + r.rangeText() + ")"
	case kindChoice:
		return "a word belongs; write one of " + strings.Join(r.choices, ", ")
	default:
		return "a text belongs; put it in quotes"
	}
}

func (r rule) parse(text string) (any, error) {
	switch r.kind {
	case kindSecret:
		return NewSecret(text), nil
	case kindChoice:
		return r.parseChoice(text)
	case kindWhole:
		n, err := strconv.ParseInt(text, 10, 64)
		octal := len(text) > 1 && text[0] == '0' // in some YAML parsers
		if octal || err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, fmt.Errorf("%s is no plain decimal number; use %s", shown(text), r.rangeText())
		}
		return int(n), r.inRange(text, n)
	case kindDuration:
		d, err := parseDuration(text)
		if err != nil {
			return nil, err
		}
		return d, r.inRange(text, int64(d))
	case kindSize:
		s, err := ParseSize(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown(text), err)
		}
		return s, r.inRange(text, int64(s))
	case kindName:
		return text, checkName(text)
	case kindAddress:
		return text, checkAddress(text, 1)
	case kindListen:
		return text, checkAddress(text, 0)
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' }) {
		return nil, errors.New("a control character or line break; write it on one line")
	}
	return text, nil
}

func (r rule) parseChoice(text string) (any, error) {
	if slices.Contains(r.choices, text) {
		return text, nil
	}
	if best := nearest(text, r.choices); best != "" {
		return nil, fmt.Errorf("%s is none of %s; did you mean %s?", shown(text), strings.Join(r.choices, ", "), best)
	}
	return nil, fmt.Errorf("%s is unknown; use one of %s", shown(text), strings.Join(r.choices, ", "))
}

func (r rule) inRange(text string, n int64) error {
	if n < r.min || n > r.max {
		return fmt.Errorf("%s is out of range; use %s", text, r.rangeText())
	}
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && text != "0" {
		return d, nil
	}
	if _, err := strconv.Atoi(text); err == nil {
		return 0, fmt.Errorf("%s has no unit; write %ss or %sms", shown(text), text, text)
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100000 {
			return 0, fmt.Errorf("%s: days are no unit here; write %dh", shown(text), n*24)
		}
	}
	return 0, fmt.Errorf("%s is no duration; write a number with its unit, like 500ms, 10s, 5m or 1h", shown(text))
}

// shown quotes a value, cut where it is long.
func shown(text string) string {
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:60], "") + "…"
	}
	return strconv.Quote(text)
}

// checkName keeps names usable as file names, metric labels and arguments.
func checkName(name string) error {
	if len(name) > 64 {
		return fmt.Errorf("%d bytes long; use 64 at most", len(name))
	}
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(name) {
		return fmt.Errorf("%s has characters that files and metrics can't; use letters, digits, '.', '_' and '-', a letter or digit first", shown(name))
	}
	return nil
}

// checkAddress wants host:port with a port of at least low; 0 means that the
// address is for listening, where the host may be empty too.
func checkAddress(address string, low int) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		if _, ipErr := netip.ParseAddr(address); ipErr == nil && strings.Contains(address, ":") {
			return fmt.Errorf("%s is no host:port; put the IP address in brackets, like [2001:db8::1]:3306", shown(address))
		}
		return fmt.Errorf("%s is no host:port; write it like 10.0.0.1:3306", shown(address))
	}
	if n, err := strconv.Atoi(port); err != nil || n < low || n > 65535 || strings.Trim(port, "0123456789") != "" {
		return fmt.Errorf("port %s is none; use %d to 65535", shown(port), low)
	}
	if host == "" && low == 0 {
		return nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`).MatchString(host) || len(host) > 253 {
		return fmt.Errorf("host %s is neither a host name nor an IP address; write it like 10.0.0.1:3306", shown(host))
	}
	return nil
}

// args reads the command of a hook: a text for the shell, or a list.
func (d document) args(n *yaml.Node, key string) (any, bool) {
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && strings.TrimSpace(n.Value) != "":
		return []string{"/bin/sh", "-c", n.Value}, true
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0:
		var out []string
		for i, arg := range n.Content {
			if arg.Kind != yaml.ScalarNode || arg.Anchor != "" || arg.ShortTag() != "!!str" {
				d.addAt(arg.Line, key+"["+strconv.Itoa(i)+"]", "%s where a text belongs; put it in quotes", describe(arg))
				continue
			}
			out = append(out, arg.Value)
		}
		return out, len(out) == len(n.Content)
	case n.Kind == yaml.SequenceNode, n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str":
		d.add(key, "empty; write a line for /bin/sh, or [/path/of/the/program, argument]")
		return nil, false
	default:
		d.add(key, "%s where a command belongs; write a line for /bin/sh, or [/path/of/the/program, argument]", describe(n))
		return nil, false
	}
}

// networks reads a list of networks and addresses; an address is a network of
// one.
func (d document) networks(n *yaml.Node, key string) (any, bool) {
	const like = "list networks, like [10.0.0.0/8, 192.168.1.7]"
	if n.Kind != yaml.SequenceNode {
		d.add(key, "%s where a list belongs; %s", describe(n), like)
		return nil, false
	}
	if len(n.Content) == 0 {
		d.add(key, "empty; %s, or remove the key", like)
		return nil, false
	}
	var out []string
	for i, network := range n.Content {
		itemKey := key + "[" + strconv.Itoa(i) + "]"
		if network.Kind != yaml.ScalarNode || network.Anchor != "" || network.ShortTag() != "!!str" {
			d.addAt(network.Line, itemKey, "%s where a network belongs; %s", describe(network), like)
			continue
		}
		prefix, err := parseNetwork(network.Value)
		if err != nil {
			d.addAt(network.Line, itemKey, "%s", err)
			continue
		}
		out = append(out, prefix.String())
	}
	return out, len(out) == len(n.Content)
}

func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("%s is no network; write it like 10.0.0.0/8, or an IP address", shown(text))
	}
	if prefix != prefix.Masked() {
		return prefix, fmt.Errorf("%s names an address inside of a network; write %s", shown(text), prefix.Masked())
	}
	return prefix, nil
}
