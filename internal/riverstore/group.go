package riverstore

import (
	"context"
	"sync"
)

// group gathers items and flushes them together: while one flush is under way,
// the next one gathers. It needs no timer, an idle caller is served at once,
// and a burst shares its transactions. A goroutine lives only while there is
// something to flush.
type group[T any] struct {
	// flush handles a batch, and must answer whoever waits for the items.
	flush func([]T)
	// most bounds a batch.
	most int

	mu      sync.Mutex
	waiting []T
	busy    bool
	idle    chan struct{} // closed when busy turns false; nil while idle
}

func newGroup[T any](most int, flush func([]T)) *group[T] {
	return &group[T]{flush: flush, most: most}
}

func (g *group[T]) add(item T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, item)
	if !g.busy {
		g.busy = true
		g.idle = make(chan struct{})
		go g.run()
	}
}

func (g *group[T]) run() {
	for {
		g.mu.Lock()
		if len(g.waiting) == 0 {
			g.busy = false
			close(g.idle)
			g.mu.Unlock()
			return
		}
		batch := g.waiting
		if len(batch) > g.most {
			batch, g.waiting = batch[:g.most:g.most], batch[g.most:]
		} else {
			g.waiting = nil
		}
		g.mu.Unlock()
		g.flush(batch)
	}
}

// wait returns when nothing is waiting or under way, or when ctx ends.
func (g *group[T]) wait(ctx context.Context) error {
	g.mu.Lock()
	idle, busy := g.idle, g.busy
	g.mu.Unlock()
	if !busy {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
