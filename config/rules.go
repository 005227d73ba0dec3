package config

import (
	"slices"
	"strconv"
	"time"
)

// rules is the table that every key of the file stands in, once. Two rules of
// thumb decide reload: what was only read at start (sockets, folders, the
// shape of running connections) needs a restart; what is looked up when it is
// needed does not.
func rules() []rule {
	return slices.Concat(clusterRules(), instanceRules(), replicationRules(), handOverRules(), outsideRules())
}

func choice(key, meaning string, choices ...string) rule {
	return rule{key: key, kind: kindChoice, choices: choices, meaning: meaning}
}

func duration(key, meaning string, low, high time.Duration) rule {
	return rule{key: key, kind: kindDuration, min: int64(low), max: int64(high), meaning: meaning}
}

func size(key, meaning string, low, high Size) rule {
	return rule{key: key, kind: kindSize, min: int64(low), max: int64(high), meaning: meaning}
}

func count(key, meaning string, low, high int64) rule {
	return rule{key: key, kind: kindWhole, min: low, max: high, meaning: meaning}
}

// live marks rules whose change SIGHUP applies.
func live(rs ...rule) []rule {
	for i := range rs {
		rs[i].reload = true
	}
	return rs
}

func clusterRules() []rule {
	return append([]rule{
		{key: "cluster", kind: kindName, required: true, meaning: "name of the cluster in files, metrics and logs"},
		{key: "state_dir", kind: kindPath, required: true, meaning: "folder of the relay, the epoch and the history; one daemon's alone"},
		{key: "mysql.user", kind: kindText, required: true, meaning: "account that baton uses on every instance"},
		{key: "mysql.password_file", kind: kindPath, meaning: "file that holds the account's password; chmod 600"},
		{key: "mysql.password", kind: kindSecret, meaning: "the password itself; BATON_MYSQL_PASSWORD goes before it and before password_file"},
	}, tlsRules("mysql.tls.")...)
}

func tlsRules(prefix string) []rule {
	return []rule{
		choice(prefix+"mode", "encryption of the connections, as MySQL's ssl-mode",
			string(TLSDisabled), string(TLSPreferred), string(TLSRequired), string(TLSVerifyCA), string(TLSVerifyIdentity)),
		{key: prefix + "ca", kind: kindPath, meaning: "authorities that may have signed the server's certificate (PEM); for the verify modes"},
		{key: prefix + "cert", kind: kindPath, meaning: "client certificate (PEM)"},
		{key: prefix + "key", kind: kindPath, meaning: "key of the client certificate (PEM); chmod 600"},
	}
}

func instanceRules() []rule {
	const inherited = "that of mysql"
	own := []rule{
		{key: "instances[].user", kind: kindText, meaning: "account on this instance"},
		{key: "instances[].password_file", kind: kindPath, meaning: "file of the account's password on this instance"},
		{key: "instances[].password", kind: kindSecret, meaning: "password of the account on this instance"},
	}
	own = append(own, tlsRules("instances[].tls.")...)
	for i := range own {
		own[i].fallback = inherited
	}
	promotion := choice("instances[].promotion", "how willingly it is made leader",
		string(PromotionPrefer), string(PromotionNeutral), string(PromotionAvoid), string(PromotionNever))
	promotion.fallback = string(PromotionNeutral)
	return slices.Concat(
		live(rule{key: "instances", kind: kindItems, required: true,
			meaning: "the servers of the cluster, one at least; SIGHUP adds followers and removes them"}),
		[]rule{
			{key: "instances[].name", kind: kindName, required: true, meaning: "what operators, logs and metrics call it"},
			{key: "instances[].address", kind: kindAddress, required: true, meaning: "where it listens"},
		},
		live(promotion), own,
		[]rule{{key: "leader", kind: kindText, meaning: "leader of the very first start; later the state folder knows"}},
	)
}

func replicationRules() []rule {
	return slices.Concat(
		[]rule{
			choice("durability.mode", "what the success of a commit promises", string(Strict), string(Balanced), string(Async)),
			duration("durability.ack_timeout", "how long a commit waits for the relay before the leader runs on unprotected; not in mode strict", 100*time.Millisecond, time.Hour),
			size("relay.segment_size", "size at which a new segment begins", 4*KiB, GiB),
		},
		live(
			size("relay.max_size", "what the relay may occupy on disk", 4*KiB, PiB),
			duration("relay.retention", "how long a segment is kept that every follower has", 0, 8760*time.Hour),
		),
		[]rule{size("relay.memory", "bound of the newest transactions kept in memory", MiB, 64*GiB)},
		live(
			count("apply.sessions", "connections that one follower is applied to with", 1, 256),
			choice("apply.order", "order in which a follower shows independent transactions", string(OrderRelaxed), string(OrderLeader)),
			choice("apply.catch_up.mode", "when a follower is applied to in batches; off where its own binlog is read",
				string(CatchUpAuto), string(CatchUpAlways), string(CatchUpOff)),
			duration("apply.catch_up.after", "lag from which mode auto uses batches", 0, 24*time.Hour),
			count("apply.catch_up.batch", "largest number of leader transactions in one follower transaction", 1, 100000),
		),
	)
}

func handOverRules() []rule {
	rs := []rule{
		choice("failover.mode", "whether a failover waits for an operator", string(FailoverAutomatic), string(FailoverManual)),
		duration("failover.window", "how long probes and stream fail before a silent leader counts as dead", 50*time.Millisecond, time.Hour),
		duration("failover.cooldown", "time after a hand-over without automatic failover", 0, 168*time.Hour),
		choice("failover.boot", "whether instances start read-only until baton says otherwise", string(BootFenced), string(BootOpen)),
		duration("switchover.timeout", "bound of a switchover until the promotion; then it is undone", time.Second, time.Hour),
		duration("switchover.drain_timeout", "how long the old leader's transactions may still run", 0, time.Hour),
		duration("switchover.max_lag", "lag of the candidate above which a switchover is refused", 0, 24*time.Hour),
	}
	for _, h := range []struct{ name, meaning string }{
		{"before_promote", "run before the candidate becomes writable; a failure stops the hand-over"},
		{"fence", "make sure that a silent old leader can commit nothing more"},
		{"after_promote", "run when the new leader is writable"},
		{"after_switchover", "run at the end of a switchover"},
	} {
		timeout := duration("hooks."+h.name+"[].timeout", "how long the command may run", 100*time.Millisecond, time.Hour)
		timeout.fallback = formatDuration(defaultHookTimeout)
		rs = append(rs, rule{key: "hooks." + h.name, kind: kindHooks, meaning: h.meaning},
			rule{key: "hooks." + h.name + "[].command", kind: kindArgs, required: true, meaning: "a line for /bin/sh -c, or a list of program and arguments"},
			timeout)
	}
	// How instances are observed is settled when it begins.
	observed := []rule{
		duration("failover.interval", "time between two probes of an instance", 50*time.Millisecond, time.Minute),
		duration("failover.timeout", "how long a probe waits for its answer", 50*time.Millisecond, time.Minute),
	}
	return append(observed, live(rs...)...)
}

// endpointRules are all live: an endpoint is opened, changed and closed beside
// the others.
func endpointRules() []rule {
	lag := duration("endpoints[].max_lag", "lag above which a follower gets no new connection; route followers only", 100*time.Millisecond, 24*time.Hour)
	lag.fallback = formatDuration(defaultEndpointLag)
	route := choice("endpoints[].route", "where its connections are led", string(RouteLeader), string(RouteFollowers))
	route.required = true
	fallback := choice("endpoints[].fallback", "what becomes of a connection while no follower is within max_lag; route followers only", string(FallbackLeader), string(FallbackRefuse))
	fallback.fallback = string(FallbackLeader)
	connections := count("endpoints[].max_connections", "clients that may be connected at a time, those that are held included", 1, 100000)
	connections.fallback = strconv.Itoa(defaultConnections)
	held := count("endpoints[].max_held", "clients that may wait at a time until somebody leads", 0, 100000)
	held.fallback = strconv.Itoa(defaultHeld)
	hold := duration("endpoints[].hold_timeout", "how long a client waits until it is told that nobody leads", 0, 10*time.Minute)
	hold.fallback = formatDuration(defaultHold)
	connect := duration("endpoints[].connect_timeout", "how long an instance may take to greet a client before another is tried", 100*time.Millisecond, time.Minute)
	connect.fallback = formatDuration(defaultConnect)
	send := choice("endpoints[].send_proxy", "header of the PROXY protocol that instances are sent; not understood by MySQL itself", string(ProxyNone), string(ProxyV2))
	send.fallback = string(ProxyNone)
	return live(
		rule{key: "endpoints", kind: kindItems, meaning: "TCP ports that lead clients to instances"},
		rule{key: "endpoints[].listen", kind: kindListen, required: true, meaning: "where clients connect"},
		route, lag, fallback, connections, held, hold, connect,
		rule{key: "endpoints[].allow", kind: kindNetworks, fallback: "every network", meaning: "networks from which clients may connect"},
		rule{key: "endpoints[].accept_proxy", kind: kindNetworks, meaning: "networks of load balancers, whose connections begin with a header of the PROXY protocol v2"},
		send,
	)
}

func outsideRules() []rule {
	return slices.Concat(
		endpointRules(),
		[]rule{
			{key: "admin.socket", kind: kindPath, fallback: "/run/baton/<cluster>.sock", meaning: "unix socket of the verbs"},
			{key: "admin.http", kind: kindListen, meaning: "status page, /metrics and the API; none without it; beyond loopback it needs tokens or client_ca"},
		},
		adminRules(),
		live(choice("log.level", "least level written", string(LogDebug), string(LogInfo), string(LogWarn), string(LogError))),
		[]rule{choice("log.format", "look of a line; auto: console on a terminal, json otherwise", string(LogAuto), string(LogConsole), string(LogJSON))},
	)
}

// adminRules are those of who may ask over HTTP. A token can be withdrawn while
// the daemon runs.
func adminRules() []rule {
	role := func(key, meaning string) rule {
		r := choice(key, meaning, string(RoleRead), string(RoleCommand))
		r.fallback = string(RoleRead)
		return r
	}
	return append(live(
		rule{key: "admin.tokens", kind: kindItems, meaning: "who may ask over HTTP; with one, nobody may without"},
		rule{key: "admin.tokens[].name", kind: kindName, required: true, meaning: "what logs and events call whoever uses it"},
		role("admin.tokens[].role", "whether it allows questions only, or commands too"),
		rule{key: "admin.tokens[].file", kind: kindPath, required: true, meaning: "file that holds the token; chmod 600"},
	),
		rule{key: "admin.tls.cert", kind: kindPath, meaning: "certificate that clients of HTTP see, with its chain (PEM); read at each connection"},
		rule{key: "admin.tls.key", kind: kindPath, meaning: "its key (PEM); chmod 600"},
		rule{key: "admin.tls.client_ca", kind: kindPath, meaning: "authorities whose client certificates stand for a token (PEM)"},
		role("admin.tls.client_role", "what such a certificate allows"),
	)
}
