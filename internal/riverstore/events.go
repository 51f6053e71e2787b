package riverstore

import (
	"context"
	"sync"
	"time"

	"github.com/taskhost/taskhost/task"
)

const (
	// eventInterval is how often new events are looked for while somebody follows
	// them, and eventPage how many are read at once.
	eventInterval = 100 * time.Millisecond
	eventPage     = 500
	// eventsPruned is how many events one transaction deletes: a row is small.
	eventsPruned = 5000
)

// EventReader is what a store offers to follow the states of tasks.
type EventReader interface {
	// Events returns the events behind a cursor, at most limit, and the cursor behind
	// the last. An empty cursor is now. It returns task.ErrEventsGone where some are
	// not there any more, and a *task.InvalidError for what is no cursor.
	Events(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error)
}

// EventKeeper is what a store offers to keep events within bounds.
type EventKeeper interface {
	// PruneEvents deletes the oldest events that happened longer ago than keep, in one
	// transaction, at most limit. It reports whether there may be more.
	PruneEvents(ctx context.Context, keep time.Duration, limit int) (more bool, err error)
}

// Feed lets callers wait for events. However many wait, the database is asked once an
// interval whether there is anything new, and not at all while nobody does.
type Feed struct {
	db EventReader

	mu      sync.Mutex
	news    chan struct{} // closed once there is anything new
	waiting int
	looking bool
}

// NewFeed returns a Feed of a store's events. It starts nothing.
func NewFeed(db EventReader) *Feed { return &Feed{db: db, news: make(chan struct{})} }

// NextEvents returns the events behind a cursor, at most limit, and the cursor behind the last.
// Where there are none it waits for the first, or until ctx ends. It then returns none,
// how far it has looked, and no error.
func (f *Feed) NextEvents(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error) {
	news := f.join() //nolint:contextcheck // what it starts is for everybody who waits
	defer f.leave()
	for {
		events, next, err := f.db.Events(ctx, after, limit)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, after, nil
		case err != nil || len(events) > 0:
			return events, next, err
		}
		after = next
		select {
		case <-news:
			news = f.current() // before the next look, so that nothing falls between the two
		case <-ctx.Done():
			return nil, after, nil
		}
	}
}

func (f *Feed) join() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting++
	if !f.looking {
		f.looking = true
		go f.look()
	}
	return f.news
}

func (f *Feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting--
}

func (f *Feed) current() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.news
}

// look asks the database while anybody waits. Whoever begins to wait looks for
// themselves first, so it begins with what is there from now on.
func (f *Feed) look() {
	ticker := time.NewTicker(eventInterval)
	defer ticker.Stop()
	var seen task.EventCursor
	for f.awaited() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		events, next, err := f.db.Events(ctx, seen, eventPage)
		cancel()
		// The first look may come after somebody's own, and does not know what was in
		// between.
		if err != nil || len(events) > 0 || seen == "" {
			f.tell()
		}
		seen = next
		if err != nil {
			seen = ""
		}
		if len(events) < eventPage {
			<-ticker.C
		}
	}
}

func (f *Feed) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.news)
	f.news = make(chan struct{})
}

// awaited reports whether anybody waits. Where nobody does, the looking ends.
func (f *Feed) awaited() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looking = f.waiting > 0
	return f.looking
}

func pruneEvents(ctx context.Context, db EventKeeper, keep time.Duration, p *pace) error {
	for more := keep > 0; more; {
		took, err := timed(ctx, func(ctx context.Context) (err error) {
			more, err = db.PruneEvents(ctx, keep, eventsPruned)
			return err
		})
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := p.rest(ctx, took); err != nil {
			return err
		}
	}
	return nil
}
