package riverstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// fakeEnder knows which tasks have ended.
type fakeEnder struct {
	ended sync.Map
	asked atomic.Int64
	err   error
}

func (e *fakeEnder) Ended(_ context.Context, ids []task.ID) (ended []task.ID, err error) {
	e.asked.Add(1)
	for _, id := range ids {
		if _, ok := e.ended.Load(id); ok {
			ended = append(ended, id)
		}
	}
	return ended, e.err
}

func TestAwaitWhatHasEnded(t *testing.T) {
	db := new(fakeEnder)
	db.ended.Store(task.ID{1}, true)
	require.NoError(t, NewWaiters(db).Await(t.Context(), task.ID{1}))
	require.Equal(t, int64(1), db.asked.Load())
}

func TestAwaitIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := new(fakeEnder)
		w := NewWaiters(db)
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() { require.NoError(t, w.Await(t.Context(), task.ID{1})) })
		}
		synctest.Wait()
		w.Tell([]task.ID{{2}, {1}})
		waiting.Wait()
		require.Equal(t, int64(3), db.asked.Load(), "nobody had to look")
		waitFor(t.Context(), 10*awaitInterval)
		require.Equal(t, int64(3), db.asked.Load(), "and nobody looks when nobody waits")
		require.Empty(t, w.waiting)
	})
}

// TestAwaitLooks: another process ends the task. However many wait, one asks.
func TestAwaitLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := new(fakeEnder)
		w := NewWaiters(db)
		var waiting sync.WaitGroup
		for n := range byte(50) {
			waiting.Go(func() { require.NoError(t, w.Await(t.Context(), task.ID{n})) })
		}
		synctest.Wait()
		db.asked.Store(0)
		waitFor(t.Context(), 4*awaitInterval+time.Millisecond)
		require.Equal(t, int64(4), db.asked.Load())
		for n := range byte(50) {
			db.ended.Store(task.ID{n}, true)
		}
		waiting.Wait()
		waitFor(t.Context(), 2*awaitInterval) // the look ends
	})
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWaiters(new(fakeEnder))
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, cause)
		defer cancel()
		require.ErrorIs(t, w.Await(ctx, task.ID{1}), cause)
		require.ErrorIs(t, NewWaiters(&fakeEnder{err: errDown}).Await(t.Context(), task.ID{1}), errDown)
		require.Empty(t, w.waiting)
		waitFor(t.Context(), 2*awaitInterval)
	})
}
