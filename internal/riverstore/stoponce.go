package riverstore

import (
	"context"
	"sync"
)

// StopOnce stops something once, for any number of callers. All of them return when
// it has stopped, and the context that ends first counts for all.
type StopOnce struct {
	stop func(ctx context.Context) error

	once sync.Once
	done chan struct{}
	err  error
	// hasten ends when a caller has waited long enough.
	hasten     context.Context
	hastenStop context.CancelFunc
}

// NewStopOnce returns a StopOnce of stop, which is to return however soon its context
// ends.
func NewStopOnce(stop func(ctx context.Context) error) *StopOnce {
	s := &StopOnce{stop: stop, done: make(chan struct{})}
	s.hasten, s.hastenStop = context.WithCancel(context.Background())
	return s
}

// Stop stops, and waits for that.
func (s *StopOnce) Stop(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.hastenStop)()
	s.once.Do(func() {
		go func() {
			defer close(s.done)
			s.err = s.stop(s.hasten)
			s.hastenStop()
		}()
	})
	<-s.done
	return s.err
}
