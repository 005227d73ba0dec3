// Package endpoint leads clients to instances: it owns the TCP ports that they
// connect to, every connection through them, and who is led where.
//
// A port is of a route. Route leader is always in one of three states:
//
//   - serving: one instance leads, and whoever connects is led to it ([Set.Lead]);
//   - holding: the baton passes, or nobody is known to lead, and whoever connects
//     waits, bounded in number and time ([Set.Hold]);
//   - closed: nobody is let in any more ([Set.Close]).
//
// Whoever hands the leadership over says when which of them begins. In a planned
// hand-over that is: Hold; [Set.EndIdle] until the clients of the old leader have
// finished what they had begun; [Set.End] when it takes no writes any more; Lead.
// In an unplanned one: Hold, End, Lead. Where it is undone, Lead brings everybody
// back. Route followers chooses among what [Set.Observe] was told last.
//
// It relies on MySQL's protocol in one thing: the server speaks first. A client
// is given to an instance only when that one's greeting has come. Until then the
// client has seen nothing of it, so that an instance that refuses, is frozen, or
// is deposed at this moment costs it some waiting and no error. From then on bytes
// are copied as they are, TLS and compression included.
//
// It promises that
//   - no client is given to an instance of which it was told that it leads no
//     more, and none stays with it after End;
//   - an answer that an instance has given reaches its client although the
//     connection is being ended: it is the client's direction that is closed first;
//   - who is refused is told why by an error packet of MySQL's protocol;
//   - a client that goes away, hangs or never speaks holds what is its own, one
//     of max_connections, until the kernel finds it gone, and holds up nobody.
package endpoint
