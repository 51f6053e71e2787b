package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gofrs/flock"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// pollInterval is how often tickets are looked for without a change of the file:
// the precision of delays.
const pollInterval = 50 * time.Millisecond

// ServeConfig says how tasks are worked.
type ServeConfig = riverstore.ServeConfig

// serving is what a started store holds.
type serving struct {
	store    *Store
	lock     *flock.Flock
	runner   *riverstore.Runner
	watcher  *watcher
	node     string
	stopping *riverstore.StopOnce
}

// Start locks the file, takes up what an earlier process left running, and
// begins to work tasks with handler. ctx bounds the start only. It returns an
// error at once where another process works the file.
func (s *Store) Start(ctx context.Context, handler task.Handler, config ServeConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return task.ErrStopped
	case s.serving != nil:
		return errors.New("the store has been started already")
	}
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	serving := &serving{store: s, lock: lock, node: config.Node}
	serving.stopping = riverstore.NewStopOnce(serving.stop)
	if err := serving.start(ctx, handler, config); err != nil {
		return errors.Join(fmt.Errorf("work the database %s: %w", s.path, err), lock.Close())
	}
	s.serving = serving
	return nil
}

// Quiesce starts no more attempts from the moment at which it returns. Those in
// progress go on, until [Store.Stop].
func (s *Store) Quiesce() {
	s.mu.Lock()
	serving := s.serving
	s.mu.Unlock()
	if serving != nil {
		serving.runner.Quiesce()
	}
}

// Stop claims nothing more, lets attempts finish until ctx ends, then cancels
// the rest, waits for them, stores how they ended, and unlocks the file. It
// tolerates a store that was not started. The file stays open.
func (s *Store) Stop(ctx context.Context) error {
	s.mu.Lock()
	serving := s.serving
	s.mu.Unlock()
	if serving == nil {
		return nil
	}
	err := serving.stopping.Stop(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == serving {
		s.serving = nil
	}
	return err
}

func (v *serving) start(ctx context.Context, handler task.Handler, config ServeConfig) error {
	if err := v.store.recordEvents(ctx); err != nil {
		return err
	}
	if err := v.store.declareFunctions(ctx, config.Functions, true); err != nil {
		return err
	}
	if err := v.store.endOrphans(ctx); err != nil {
		return err
	}
	if err := v.store.putNode(ctx, config); err != nil {
		return err
	}
	var err error
	v.runner, err = riverstore.NewRunner(riversqlite.New(v.store.write), v.store, handler, riverstore.RunnerConfig{
		ServeConfig:  config,
		PollInterval: v.store.poll,
		Bus:          v.store.bus,
		Commander:    v.store,
		Wake:         v.store.bus.Wake,
		Expirer:      v.store,
		Keeper:       v.store,
		Ended:        v.store.waiters.Tell,
		Vault:        v.store.vault,
		Logger:       v.store.logger,
	})
	if err != nil {
		return err
	}
	if v.watcher, err = v.store.watch(ctx, config.Slots, v.runner.Hear); err != nil {
		return err
	}
	if err := v.runner.Start(ctx); err != nil {
		return errors.Join(err, v.watcher.stop())
	}
	return nil
}

// stop stops the work, and gives the file back.
func (v *serving) stop(ctx context.Context) error {
	err := errors.Join(v.watcher.stop(), v.runner.Stop(ctx))
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, nodeErr := v.store.write.ExecContext(cleanup, "DELETE FROM node WHERE id = ?", v.node)
	return errors.Join(err, nodeErr, v.lock.Close())
}

// endOrphans ends the attempts of a process that died: whatever is running
// while nobody holds the lock.
func (s *Store) endOrphans(ctx context.Context) error {
	if _, err := s.write.ExecContext(ctx, "DELETE FROM node"); err != nil {
		return err
	}
	ends, err := s.orphans(ctx)
	if err != nil || len(ends) == 0 {
		return err
	}
	stored, err := s.Finish(ctx, ends)
	if err != nil {
		return err
	}
	counts := make(map[task.Status]int)
	for i, end := range ends {
		if stored[i] {
			counts[end.Status]++
		}
	}
	s.logger.WarnContext(ctx, "an earlier process died while it ran tasks",
		slog.Int("requeued", counts[task.Pending]), slog.Int("interrupted", counts[task.Interrupted]), slog.Int("failed", counts[task.Failed]))
	return nil
}

func (s *Store) orphans(ctx context.Context) ([]*riverstore.End, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+taskColumns+", lease FROM task WHERE status = 'running' ORDER BY due_at, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ends []*riverstore.End
	for rows.Next() {
		var t task.Task
		var lease int64
		if err := scanTask(s.vault, rows, &t, &lease); err != nil {
			return nil, err
		}
		ends = append(ends, riverstore.Crashed(&t, lease))
	}
	return ends, rows.Err()
}

// DeclareFunctions makes Go functions known, so that they can be enqueued before
// the store is started. It returns a *task.ConflictError where a module has one of
// the names.
func (s *Store) DeclareFunctions(ctx context.Context, functions []task.Definition) error {
	return s.declareFunctions(ctx, functions, false)
}

// declareFunctions makes functions known, and with only no others.
func (s *Store) declareFunctions(ctx context.Context, functions []task.Definition, only bool) error {
	err := s.inTx(ctx, func(w *session) error {
		tx := w.tx
		if only {
			if _, err := tx.ExecContext(ctx, "DELETE FROM definition WHERE module IS NULL"); err != nil {
				return err
			}
		}
		for i := range functions {
			def := &functions[i]
			if _, err := tx.ExecContext(ctx, "DELETE FROM definition WHERE module IS NULL AND name = ?", def.Name); err != nil {
				return err
			}
			if err := insertDefinition(ctx, tx, def); err != nil {
				return err
			}
		}
		return nil
	})
	s.Forget()
	return err
}
