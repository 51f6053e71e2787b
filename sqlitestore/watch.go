package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// A task that another process, or a caller's own transaction, has enqueued starts
// when the watcher sees that the file has changed. Where the system tells that a
// file is written to, an idle watcher sleeps; else it looks every lookInterval.
const (
	lookInterval = 10 * time.Millisecond
	// wakeInterval is the pause after a change: a busy file is looked at no more
	// often.
	wakeInterval = 4 * time.Millisecond
	// The frames of a commit are written, and synced, before it can be seen. So
	// once something was written the watcher looks soonLooks times, a soonInterval
	// apart, and some times more, for a disk that is slow.
	soonInterval = time.Millisecond
	soonLooks    = 5
	mostLooks    = 20
)

// dataVersionSQL yields a number that changes when another connection has
// committed.
const dataVersionSQL = "PRAGMA data_version"

// watcher wakes the queues of a node when the file has changed. It makes no
// difference between the store's own commits and those of others: a wake that
// finds nothing is a read.
type watcher struct {
	db     *sql.DB // of one connection, to which the numbers are relative
	ask    *sql.Stmt
	writes *fileWrites // nil where the system does not tell
	queues []string
	bus    *riverstore.Bus
	hear   func()
	logger *slog.Logger

	last    int64
	failing bool

	stopping, stopped chan struct{}
}

func (s *Store) watch(ctx context.Context, slots map[task.Executor]int, hear func()) (*watcher, error) {
	db, err := connect(s.path, 1, "query_only(1)")
	if err != nil {
		return nil, err
	}
	ask, err := db.PrepareContext(ctx, dataVersionSQL)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &watcher{db: db, ask: ask, bus: s.bus, hear: hear, logger: s.logger, stopping: make(chan struct{}), stopped: make(chan struct{})}
	for executor, n := range slots {
		if n > 0 {
			w.queues = append(w.queues, riverstore.Queue(executor))
		}
	}
	// The log, to which all commits go, is there as long as the file is open.
	if w.writes, err = watchWrites(s.path + "-wal"); err != nil {
		s.logger.DebugContext(ctx, "the system does not tell of changes of the file; it is looked at instead", slog.Any("error", err))
	}
	go w.run() //nolint:contextcheck // it outlives the start
	return w, nil
}

func (w *watcher) run() {
	defer close(w.stopped)
	quiet := 0 // looks since the last change
	for {
		if w.look() {
			quiet = 0
		} else {
			quiet++
		}
		pause := wakeInterval
		switch {
		case w.writes == nil:
			pause = lookInterval
		case quiet >= mostLooks:
			w.writes.wait()
			quiet = 1
			pause = soonInterval
		case quiet > 0 && quiet <= soonLooks:
			pause = soonInterval
		}
		if !w.pause(pause) {
			return
		}
	}
}

// look wakes the queues if the file has changed, and reports whether it has.
func (w *watcher) look() bool {
	var version int64
	err := w.ask.QueryRowContext(context.Background()).Scan(&version)
	if err != nil && !w.failing {
		w.logger.Warn("the file could not be watched; tasks of other processes are found later", slog.Any("error", err))
	}
	w.failing = err != nil
	if w.failing || version == w.last {
		return false
	}
	w.last = version
	for _, queue := range w.queues {
		w.bus.Wake(queue)
	}
	w.hear()
	return true
}

// pause reports whether the watcher goes on.
func (w *watcher) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.stopping:
		return false
	case <-timer.C:
		return true
	}
}

func (w *watcher) stop() error {
	close(w.stopping)
	var err error
	if w.writes != nil {
		err = w.writes.close()
	}
	<-w.stopped
	return errors.Join(err, w.ask.Close(), w.db.Close())
}
