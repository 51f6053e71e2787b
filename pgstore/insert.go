package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// Bounds of one statement that inserts.
const (
	insertRows  = 5000
	insertBytes = 8 << 20
)

// One statement inserts tasks with their tickets and wakes the queues. Tickets are
// numbered as the rows are read, in their order, so that those that are due at the
// same time start in that order. What the rows of a definition have in common is
// passed once. The wide rows go straight into the table, and what the tickets need of
// them comes back from there. A version of a module stays locked until the tasks can
// be seen that have it, so that it is not collected; one that was has no digest here,
// which the table refuses.
const (
	insertHead = `
WITH definition AS MATERIALIZED (
    SELECT d.*, CASE WHEN module IS NOT NULL THEN (
        SELECT v.digest FROM {schema}.module_version v
        WHERE v.module = d.module AND v.version = d.module_version AND v.retired_at IS NULL
        FOR KEY SHARE
    ) END AS module_digest
    FROM json_to_recordset($1::json) AS d (
        def integer, name text, executor text,
        module text, module_version integer, definition_index integer,
        max_attempts integer, retry_delay bigint, retry_backoff float8, retry_max_delay bigint, retry_jitter float8,
        memory bigint, limits text, requeue boolean)
), inserted AS (
    INSERT INTO {schema}.task (
        id, name, executor, status, priority, ticket,
        module, module_version, module_digest, definition_index,
        args, args_type, key_id, tags, source, parent, idempotency_key, unique_key,
        created_at, run_at, due_at, expires_at,
        max_attempts, retry_delay, retry_backoff, retry_max_delay, retry_jitter,
        timeout, memory, limits, requeue_on_interrupt)
    SELECT id, name, executor, 'pending', priority, ticket,
        module, module_version, module_digest, definition_index,
        args, args_type, key_id, tags::jsonb, source, parent, key, unique_key,
        now(), due, due, due + expires_after * interval '1 microsecond',
        max_attempts, retry_delay, retry_backoff, retry_max_delay, retry_jitter,
        timeout, memory, limits, requeue
    FROM (
        SELECT r.*, nextval('{schema}.river_job_id_seq') AS ticket,
            greatest(now() + r.delay * interval '1 microsecond', r.run_at) AS due
        FROM `

	insertFromArrays = `unnest($2::uuid[], $3::integer[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::smallint[], $10::bigint[], $11::bigint[], $12::timestamptz[], $13::text[], $14::bigint[], $15::uuid[], $16::text[])
            AS r (id, def, args, args_type, tags, source, key, priority, timeout, delay, run_at, key_id, expires_after, parent, unique_key)`

	// For transactions of database/sql, whose drivers know no arrays.
	insertFromJSON = `(
            SELECT id, def, decode(args, 'base64') AS args, args_type, tags, source, key, priority, timeout, delay, run_at, key_id, expires_after, parent, unique_key
            FROM json_to_recordset($2::json) AS j (id uuid, def integer, args text, args_type text, tags text, source text, key text,
                priority smallint, timeout bigint, delay bigint, run_at timestamptz, key_id text, expires_after bigint, parent uuid, unique_key text)
        ) r`

	// For rows of which some are to be unique: in one order everywhere, so that two
	// transactions cannot wait for each other. The tickets are numbered before.
	insertInOrder = `
    ) given JOIN definition USING (def)
    ORDER BY unique_key
    ON CONFLICT DO NOTHING`

	insertAsGiven = `
    ) given JOIN definition USING (def)
    ON CONFLICT (id) DO NOTHING`

	insertTags = `
    RETURNING id, ticket, priority, executor, name, source, due_at, tags
), tag AS (
    INSERT INTO {schema}.task_tag (key, value, task_id)
    SELECT t.key, t.value, inserted.id FROM inserted, jsonb_each_text(inserted.tags) t`

	insertNoTags = `
    RETURNING id, ticket, priority, executor, name, source, due_at`

	insertTail = `
){event}, event AS (
    INSERT INTO {schema}.event (task_id, status, name, source, attempt)
    SELECT id, 'pending', name, source, 0 FROM inserted
){/event}, ticket AS (
    INSERT INTO {schema}.river_job (id, args, kind, queue, priority, scheduled_at)
    SELECT ticket, jsonb_build_object('task_id', id), ` + kindOf + `, executor, 11 - priority, due_at
    FROM inserted
    RETURNING queue, scheduled_at
)
SELECT pg_notify('{schema}.river_insert', json_build_object('queue', queue)::text)
FROM (SELECT DISTINCT queue FROM ticket WHERE scheduled_at <= now()) woken`

	// kindOf is riverstore.Kind, of the columns of a task.
	kindOf = "CASE executor WHEN 'wasm' THEN 'wasm' ELSE 'go:' || name END"
)

// Insert implements [riverstore.Database].
func (s *Store) Insert(ctx context.Context, rows []*riverstore.Row) ([]task.ID, error) {
	var ids []task.ID
	var err error
	if statementSize(rows) == len(rows) && !slices.ContainsFunc(rows, hasAnyKey) {
		// One statement is a transaction by itself, in one trip to the server.
		ids, err = s.insert(ctx, pgxTx{s.pool}, rows)
	} else {
		err = retryDeadlock(func() error {
			return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
				var err error
				ids, err = s.insert(ctx, pgxTx{tx}, rows)
				return err
			})
		})
	}
	if err = withCause(err); err != nil {
		return nil, fmt.Errorf("insert tasks: %w", err)
	}
	return ids, nil
}

// insert stores rows in a transaction, and returns the id of each: its own, or that
// of the earlier task that holds its key.
func (s *Store) insert(ctx context.Context, tx transaction, rows []*riverstore.Row) ([]task.ID, error) {
	ids, fresh, err := s.claimKeys(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(fresh, isUnique) {
		return ids, s.insertUnique(ctx, tx, fresh, ids)
	}
	return ids, s.insertRows(ctx, tx, fresh)
}

func (s *Store) insertRows(ctx context.Context, tx transaction, rows []*riverstore.Row) error {
	for len(rows) > 0 {
		n := statementSize(rows)
		batch, err := newBatch(rows[:n])
		if err != nil {
			return err
		}
		if err := tx.insert(ctx, &s.sql, batch); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// statementSize is how many of the rows go into one statement.
func statementSize(rows []*riverstore.Row) (n int) {
	size := 0
	for n < min(len(rows), insertRows) && (n == 0 || size+len(rows[n].Args) <= insertBytes) {
		size += len(rows[n].Args)
		n++
	}
	return n
}

func hasAnyKey(row *riverstore.Row) bool { return row.IdempotencyKey != "" || row.UniqueKey != "" }

// batch are rows as the statement takes them.
type batch struct {
	definitions []byte
	tagged      bool // some have tags
	unique      bool // some are to be unique
	rows        []batchRow
}

type batchRow struct {
	ID       task.ID    `json:"id"`
	Def      int32      `json:"def"`
	Args     []byte     `json:"args"`
	ArgsType string     `json:"args_type"`
	Tags     string     `json:"tags"`
	Source   string     `json:"source"`
	Key      *string    `json:"key"`
	Priority int16      `json:"priority"`
	Timeout  int64      `json:"timeout"`
	Delay    int64      `json:"delay"`
	RunAt    *time.Time `json:"run_at"`
	KeyID    *string    `json:"key_id"`
	Expires  *int64     `json:"expires_after"`
	Parent   *task.ID   `json:"parent"`
	Unique   *string    `json:"unique_key"`
}

type batchDefinition struct {
	Def           int     `json:"def"`
	Name          string  `json:"name"`
	Executor      string  `json:"executor"`
	Module        *string `json:"module"`
	ModuleVersion *int    `json:"module_version"`
	Index         int     `json:"definition_index"`
	MaxAttempts   int     `json:"max_attempts"`
	RetryDelay    int64   `json:"retry_delay"`
	RetryBackoff  float64 `json:"retry_backoff"`
	RetryMaxDelay int64   `json:"retry_max_delay"`
	RetryJitter   float64 `json:"retry_jitter"`
	Memory        int64   `json:"memory"`
	Limits        *string `json:"limits"`
	Requeue       bool    `json:"requeue"`
}

func newBatch(rows []*riverstore.Row) (*batch, error) {
	b := &batch{rows: make([]batchRow, len(rows))}
	known := make(map[*task.Definition]int32)
	var definitions []batchDefinition
	for i, row := range rows {
		def, ok := known[row.Definition]
		if !ok {
			def = int32(len(definitions)) //nolint:gosec // there are at most insertRows of them
			known[row.Definition] = def
			described, err := describe(len(definitions), row.Definition)
			if err != nil {
				return nil, err
			}
			definitions = append(definitions, described)
		}
		tags, err := encodeTags(row.Tags)
		if err != nil {
			return nil, err
		}
		b.tagged = b.tagged || len(row.Tags) > 0
		r := batchRow{
			ID: row.ID, Def: def, Args: row.Args, ArgsType: row.ArgsType, Tags: tags, Source: string(row.Source),
			Key: nullable(row.IdempotencyKey), Priority: int16(row.Priority), //nolint:gosec // from 1 to 10
			Timeout: row.Timeout.Microseconds(), Delay: row.Delay.Microseconds(),
			KeyID: nullable(row.KeyID), Unique: nullable(row.UniqueKey),
		}
		b.unique = b.unique || isUnique(row)
		if row.ExpiresAfter > 0 {
			r.Expires = new(row.ExpiresAfter.Microseconds())
		}
		if !row.Parent.IsZero() {
			r.Parent = &row.Parent
		}
		if r.Args == nil {
			r.Args = []byte{}
		}
		if !row.RunAt.IsZero() {
			r.RunAt = &row.RunAt
		}
		b.rows[i] = r
	}
	var err error
	b.definitions, err = json.Marshal(definitions)
	return b, err
}

func encodeTags(tags map[string]string) (string, error) {
	if len(tags) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(tags)
	return string(text), err
}

func describe(n int, def *task.Definition) (batchDefinition, error) {
	options := &def.Options
	limits, err := riverstore.EncodeLimits(options)
	d := batchDefinition{
		Def: n, Name: def.Name, Executor: string(def.Executor), Index: def.Index,
		MaxAttempts: options.Retries + 1, RetryDelay: options.Delay.Microseconds(),
		RetryBackoff: options.Backoff, RetryMaxDelay: options.MaxDelay.Microseconds(), RetryJitter: options.Jitter,
		Memory: options.Memory, Limits: nullable(limits), Requeue: options.RequeueOnInterrupt,
	}
	if m := def.Module; m != nil {
		d.Module, d.ModuleVersion = &m.Name, &m.Version
	}
	return d, err
}
