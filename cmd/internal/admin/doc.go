// Package admin is how operators and other programs talk to the daemon: an API
// of HTTP and JSON on a unix socket, the client of it that baton's verbs use,
// and the metrics.
//
// It owns the types that go over the socket ([Status], whose JSON is an API)
// and decides nothing: the daemon implements [Cluster], and [Server] only
// translates. It promises that
//   - whoever may open the socket may give commands (its mode is 0660: the
//     daemon's user and group), and nobody else: on TCP only questions are
//     answered;
//   - a socket left by a dead daemon is replaced, one of a living daemon never;
//   - no request, however large or slow, holds up another one or the daemon;
//   - every error says what to do next ([Error]).
//
// The paths below /v1/ and the names in the JSON stay; names may be added.
//
//	GET  /v1/status                              Status
//	GET  /v1/events?n=20                         JSON lines of history.Event, the oldest first
//	GET  /v1/events?after=SEQ&follow=true        the same, without an end
//	GET  /v1/relay/segments                      [RelaySegment, …]              socket only
//	GET  /v1/relay/transactions?gtid=SET&segment=N&limit=N   JSON lines of RelayTransaction   socket only
//	POST /v1/pause?instance=X                    socket only; no instance: every follower
//	POST /v1/resume?instance=X                   socket only; likewise
//	POST /v1/skip?instance=X&gtid=G              socket only
//	POST /v1/reload                              socket only
//	GET  /health                                 200 while the daemon runs
//	GET  /metrics                                Prometheus
//	GET  /debug/pprof/                           socket only
package admin
