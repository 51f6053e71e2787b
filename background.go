package taskhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// How long a request's tasks are tried to be stored, and the pause between tries.
const (
	backgroundPatience = 10 * time.Second
	backgroundPause    = 100 * time.Millisecond
)

var (
	errNoMiddleware = errors.New("taskhost: nobody would enqueue this task: wrap the HTTP handler in Host.Middleware, or call Host.Enqueue")
	errRequestOver  = errors.New("taskhost: the request is over, and its tasks are enqueued: call Host.Enqueue")
)

// BackgroundTasks gathers the tasks that are added during an HTTP request. It is safe
// for concurrent use.
type BackgroundTasks struct {
	host *Host // nil outside of a request

	mu   sync.Mutex
	rows []*riverstore.Row
	over bool
}

type backgroundKey struct{}

// Middleware lets handlers add tasks with [Background]. They are enqueued together,
// all or none, when next has returned, before its response goes out: a client that
// has read the answer knows that they are stored. Where they cannot be, it reads 503
// in its place.
//
// A response is held back up to 64 KiB. What is longer, and what is flushed or
// hijacked, goes out before: where the tasks cannot be stored then, the connection is
// broken off. Where next panics, nothing is enqueued.
func (h *Host) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tasks := &BackgroundTasks{host: h}
		held := holdResponse(w)
		defer tasks.end()
		next.ServeHTTP(held, r.WithContext(context.WithValue(r.Context(), backgroundKey{}, tasks)))
		// Also where the client has gone: it may have what it wanted.
		ctx := context.WithoutCancel(r.Context())
		if rows := tasks.end(); len(rows) > 0 {
			if err := h.storeBackground(ctx, rows); err != nil {
				h.config.Logger.ErrorContext(ctx, "the tasks of a request could not be stored", slog.Int("tasks", len(rows)), slog.Any("error", err))
				held.refuse()
				return
			}
		}
		held.release()
	})
}

// Background returns what gathers the tasks of the request whose context this is.
// Outside of [Host.Middleware], whatever is added to it is an error.
func Background(ctx context.Context) *BackgroundTasks {
	if tasks, ok := ctx.Value(backgroundKey{}).(*BackgroundTasks); ok {
		return tasks
	}
	return new(BackgroundTasks)
}

// Add checks a task and returns its id; it is stored when the request's handler has
// returned. It takes what [Host.Enqueue] does, and returns its errors.
//
// It is stored at once where it is eager, by the call's Eager or else by its
// definition's, and where it has an idempotency key or is to be unique: only what is
// stored tells the id then.
func (b *BackgroundTasks) Add(ctx context.Context, name string, args any, options EnqueueOptions) (task.ID, error) {
	request, err := newRequest(name, args, options)
	if err != nil {
		return task.ID{}, err
	}
	return b.AddRequest(ctx, request)
}

// AddRequest is [BackgroundTasks.Add] for arguments that are bytes already.
func (b *BackgroundTasks) AddRequest(ctx context.Context, request task.Request) (task.ID, error) {
	if b.host == nil {
		return task.ID{}, errNoMiddleware
	}
	if err := b.host.admit(ctx, &request); err != nil {
		return task.ID{}, err
	}
	row, err := b.host.store.Prepare(ctx, request, b.host.store)
	if err != nil {
		return task.ID{}, b.host.orStopped(err)
	}
	eager := row.Definition.Options.Eager
	if request.Eager != nil {
		eager = *request.Eager
	}
	if eager || row.IdempotencyKey != "" || row.UniqueKey != "" {
		ids, err := b.host.store.Insert(ctx, []*riverstore.Row{row})
		if err != nil {
			return task.ID{}, b.host.orStopped(err)
		}
		return ids[0], nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return task.ID{}, errRequestOver
	}
	b.rows = append(b.rows, row)
	return row.ID, nil
}

// Discard forgets the tasks that were added and are not stored: for a handler that
// found out that there is nothing to do.
func (b *BackgroundTasks) Discard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = nil
}

// end returns what was added, and lets nothing more be.
func (b *BackgroundTasks) end() []*riverstore.Row {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows := b.rows
	b.rows, b.over = nil, true
	return rows
}

// storeBackground stores rows. Each has its id, so that a try whose reply was lost can
// be repeated.
func (h *Host) storeBackground(ctx context.Context, rows []*riverstore.Row) error {
	ctx, cancel := context.WithTimeout(ctx, backgroundPatience)
	defer cancel()
	for {
		_, err := h.store.Insert(ctx, rows)
		if err == nil || !errors.Is(err, task.ErrUnavailable) {
			return h.orStopped(err)
		}
		select {
		case <-time.After(backgroundPause):
		case <-h.closing:
			return task.ErrStopped
		case <-ctx.Done():
			return fmt.Errorf("in %v: %w", backgroundPatience, err)
		}
	}
}

// Add adds a task of the function to those of the request whose context ctx is. See
// [BackgroundTasks.Add].
func (f *Function[In, Out]) Add(ctx context.Context, in In, options EnqueueOptions) (task.ID, error) {
	return Background(ctx).Add(ctx, f.name, in, options)
}
