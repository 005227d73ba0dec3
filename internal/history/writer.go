package history

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/batondb/baton/internal/logkey"
)

// write is the one goroutine that touches f: it writes what is queued until the
// Store is closed. A batch that failed is kept and tried again, so that events
// are lost to the disk only when the queue behind it is full.
func (s *Store) write(f *file) {
	defer close(s.done)
	defer f.close()
	var batch []Event
	failing := false
	for {
		var isClosed bool
		batch, isClosed = s.take(batch)
		if len(batch) > 0 {
			safe, err := f.append(batch)
			batch = append(batch[:0], batch[safe:]...)
			s.report(err, &failing)
			if err == nil {
				continue // more may have come, and drops are to be said
			}
		}
		if isClosed {
			s.lose(batch)
			return
		}
		s.wait(failing)
	}
}

// take moves the queue behind batch as far as the queue's bound allows, and, at
// the head, puts what was dropped since into words. The second result says that
// nothing will follow.
func (s *Store) take(batch []Event) ([]Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.queue), s.cfg.Queue-len(batch))
	if n > 0 {
		batch = append(batch, s.queue[:n]...)
		s.queue = append(s.queue[:0], s.queue[n:]...)
	}
	if s.dropped > 0 && len(batch) == 0 && len(s.queue) == 0 {
		batch = append(batch, s.show(Event{
			Time: time.Now().UTC(), Level: Warn, Kind: EventsDropped,
			Message: fmt.Sprintf("%d events could not be written here in time", s.dropped),
			Mend:    "read them in the daemon's log; look at the disk of the state directory",
		}))
		s.dropped = 0
	}
	return batch, s.state == closed
}

// lose counts a batch that will not be written any more.
func (s *Store) lose(batch []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := uint64(len(batch) + len(s.queue))
	s.dropped += n
	s.total += n
	s.queue = nil
}

// report says once that writing fails, and once that it works again.
func (s *Store) report(err error, failing *bool) {
	switch {
	case err != nil && !*failing:
		s.logger.Error("can't write the history; events stand in this log and wait in memory", zap.Error(err),
			zap.String(logkey.Path, s.cfg.Dir),
			zap.String(logkey.Mend, "free space on the disk of the state directory, or mend its permissions; baton tries again by itself"))
	case err == nil && *failing:
		s.logger.Info("the history is written again", zap.String(logkey.Path, s.cfg.Dir))
	}
	*failing = err != nil
}

// wait returns when there may be something to do.
func (s *Store) wait(failing bool) {
	if !failing {
		<-s.wake
		return
	}
	retry := time.NewTimer(retryDelay)
	defer retry.Stop()
	for {
		select {
		case <-retry.C:
			return
		case <-s.wake:
			s.mu.Lock()
			isClosed := s.state == closed
			s.mu.Unlock()
			if isClosed {
				return
			}
		}
	}
}
