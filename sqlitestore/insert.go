package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// insertBytes bounds the arguments of a statement that writes many tasks, which
// the driver copies.
const insertBytes = 4 << 20

const (
	insertTaskHead = `
INSERT INTO task (
    id, name, executor, status, priority,
    module, module_version, module_digest, definition_index,
    args, args_type, tags, source, parent, idempotency_key, unique_key,
    created_at, run_at, due_at, expires_at,
    max_attempts, retry_delay, retry_backoff, retry_max_delay, retry_jitter,
    timeout, memory, requeue_on_interrupt, ticket, limits, key_id
) VALUES `
	insertTaskRow = "(?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	// A call whose reply was lost may be repeated.
	insertTaskTail = " ON CONFLICT (id) DO NOTHING"

	insertTaskSQL = insertTaskHead + insertTaskRow + insertTaskTail
)

var insertTasksSQL = repeatRow(insertTaskHead, insertTaskRow) + insertTaskTail

// newTask is a row on its way into the table.
type newTask struct {
	*riverstore.Row

	tags    string
	limits  string
	created time.Time
	due     time.Time
	ticket  int64
}

// Insert implements [riverstore.Inserter].
func (s *Store) Insert(ctx context.Context, rows []*riverstore.Row) ([]task.ID, error) {
	var ids []task.ID
	var queues map[string]bool
	err := s.inTx(ctx, func(w *session) (err error) {
		ids, queues, err = w.insert(ctx, rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("insert tasks: %w", err)
	}
	s.wake(queues)
	return ids, nil
}

// insert stores tasks with their tickets. It returns the id of each, or of the
// earlier task that has its key, and the queues that got tickets.
func (w *session) insert(ctx context.Context, rows []*riverstore.Row) ([]task.ID, map[string]bool, error) {
	// Taken under the writer's lock: who had to wait for it is younger.
	at := now()
	ids := make([]task.ID, len(rows))
	keys, uniques := make(map[key]*held), make(map[string]task.ID)
	fresh := make([]*newTask, 0, len(rows))
	for i, row := range rows {
		id, err := w.claimKey(ctx, row, at, keys)
		if err != nil {
			return nil, nil, err
		}
		known := id != row.ID
		if !known {
			if id, known, err = w.claimUnique(ctx, row, keys, uniques); err != nil {
				return nil, nil, err
			}
		}
		if ids[i] = id; known {
			continue
		}
		// Each has a moment of its own, so that one that is given back finds its
		// place among the others. Storing a row takes longer than a microsecond:
		// none is made that is not due yet.
		t := &newTask{Row: row, created: at.Add(time.Duration(len(fresh)) * time.Microsecond)}
		t.due = t.created.Add(row.Delay)
		if row.RunAt.After(t.due) {
			t.due = row.RunAt
		}
		tags, err := json.Marshal(row.Tags)
		if err != nil {
			return nil, nil, err
		}
		t.tags = string(tags)
		if t.limits, err = riverstore.EncodeLimits(&row.Definition.Options); err != nil {
			return nil, nil, err
		}
		fresh = append(fresh, t)
	}
	if len(fresh) == 0 {
		return ids, nil, nil
	}
	if err := w.haveVersions(ctx, fresh); err != nil {
		return nil, nil, err
	}
	store := w.insertTasks
	if len(fresh) == 1 {
		store = w.insertTask
	}
	if err := store(ctx, fresh); err != nil {
		return nil, nil, err
	}
	queues := make(map[string]bool)
	for _, t := range fresh {
		queues[riverstore.Queue(t.Definition.Executor)] = true
	}
	return ids, queues, nil
}

// haveVersions checks that the versions of modules that tasks are to run are there:
// what is remembered of a definition may be older than their collection.
func (w *session) haveVersions(ctx context.Context, tasks []*newTask) error {
	known := make(map[task.ModuleRef]bool)
	for _, t := range tasks {
		ref := t.Definition.Module
		if ref == nil || known[*ref] {
			continue
		}
		known[*ref] = true
		var there bool
		if err := w.scanRow(ctx, hasVersionSQL, []any{ref.Name, ref.Version}, &there); err != nil {
			return err
		}
		if !there {
			return riverstore.ErrModuleGone
		}
	}
	return nil
}

// insertTask writes one task. The ticket comes first and numbers itself, which
// saves the look for a number.
func (w *session) insertTask(ctx context.Context, tasks []*newTask) error {
	t := tasks[0]
	result, err := w.ExecContext(ctx, insertTicketSQL, t.newTicket().appendTo(nil)...)
	if err != nil {
		return err
	}
	if t.ticket, err = result.LastInsertId(); err != nil {
		return err
	}
	if result, err = w.ExecContext(ctx, insertTaskSQL, t.appendTo(nil)...); err != nil {
		return err
	}
	stored, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if stored == 1 {
		return w.insertTags(ctx, t)
	}
	_, err = w.ExecContext(ctx, dropTicketSQL, t.ticket)
	return err
}

// insertTasks writes tasks, and tickets for those that were not there.
func (w *session) insertTasks(ctx context.Context, tasks []*newTask) error {
	next, err := w.nextTicket(ctx)
	if err != nil {
		return err
	}
	for i, t := range tasks {
		t.ticket = next + int64(i)
	}
	var stored int64
	write := func(text string) func([]*newTask) error {
		return func(tasks []*newTask) error {
			args := make([]any, 0, 30*len(tasks))
			for _, t := range tasks {
				args = t.appendTo(args)
			}
			result, err := w.ExecContext(ctx, text, args...)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			stored += n
			return err
		}
	}
	one, many := write(insertTaskSQL), write(insertTasksSQL)
	err = inChunks(tasks, func(tasks []*newTask) error {
		if argsBytes(tasks) <= insertBytes {
			return many(tasks)
		}
		for i := range tasks {
			if err := one(tasks[i : i+1]); err != nil {
				return err
			}
		}
		return nil
	}, one)
	if err != nil {
		return err
	}
	if stored < int64(len(tasks)) {
		if tasks, err = w.onlyStored(ctx, tasks); err != nil {
			return err
		}
	}
	tickets := make([]ticket, len(tasks))
	for i, t := range tasks {
		tickets[i] = t.newTicket()
		if err := w.insertTags(ctx, t); err != nil {
			return err
		}
	}
	return w.insertTickets(ctx, tickets)
}

// onlyStored returns the tasks that this transaction has stored: the others were
// there, with other tickets or none.
func (w *session) onlyStored(ctx context.Context, tasks []*newTask) ([]*newTask, error) {
	var out []*newTask
	for _, t := range tasks {
		var stored sql.NullInt64
		if err := w.scanRow(ctx, "SELECT ticket FROM task WHERE id = ?", []any{t.ID[:]}, &stored); err != nil {
			return nil, err
		}
		if stored.Int64 == t.ticket {
			out = append(out, t)
		}
	}
	return out, nil
}

const insertTagSQL = "INSERT INTO task_tag (key, value, task_id) VALUES (?, ?, ?)"

// insertTags makes a task be found by its tags.
func (w *session) insertTags(ctx context.Context, t *newTask) error {
	for key, value := range t.Tags {
		if _, err := w.ExecContext(ctx, insertTagSQL, key, value, t.ID[:]); err != nil {
			return err
		}
	}
	return nil
}

func (t *newTask) newTicket() ticket {
	return ticket{t.ticket, t.ID, t.Definition.Executor, t.Definition.Name, t.Priority, t.due}
}

func argsBytes(tasks []*newTask) (n int) {
	for _, t := range tasks {
		n += len(t.Args)
	}
	return n
}

// appendTo appends what fills insertTaskRow.
func (t *newTask) appendTo(values []any) []any {
	def, options := t.Definition, &t.Definition.Options
	var module, version, digest any
	if def.Module != nil {
		module, version, digest = def.Module.Name, def.Module.Version, def.Module.Digest
	}
	args := t.Args
	if args == nil {
		args = []byte{} // the column takes no NULL
	}
	var parent, expires any
	if !t.Parent.IsZero() {
		parent = t.Parent[:]
	}
	if t.ExpiresAfter > 0 {
		expires = micros(t.due.Add(t.ExpiresAfter))
	}
	return append(values,
		t.ID[:], def.Name, string(def.Executor), t.Priority,
		module, version, digest, def.Index,
		args, t.ArgsType, t.tags, string(t.Source), parent, nullable(t.IdempotencyKey), nullable(t.UniqueKey),
		micros(t.created), micros(t.due), micros(t.due), expires,
		options.Retries+1, options.Delay.Microseconds(), options.Backoff, options.MaxDelay.Microseconds(), options.Jitter,
		t.Timeout.Microseconds(), options.Memory, options.RequeueOnInterrupt, t.ticket, nullable(t.limits), nullable(t.KeyID),
	)
}
