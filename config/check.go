package config

import (
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// check reports what is wrong between values that are each right by
// themselves. A comparison with a value that was already reported is left out.
func check(c Config, f *findings) {
	checkInstances(c, f)
	checkRelay(c, f)
	checkTimes(c, f)
	checkTLS(&c, f)
	checkHooks(c.Hooks, f)
	checkEndpoints(c, f)
	checkAdmin(c, f)
}

// reservedName stands, where a verb takes an instance, for something else.
const reservedName = "failover"

func checkInstances(c Config, f *findings) {
	names, addresses := map[string]int{}, map[string]int{}
	for i, in := range c.Instances {
		key := item("instances", i)
		if in.Name != "" {
			if strings.EqualFold(in.Name, reservedName) {
				f.add(key+".name", "%s is what `baton pause` and `baton resume` call automatic failover; name the instance differently", shown(in.Name))
			}
			if line, twice := names[strings.ToLower(in.Name)]; twice {
				f.add(key+".name", "%s is also the name of the instance on line %d; name every instance differently", in.Name, line)
			} else {
				names[strings.ToLower(in.Name)] = f.lines[key]
			}
		}
		if in.Address != "" {
			address := canonical(in.Address)
			if line, twice := addresses[address]; twice {
				f.add(key+".address", "%s is also the address of the instance on line %d; list every server once", in.Address, line)
			} else {
				addresses[address] = f.lines[key]
			}
		}
	}
	if _, known := c.Instance(c.Leader); !known && c.Leader != "" && len(names) > 0 && f.sound("leader", "instances") {
		f.add("leader", "%s is none of the instances; name one of them, or leave the key out", shown(c.Leader))
	}
}

func checkRelay(c Config, f *findings) {
	r := c.Relay
	if r.SegmentSize > r.MaxSize && f.sound("relay.segment_size", "relay.max_size") {
		f.add(f.either("relay.segment_size", "relay.max_size"), "segment_size %s is more than max_size %s; the relay must hold a segment at least", r.SegmentSize, r.MaxSize)
	}
}

// checkTimes compares the durations that bound each other.
func checkTimes(c Config, f *findings) {
	for _, p := range []struct {
		short, long string
		s, l        time.Duration
		why         string
	}{
		{"failover.interval", "failover.window", c.Failover.Interval, c.Failover.Window, "a leader is judged by one probe at least"},
		{"failover.timeout", "failover.window", c.Failover.Timeout, c.Failover.Window, "a slow answer would count as death"},
		{"switchover.drain_timeout", "switchover.timeout", c.Switchover.DrainTimeout, c.Switchover.Timeout, "draining is a part of the switchover"},
	} {
		if p.s > p.l && f.sound(p.short, p.long) {
			_, short, _ := strings.Cut(p.short, ".")
			_, long, _ := strings.Cut(p.long, ".")
			f.add(f.either(p.long, p.short), "%s %s is less than %s %s; %s, raise %s or lower %s",
				long, formatDuration(p.l), short, formatDuration(p.s), p.why, long, short)
		}
	}
}

// either returns the first of the keys that the file gives: the place of a
// contradiction with a default is the key that was written.
func (f *findings) either(first, second string) string {
	if !f.given(first) && f.given(second) {
		return second
	}
	return first
}

func checkTLS(c *Config, f *findings) {
	caUsed := map[string]bool{}
	for _, a := range c.accounts() {
		if verifies(a.TLS.Mode) {
			caUsed[a.TLS.CA] = true
		}
	}
	for _, a := range c.accounts() {
		key := a.key + ".tls"
		if a.key != "mysql" && !f.given(key) || !f.sound(key, key+".mode", key+".ca", key+".cert", key+".key") {
			continue
		}
		inherited := a.key != "mysql" && !f.given(key+".mode") && !f.sound("mysql.tls.mode")
		if verifies(a.TLS.Mode) && a.TLS.CA == "" && !inherited {
			f.add(key+".mode", "%s needs to know who signs the servers' certificates; add ca: /path/of/ca.pem", a.TLS.Mode)
		}
		if f.given(key+".ca") && !verifies(a.TLS.Mode) && !(a.key == "mysql" && caUsed[a.TLS.CA]) {
			f.add(key+".ca", "mode %s verifies no certificate; set mode: verify-identity or verify-ca, or remove ca", a.TLS.Mode)
		}
		switch {
		case a.TLS.Cert != "" && a.TLS.Key == "":
			f.add(key+".cert", "a certificate without its key; add key: /path/of/key.pem")
		case a.TLS.Cert == "" && a.TLS.Key != "":
			f.add(key+".key", "a key without its certificate; add cert: /path/of/cert.pem")
		}
		checkTLSFiles(a, f)
	}
}

// checkTLSFiles opens the files that this account itself names.
func checkTLSFiles(a account, f *findings) {
	ca, cert, key := a.key+".tls.ca", a.key+".tls.cert", a.key+".tls.key"
	if f.given(ca) && a.TLS.CA != "" && f.sound(ca) {
		if _, err := a.TLS.roots(); err != nil {
			f.add(ca, "%s; name the PEM file of the authority", err)
		}
	}
	if f.given(cert) && a.TLS.Cert != "" && a.TLS.Key != "" && f.sound(cert, key) {
		if _, err := a.TLS.keyPair(); err != nil {
			f.add(cert, "%s; name the PEM files of one pair", err)
		} else if err := checkPrivate(a.TLS.Key); err != nil {
			f.add(key, "%s", err)
		}
	}
}

func verifies(m TLSMode) bool { return m == TLSVerifyCA || m == TLSVerifyIdentity }

// checkHooks looks for the programs now: one that is missing would be found out
// in the middle of a failover.
func checkHooks(h Hooks, f *findings) {
	for _, list := range h.lists() {
		for i, hook := range list.hooks {
			key := item(list.key, i) + ".command"
			if len(hook.Command) == 0 || !f.sound(key) {
				continue
			}
			program := hook.Command[0]
			if strings.Contains(program, "/") && !filepath.IsAbs(program) {
				f.add(key, "%s is relative, to no folder in particular; write its whole path", shown(program))
			} else if _, err := exec.LookPath(program); err != nil {
				f.add(key, "%s is no program that can be run here; write its whole path and run chmod +x on it", shown(program))
			}
		}
	}
}

// listener is one address that the daemon will listen on.
type listener struct{ key, address string }

func checkEndpoints(c Config, f *findings) {
	var all []listener
	for i, e := range c.Endpoints {
		key := item("endpoints", i)
		if e.Route == RouteLeader && f.given(key+".max_lag") {
			f.add(key+".max_lag", "the leader has no lag; remove max_lag, or set route: followers")
		}
		if e.Route == RouteLeader && f.given(key+".fallback") {
			f.add(key+".fallback", "route leader has nobody else to lead to; remove fallback, or set route: followers")
		}
		if f.given(key+".max_held") && e.MaxHeld > e.MaxConnections && f.sound(key+".max_held", key+".max_connections") {
			f.add(key+".max_held", "max_held %d is more than max_connections %d, in which they are counted; lower max_held or raise max_connections", e.MaxHeld, e.MaxConnections)
		}
		all = append(all, listener{key + ".listen", e.Listen})
	}
	all = append(all, listener{"admin.http", c.Admin.HTTP})
	for i, l := range all {
		if l.address == "" {
			continue
		}
		for _, other := range all[:i] {
			if other.address != "" && collide(l.address, other.address) {
				f.add(l.key, "%s is taken by %s on line %d; use another port", l.address, other.key, f.lines[other.key])
				break
			}
		}
		for j, in := range c.Instances {
			if in.Address != "" && canonical(in.Address) == canonical(l.address) {
				f.add(l.key, "%s is the address of the instance on line %d; use another port", l.address, f.lines[item("instances", j)])
			}
		}
	}
}

// checkSocket keeps to the 107 bytes of sun_path (unix(7)).
func checkSocket(c Config, f *findings) {
	if n := len(c.Admin.Socket); n > 107 && f.sound("admin.socket", "cluster") {
		f.add("admin.socket", "%d bytes long, a unix socket may have 107; choose a shorter path", n)
	}
}

// canonical writes an address in one way, so that equal ones are found: it asks
// no name server, so a name and its IP address stay two.
func canonical(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return net.JoinHostPort(ip.Unmap().String(), strings.TrimLeft(port, "0"))
	}
	return net.JoinHostPort(strings.ToLower(host), strings.TrimLeft(port, "0"))
}

// collide says whether two listeners can't both have their address. A port 0 is
// chosen by the system and collides with none.
func collide(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(canonical(a))
	hostB, portB, _ := net.SplitHostPort(canonical(b))
	every := func(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
	return portA == portB && portA != "" && (hostA == hostB || every(hostA) || every(hostB))
}
