package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// pollInterval is how often tickets are looked for: the precision of delays and
// retries, and how soon a task is found whose notification was lost.
const pollInterval = 100 * time.Millisecond

// ServeConfig says how tasks are worked.
type ServeConfig = riverstore.ServeConfig

// serving is what a started store holds.
type serving struct {
	runner *riverstore.Runner

	once sync.Once
	done chan struct{} // closed when a stop is complete
	err  error
	// hasten ends when a caller of stop has waited long enough.
	hasten     context.Context
	hastenStop context.CancelFunc
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
		Schema:       s.schema,
		Ended:        s.waiters.Tell,
		Logger:       s.logger,
	})
	if err != nil {
		return err
	}
	if err := runner.Start(ctx); err != nil {
		return err
	}
	serving := &serving{runner: runner, done: make(chan struct{})}
	serving.hasten, serving.hastenStop = context.WithCancel(context.Background())
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
// the rest, waits for them, stores how they ended, and leaves the others to go
// on. It tolerates a store that was not started. The database stays open.
func (s *Store) Stop(ctx context.Context) error {
	s.mu.Lock()
	serving := s.serving
	s.mu.Unlock()
	if serving == nil {
		return nil
	}
	err := serving.stop(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == serving {
		s.serving = nil
	}
	return err
}

// stop stops once. Every caller waits for it, and the context that ends first
// counts.
func (v *serving) stop(ctx context.Context) error {
	defer context.AfterFunc(ctx, v.hastenStop)()
	v.once.Do(func() {
		go func() {
			defer close(v.done)
			v.err = v.runner.Stop(v.hasten)
			v.hastenStop()
		}()
	})
	<-v.done
	return v.err
}
