package riverstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/taskhost/taskhost/task"
)

const (
	// enqueueBatch bounds how many single calls share a transaction.
	enqueueBatch = 200
	// insertTimeout bounds a shared transaction, which belongs to no caller.
	insertTimeout = 30 * time.Second
)

// Enqueuer checks requests and inserts them. Single requests of concurrent
// callers share transactions.
type Enqueuer struct {
	db          Inserter
	definitions *definitions
	group       *group[*insertion]
	keysApart   bool
	vault       *Vault
}

// EnqueuerConfig says how an [Enqueuer] works.
type EnqueuerConfig struct {
	// KeysApart keeps rows with an idempotency key out of shared transactions:
	// for a database in which a key may have to wait for another's transaction,
	// which the neighbours should not.
	KeysApart bool
	// Vault seals arguments. It may be nil.
	Vault *Vault
}

// insertion is one caller's wait for a shared transaction.
type insertion struct {
	row  *Row
	id   task.ID
	done chan error
}

// NewEnqueuer returns an Enqueuer for db. It starts nothing.
func NewEnqueuer(db Inserter, config EnqueuerConfig) *Enqueuer {
	e := &Enqueuer{db: db, definitions: newDefinitions(), keysApart: config.KeysApart, vault: config.Vault}
	e.group = newGroup(enqueueBatch, e.flush)
	return e
}

// Forget drops what is remembered of definitions, after they have changed.
func (e *Enqueuer) Forget() { e.definitions.forget() }

// Enqueue stores one request and returns its id, once it is durable. Where ctx
// ends first, the task may or may not have been stored: repeat the call with
// an idempotency key to find out.
func (e *Enqueuer) Enqueue(ctx context.Context, request task.Request) (task.ID, error) {
	stored, err := e.Submit(ctx, request)
	return stored.ID, err
}

// Submit is [Enqueuer.Enqueue], and says whether the task was there already.
func (e *Enqueuer) Submit(ctx context.Context, request task.Request) (task.Enqueued, error) {
	return current(e, func() (task.Enqueued, error) { return e.submit(ctx, request) })
}

func (e *Enqueuer) submit(ctx context.Context, request task.Request) (task.Enqueued, error) {
	row, err := e.Prepare(ctx, request, e.db)
	if err != nil {
		return task.Enqueued{}, err
	}
	if e.keysApart && (row.IdempotencyKey != "" || row.UniqueKey != "") {
		ids, err := e.db.Insert(ctx, []*Row{row})
		if err != nil {
			return task.Enqueued{}, err
		}
		return row.enqueued(ids[0]), nil
	}
	call := &insertion{row: row, done: make(chan error, 1)}
	e.group.add(call)
	select {
	case err := <-call.done:
		if err != nil {
			return task.Enqueued{}, err
		}
		return row.enqueued(call.id), nil
	case <-ctx.Done():
		return task.Enqueued{}, fmt.Errorf("enqueue %s: %w", request.Name, context.Cause(ctx))
	}
}

// enqueued says what became of a row under whose request id is the task.
func (r *Row) enqueued(id task.ID) task.Enqueued {
	return task.Enqueued{ID: id, Duplicate: id != r.ID}
}

// EnqueueMany stores all requests in one transaction, or none.
func (e *Enqueuer) EnqueueMany(ctx context.Context, requests []task.Request) ([]task.ID, error) {
	_, ids, err := e.insertMany(ctx, requests)
	return ids, err
}

// SubmitMany is [Enqueuer.EnqueueMany], and says of each whether the task was there
// already.
func (e *Enqueuer) SubmitMany(ctx context.Context, requests []task.Request) ([]task.Enqueued, error) {
	rows, ids, err := e.insertMany(ctx, requests)
	if err != nil {
		return nil, err
	}
	stored := make([]task.Enqueued, len(ids))
	for i, id := range ids {
		stored[i] = rows[i].enqueued(id)
	}
	return stored, nil
}

func (e *Enqueuer) insertMany(ctx context.Context, requests []task.Request) ([]*Row, []task.ID, error) {
	var rows []*Row
	ids, err := current(e, func() (ids []task.ID, err error) {
		rows, ids, err = e.insertAll(ctx, requests)
		return ids, err
	})
	return rows, ids, err
}

func (e *Enqueuer) insertAll(ctx context.Context, requests []task.Request) ([]*Row, []task.ID, error) {
	rows := make([]*Row, len(requests))
	for i, request := range requests {
		row, err := e.Prepare(ctx, request, e.db)
		if err != nil {
			return nil, nil, fmt.Errorf("request %d: %w", i, err)
		}
		rows[i] = row
	}
	ids, err := e.db.Insert(ctx, rows)
	return rows, ids, err
}

// Wait returns when no shared transaction is under way, or when ctx ends.
func (e *Enqueuer) Wait(ctx context.Context) error { return e.group.wait(ctx) }

func (e *Enqueuer) flush(batch []*insertion) {
	ctx, cancel := context.WithTimeout(context.Background(), insertTimeout)
	defer cancel()
	rows := make([]*Row, len(batch))
	for i, call := range batch {
		rows[i] = call.row
	}
	ids, err := e.db.Insert(ctx, rows)
	if err != nil && len(batch) > 1 && !errors.Is(err, task.ErrUnavailable) {
		// One bad row must not fail its neighbours.
		for i := range batch {
			e.flush(batch[i : i+1])
		}
		return
	}
	for i, call := range batch {
		if err == nil {
			call.id = ids[i]
		}
		call.done <- err
	}
}

// Prepare checks a request against its definition, which is read from db where
// it is not known, and gives it an id.
func (e *Enqueuer) Prepare(ctx context.Context, request task.Request, db Definitions) (*Row, error) {
	if err := request.Validate(); err != nil {
		return nil, err
	}
	def, err := e.definitions.version(ctx, db, request.Name, request.Version)
	if err != nil {
		return nil, err
	}
	if err := def.checkArgsSize(request.Args); err != nil {
		return nil, err
	}
	args, argsType, err := def.checkArgs(request.Args, request.ArgsType)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make a task id: %w", err)
	}
	row := &Row{
		ID:             task.ID(id),
		Definition:     def.Definition,
		Args:           args,
		ArgsType:       argsType,
		Tags:           request.Tags,
		Source:         cmp.Or(request.Source, task.Manual),
		Parent:         request.Parent,
		IdempotencyKey: request.IdempotencyKey,
		IdempotencyTTL: cmp.Or(request.IdempotencyTTL, def.Options.IdempotencyTTL),
		Priority:       cmp.Or(request.Priority, def.Options.Priority),
		Timeout:        cmp.Or(request.Timeout, def.Options.Timeout),
		ExpiresAfter:   cmp.Or(request.ExpiresAfter, def.Options.ExpiresAfter),
		Delay:          request.Delay,
		RunAt:          request.RunAt,
	}
	row.UniqueKey = e.vault.uniqueKey(cmp.Or(request.Unique, def.Options.Unique), def.Name, args, argsType)
	e.vault.sealRow(row)
	return row, nil
}

// contentJSON is the type of arguments that name none.
const contentJSON = "application/json"

// checkArgs returns the arguments to store, or says what is wrong with them.
func (d *definition) checkArgs(args []byte, argsType string) ([]byte, string, error) {
	if argsType == "" {
		argsType = contentJSON
	}
	if argsType != contentJSON {
		if d.schema != nil {
			return nil, "", d.argumentError(fmt.Sprintf("are %s, but the task takes %s", argsType, contentJSON))
		}
		return args, argsType, nil
	}
	if len(args) == 0 && d.schema != nil {
		args = []byte("{}")
		if problems := d.schema.Check(args); len(problems) > 0 {
			problems[0].Problem = "there are none, which stands for {}: " + problems[0].Problem
			return nil, "", &task.ArgumentError{Name: d.Name, Problems: problems}
		}
		return args, argsType, nil
	}
	if len(args) == 0 {
		return args, argsType, nil
	}
	if !json.Valid(args) {
		return nil, "", d.argumentError("are not valid JSON")
	}
	if d.schema == nil {
		return args, argsType, nil
	}
	if problems := d.schema.Check(args); len(problems) > 0 {
		return nil, "", &task.ArgumentError{Name: d.Name, Problems: problems}
	}
	return args, argsType, nil
}

func (d *definition) argumentError(problem string) error {
	return &task.ArgumentError{Name: d.Name, Problems: []task.ArgumentProblem{{Problem: problem}}}
}

// unknownName turns a missing definition into an error that suggests others.
func unknownName(ctx context.Context, db Definitions, name string, err error) error {
	if !errors.Is(err, task.ErrNotFound) {
		return err
	}
	names, listErr := db.DefinitionNames(ctx)
	if listErr != nil {
		return listErr
	}
	return &task.UnknownNameError{Name: name, Near: near(name, names)}
}
