package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestAwait(t *testing.T) {
	path := newPath(t)
	store, other := open(t, path), open(t, path)
	leave := make(chan struct{})
	serve(t, store, 1, func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		<-leave
		return task.Outcome{}
	}, task.Definition{Name: "a"})
	id := enqueue(t, store, task.Request{Name: "a"})
	require.ErrorIs(t, store.Await(t.Context(), task.ID{1}), task.ErrNotFound)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, store.Await(short, id), context.DeadlineExceeded)
	ended := make(chan error)
	for _, s := range []interface {
		Await(ctx context.Context, id task.ID) error
	}{store, other} {
		go func() { ended <- s.Await(t.Context(), id) }()
	}
	close(leave)
	require.NoError(t, errors.Join(<-ended, <-ended))
	require.NoError(t, store.Await(t.Context(), id), "it has ended already")

	// A close does not leave anybody waiting.
	waiting := enqueue(t, other, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	go func() { ended <- other.Await(t.Context(), waiting) }()
	require.NoError(t, other.Close())
	require.Error(t, <-ended)
}

func TestNodes(t *testing.T) {
	path := newPath(t)
	store, other := open(t, path), open(t, path)
	nodes, err := store.Nodes(t.Context())
	require.NoError(t, err)
	require.Empty(t, nodes)
	entered, leave := make(chan struct{}), make(chan struct{})
	serve(t, store, 3, func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		entered <- struct{}{}
		<-leave
		return task.Outcome{}
	}, task.Definition{Name: "a"})
	id := enqueue(t, store, task.Request{Name: "a"})
	<-entered
	for _, s := range []interface {
		Nodes(ctx context.Context) ([]task.Node, error)
	}{store, other} {
		nodes, err := s.Nodes(t.Context())
		require.NoError(t, err)
		require.Len(t, nodes, 1)
		require.True(t, nodes[0].Alive)
		require.WithinDuration(t, time.Now(), nodes[0].SeenAt, time.Second)
		require.Equal(t, map[task.Executor]int{task.Wasm: 3}, nodes[0].Slots)
		require.Equal(t, map[task.Executor]int{task.Wasm: 1}, nodes[0].Running)
		require.Empty(t, nodes[0].Functions)
	}
	leave <- struct{}{}
	await(t, store, id)
	require.NoError(t, store.Stop(t.Context()))
	nodes, err = other.Nodes(t.Context())
	require.NoError(t, err)
	require.Empty(t, nodes)

	// What a server leaves that was killed.
	db := callersDB(t, path)
	_, err = db.ExecContext(t.Context(), `INSERT INTO node (id, started_at, heartbeat_at, version, capacity) VALUES ('dead', 1, 2, 'v', '{"wasm":1}')`)
	require.NoError(t, err)
	nodes, err = other.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.False(t, nodes[0].Alive)
	require.Equal(t, time.UnixMicro(2).UTC(), nodes[0].SeenAt)
	waiting := enqueue(t, other, task.Request{Name: "a"})
	got, err := other.Task(t.Context(), waiting)
	require.NoError(t, err)
	require.Contains(t, got.WaitingReason, "no node is running")
	later := enqueue(t, other, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	got, err = other.Task(t.Context(), later)
	require.NoError(t, err)
	require.Empty(t, got.WaitingReason)
}

// Whoever asks for nodes holds the lock for a moment; a start tries again.
func TestNodesDoNotKeepOthersFromStarting(t *testing.T) {
	path := newPath(t)
	store, other := open(t, path), open(t, path)
	push(t, store, "m", task.Definition{Name: "a"})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = other.Nodes(context.Background())
			}
		}
	}()
	for i := range 20 {
		start(t, store, 1, echo)
		require.NoError(t, store.Stop(t.Context()), fmt.Sprint(i))
	}
	close(stop)
	<-stopped
}
