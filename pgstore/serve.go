package pgstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// pollInterval is how often tickets are looked for: the precision of delays, and how
// soon a task is found whose notification was lost.
const pollInterval = 80 * time.Millisecond

// wakeTimeout bounds the notification that a retry is due, which polling would find.
const wakeTimeout = time.Second

// ServeConfig says how tasks are worked.
type ServeConfig = riverstore.ServeConfig

// serving is what a started store holds.
type serving struct {
	runner   *riverstore.Runner
	stopping *riverstore.StopOnce
}

// Start makes this process a node and begins to work tasks with handler, beside
// the other nodes. ctx bounds the start only.
func (s *Store) Start(ctx context.Context, handler task.Handler, config ServeConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return task.ErrStopped
	case s.serving != nil:
		return errors.New("the store has been started already")
	}
	if err := s.DeclareFunctions(ctx, config.Functions); err != nil {
		return fmt.Errorf("declare functions: %w", err)
	}
	runner, err := riverstore.NewRunner(riverpgxv5.New(s.control), s, handler, riverstore.RunnerConfig{
		ServeConfig:  config,
		PollInterval: pollInterval,
		Fleet:        s,
		Commander:    s,
		Expirer:      s,
		Wake:         s.wake,
		Keeper:       s,
		Schema:       s.schema,
		Ended:        s.waiters.Tell,
		Vault:        s.vault,
		Logger:       s.logger,
	})
	if err != nil {
		return err
	}
	if err := runner.Start(ctx); err != nil {
		return err
	}
	endSweeping := s.startSweeping(ctx)
	s.serving = &serving{runner: runner, stopping: riverstore.NewStopOnce(func(ctx context.Context) error {
		defer endSweeping()
		return runner.Stop(ctx)
	})}
	return nil
}

// wake has every node look at a queue.
func (s *Store) wake(queue string) {
	ctx, cancel := context.WithTimeout(context.Background(), wakeTimeout)
	defer cancel()
	_, err := s.control.Exec(ctx, s.text("SELECT pg_notify('{schema}.river_insert', json_build_object('queue', $1::text)::text)"), queue)
	if err != nil {
		s.logger.DebugContext(ctx, "the nodes could not be told of a retry; they will find it", slog.Any("error", err))
	}
}

// startSweeping sweeps until the function that it returns is called.
func (s *Store) startSweeping(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.sweeper.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
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
// the rest, waits for them, stores how they ended, and leaves the others to go
// on. It tolerates a store that was not started. The database stays open.
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
