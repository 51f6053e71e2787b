package riverstore

import (
	"context"
	"sync"
	"time"

	"github.com/taskhost/taskhost/task"
)

// awaitInterval is how often the database is asked about tasks that are waited
// for, for those that another process ends.
const awaitInterval = 25 * time.Millisecond

// Ender knows which tasks have ended.
type Ender interface {
	// Ended returns those of ids that have ended, or are not there.
	Ended(ctx context.Context, ids []task.ID) ([]task.ID, error)
}

// Waiters lets callers wait for the end of tasks. However many wait, the database
// is asked once an interval, and not at all while nobody does.
type Waiters struct {
	db Ender

	mu      sync.Mutex
	waiting map[task.ID]map[chan struct{}]struct{}
	looking bool
}

// NewWaiters returns Waiters for db. It starts nothing.
func NewWaiters(db Ender) *Waiters {
	return &Waiters{db: db, waiting: make(map[task.ID]map[chan struct{}]struct{})}
}

// Await returns when the task has ended, or is not there, or when ctx ends.
func (w *Waiters) Await(ctx context.Context, id task.ID) error {
	ended := make(chan struct{})
	w.add(id, ended) //nolint:contextcheck // what it starts is for everybody who waits
	defer w.remove(id, ended)
	// Asked only now, so that an end cannot fall between the two.
	ids, err := w.db.Ended(ctx, []task.ID{id})
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx) // as below: it says why, and the database does not
	case err != nil || len(ids) > 0:
		return err
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Tell lets those know who wait for tasks that have ended.
func (w *Waiters) Tell(ids []task.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		for ended := range w.waiting[id] {
			close(ended)
		}
		delete(w.waiting, id)
	}
}

func (w *Waiters) add(id task.ID, ended chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[id] == nil {
		w.waiting[id] = make(map[chan struct{}]struct{})
	}
	w.waiting[id][ended] = struct{}{}
	if !w.looking {
		w.looking = true
		go w.look()
	}
}

func (w *Waiters) remove(id task.ID, ended chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting[id], ended)
	if len(w.waiting[id]) == 0 {
		delete(w.waiting, id)
	}
}

// look asks the database while anybody waits.
func (w *Waiters) look() {
	ticker := time.NewTicker(awaitInterval)
	defer ticker.Stop()
	for range ticker.C {
		ids := w.awaited()
		if ids == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		ended, err := w.db.Ended(ctx, ids)
		cancel()
		if err == nil { // else whoever waits does so until the next look, or its own end
			w.Tell(ended)
		}
	}
}

// awaited lists what is waited for. Where that is nothing, the looking ends.
func (w *Waiters) awaited() []task.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.looking = false
		return nil
	}
	ids := make([]task.ID, 0, len(w.waiting))
	for id := range w.waiting {
		ids = append(ids, id)
	}
	return ids
}
