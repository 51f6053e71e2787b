package taskhost

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

// Enqueue stores a task of the definition with that name, and returns its id
// once it is durable. Called with the context of a Go function's task, it makes that
// the new one's parent. args are encoded as JSON; nil stands for none. Where ctx
// ends first, the task may or may not have been stored: repeat the call with an
// idempotency key to find out.
//
// It returns a *task.UnknownNameError, *task.ArgumentError or
// *task.InvalidError where the request is at fault; nothing is stored then.
func (h *Host) Enqueue(ctx context.Context, name string, args any, options EnqueueOptions) (task.ID, error) {
	request, err := newRequest(name, args, options)
	if err != nil {
		return task.ID{}, err
	}
	return h.EnqueueRequest(ctx, request)
}

// EnqueueRequest is [Host.Enqueue] for arguments that are bytes already.
func (h *Host) EnqueueRequest(ctx context.Context, request task.Request) (task.ID, error) {
	stored, err := h.Submit(ctx, request)
	return stored.ID, err
}

// Submit is [Host.EnqueueRequest], and says whether the task was there already: for
// its idempotency key, or as the one that its Unique allows.
func (h *Host) Submit(ctx context.Context, request task.Request) (task.Enqueued, error) {
	if err := h.admit(ctx, &request); err != nil {
		return task.Enqueued{}, err
	}
	return h.store.Submit(ctx, request)
}

// admit readies the host for a request that it takes.
func (h *Host) admit(ctx context.Context, request *task.Request) error {
	ofParent(ctx, request)
	if err := h.checkTimeout(request); err != nil {
		return err
	}
	return h.ready(ctx)
}

// checkTimeout refuses a timeout above the ceiling of this host. What is above that
// of every host is the store's to refuse.
func (h *Host) checkTimeout(request *task.Request) error {
	if most := h.config.Limits.Timeout; request.Timeout > most && request.Timeout <= task.MaxTimeout {
		return &task.InvalidError{
			Field:   "timeout",
			Problem: fmt.Sprintf("is %v, and this host allows at most %v: ask for less, or raise the host's ceiling limits.timeout", request.Timeout, most),
		}
	}
	return nil
}

// ofParent names the task whose Go function enqueues another.
func ofParent(ctx context.Context, request *task.Request) {
	if parent, ok := Current(ctx); ok && request.Source == "" {
		request.Source, request.Parent = task.Child, parent.ID
	}
}

// EnqueueMany stores all requests in one transaction, or none, and returns their ids
// in order.
func (h *Host) EnqueueMany(ctx context.Context, requests []task.Request) ([]task.ID, error) {
	stored, err := h.SubmitMany(ctx, requests)
	if err != nil {
		return nil, err
	}
	ids := make([]task.ID, len(stored))
	for i, one := range stored {
		ids[i] = one.ID
	}
	return ids, nil
}

// SubmitMany is [Host.EnqueueMany], and says of each whether it was there already.
func (h *Host) SubmitMany(ctx context.Context, requests []task.Request) ([]task.Enqueued, error) {
	requests = slices.Clone(requests)
	for i := range requests {
		ofParent(ctx, &requests[i])
		if err := h.checkTimeout(&requests[i]); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
	}
	if err := h.ready(ctx); err != nil {
		return nil, err
	}
	return h.store.SubmitMany(ctx, requests)
}

// EnqueueTx is [Host.Enqueue] in a transaction of the caller's, on the Postgres
// database that the host uses: the task is there once that is committed, and never
// was where it is rolled back. Other callers that use the same idempotency key
// wait for the transaction.
func (h *Host) EnqueueTx(ctx context.Context, tx pgx.Tx, name string, args any, options EnqueueOptions) (task.ID, error) {
	request, err := newRequest(name, args, options)
	if err != nil {
		return task.ID{}, err
	}
	if err := h.admit(ctx, &request); err != nil {
		return task.ID{}, err
	}
	if store, ok := h.store.(*pgstore.Store); ok {
		return store.EnqueueTx(ctx, tx, request)
	}
	return task.ID{}, errors.New("taskhost: the host keeps tasks in SQLite: use EnqueueSQLTx, with a transaction on the same file")
}

// EnqueueSQLTx is [Host.EnqueueTx] for a transaction of database/sql: on the same
// Postgres database, or on the same SQLite file, with any driver.
func (h *Host) EnqueueSQLTx(ctx context.Context, tx *sql.Tx, name string, args any, options EnqueueOptions) (task.ID, error) {
	request, err := newRequest(name, args, options)
	if err != nil {
		return task.ID{}, err
	}
	if err := h.admit(ctx, &request); err != nil {
		return task.ID{}, err
	}
	switch store := h.store.(type) {
	case *pgstore.Store:
		return store.EnqueueSQLTx(ctx, tx, request)
	case *sqlitestore.Store:
		return store.EnqueueTx(ctx, tx, request)
	default:
		return task.ID{}, errors.ErrUnsupported
	}
}

// EnqueueTx stores a task of the function in a transaction of the caller's. See
// [Host.EnqueueTx].
func (f *Function[In, Out]) EnqueueTx(ctx context.Context, tx pgx.Tx, in In, options EnqueueOptions) (task.ID, error) {
	return f.host.EnqueueTx(ctx, tx, f.name, in, options)
}

// EnqueueSQLTx stores a task of the function in a transaction of the caller's. See
// [Host.EnqueueSQLTx].
func (f *Function[In, Out]) EnqueueSQLTx(ctx context.Context, tx *sql.Tx, in In, options EnqueueOptions) (task.ID, error) {
	return f.host.EnqueueSQLTx(ctx, tx, f.name, in, options)
}

// newRequest makes a request of arguments of any type, which are encoded as JSON;
// nil stands for none.
func newRequest(name string, args any, options EnqueueOptions) (task.Request, error) {
	request := task.Request{Name: name, EnqueueOptions: options}
	if args == nil {
		return request, nil
	}
	encoded, err := json.Marshal(args)
	if err != nil {
		return request, &task.ArgumentError{Name: name, Problems: []task.ArgumentProblem{{Problem: "cannot be encoded as JSON: " + err.Error()}}}
	}
	request.Args = encoded
	return request, nil
}
