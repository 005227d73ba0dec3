package endpoint

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// endGrace is how long a connection that is being ended may take to bring its
// client what the instance has answered.
const endGrace = 2 * time.Second

// A link is a client's connection to an instance. What is below the line belongs
// to the Set's mutex.
type link struct {
	endpoint   *endpoint
	instance   string
	asLeader   bool   // it was led there because the instance leads
	connection uint32 // the server's number of it
	greeting   []byte

	client, server *net.TCPConn
	closing        sync.Once

	// -----
	ending bool
	// pausing is how long the client must have been quiet to be disconnected; 0 while
	// that isn't looked at.
	pausing time.Duration
}

// run copies until one side is done. The kernel does it without bringing the
// bytes here, where it can (splice, on Linux).
func (l *link) run() {
	defer l.endpoint.set.forget(l)
	defer l.close()
	if _, err := l.client.Write(l.greeting); err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, err := io.Copy(l.server, l.client)
		for errors.Is(err, os.ErrDeadlineExceeded) && l.goesOn() {
			_, err = io.Copy(l.server, l.client)
		}
		// Whether the client is done, gone or cut off here: the server finishes what it
		// was asked, and closes in turn.
		_ = l.server.CloseWrite()
	})
	_, _ = io.Copy(l.client, l.server)
	// The client is of no use without a server. What it was sent, it still gets.
	l.close()
	up.Wait()
}

// end disconnects the client: nothing more of it is brought to the server, which
// thereupon answers what it was asked and closes; and if it doesn't soon, both are
// closed. The Set's mutex is held.
func (l *link) end() {
	if l.ending {
		return
	}
	l.ending = true
	_ = l.client.SetReadDeadline(past())
	time.AfterFunc(endGrace, l.close)
}

// endIdle disconnects a client that waits for no answer, unless it turns out to
// have sent something meanwhile. The Set's mutex is held.
func (l *link) endIdle(quiet time.Duration) {
	if l.ending || l.pausing != 0 {
		return
	}
	l.pausing = max(quiet, 1)
	_ = l.client.SetReadDeadline(past())
}

// goesOn looks, when nothing is brought to the server for the moment, whether
// that is for good. A client that is idle is told at once that it is disconnected:
// the server would first say something that nobody has asked for.
func (l *link) goesOn() bool {
	l.endpoint.set.mu.Lock()
	defer l.endpoint.set.mu.Unlock()
	if l.ending {
		return false
	}
	if silent, known := quietFor(l.client); known && silent >= l.pausing {
		l.close()
		return false
	}
	l.pausing = 0
	return l.client.SetReadDeadline(time.Time{}) == nil
}

func (l *link) close() {
	l.closing.Do(func() {
		_ = l.client.Close()
		_ = l.server.Close()
	})
}

// forget takes a link that has ended out of the Set.
func (s *Set) forget(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
	counts := s.loads[l.instance]
	counts.open--
	s.loads[l.instance] = counts
}
