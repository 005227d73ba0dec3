// Package admin is how operators and other programs talk to the daemon: an API
// of HTTP and JSON on a unix socket, the client of it that baton's verbs use,
// the metrics, and the status page.
//
// It owns the types that go over the socket ([Status], whose JSON is an API)
// and decides nothing: the daemon implements [Cluster] and [HandOvers], and
// [Server] only translates. It promises that
//   - whoever may open the socket may give commands (its mode is 0660: the
//     daemon's user and group); on TCP whoever has a token or a client certificate
//     of role command. Role read only asks questions, which on an address of
//     loopback needs neither while none is configured;
//   - every command is in the history with whoever gave it: the account of the
//     process at the other end of the socket, the name of the token or certificate;
//   - a socket left by a dead daemon is replaced, one of a living daemon never;
//   - no request, however large or slow, holds up another one or the daemon;
//   - a hand-over goes on when whoever asked for it goes away: only the daemon's
//     stop ends it, and its next start finishes or undoes it;
//   - every error says what to do next ([Error]).
//
// The paths below /v1/ and the names in the JSON stay; names may be added.
//
//	GET  /v1/status                              Status
//	GET  /v1/events?n=20                         JSON lines of history.Event, the oldest first
//	GET  /v1/events?after=SEQ&follow=true        the same, without an end
//	GET  /v1/leader                              {"name","address"} of whom writes are led to; 503 while nobody is
//	GET  /v1/instances/X/leader                  200 while writes are led to X, else 503 and why
//	GET  /v1/instances/X/follower?max_lag=5s     200 while X follows within that, else 503 and why
//	GET  /v1/session                             [Session]: who asks, and what they may do; TCP only
//	GET  /v1/watch                               Server-Sent Events: "hello" with [Watched], then "status", "sample", "event"; TCP only
//	GET  /v1/relay/segments                      [RelaySegment, …]              socket only
//	GET  /v1/relay/transactions?gtid=SET&segment=N&limit=N   JSON lines of RelayTransaction   socket only
//	POST /v1/pause?instance=X                    command; no instance: every follower
//	POST /v1/resume?instance=X                   command; likewise
//	POST /v1/skip?instance=X&gtid=G              command
//	POST /v1/reload                              command
//	POST /v1/switchover?to=X&timeout=30s         command; JSON lines of [Progress]; every parameter may be left out
//	POST /v1/switchover?to=X&dry_run=true        command; [Planned]: nothing is done
//	POST /v1/failover?to=X&allow_loss=true       command; JSON lines of [Progress]
//	POST /v1/failover/pause, /v1/failover/resume command
//	POST /v1/rejoin?instance=X&rewind=true       command; JSON lines of [Progress]
//	GET  /health                                 200 while the daemon runs
//	GET  /, /page/                               the status page; TCP only
//	GET  /metrics                                Prometheus
//	GET  /debug/pprof/                           socket only
//
// The lines of a Progress are {"step":{…}} each, as they happen, and at last
// {"result":{…}} or {"error":{…}}. Where nothing was begun, the answer is an
// [Error] with its code of HTTP, as it is of every other request. A parameter
// that a hand-over doesn't know is refused, lest one misspelt be passed over.
package admin
