package daemon

import (
	"context"
	"sync"
)

// A group is goroutines that are ended together.
type group struct {
	ctx     context.Context
	end     context.CancelFunc
	running sync.WaitGroup
}

func newGroup() *group {
	g := &group{}
	g.ctx, g.end = context.WithCancel(context.Background())
	return g
}

// run runs f until stop ends its context. It isn't called any more once stop was.
func (g *group) run(f func(context.Context)) {
	g.running.Go(func() { f(g.ctx) })
}

// stop ends all and waits for them. It may be called twice.
func (g *group) stop() {
	g.end()
	g.running.Wait()
}
