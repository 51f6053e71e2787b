package pgstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// transaction is one of pgx or of database/sql.
type transaction interface {
	// query scans rows by calling scan for each.
	query(ctx context.Context, text string, args []any, scan func(row scanner) error) error
	exec(ctx context.Context, text string, args ...any) error
	insert(ctx context.Context, statements *statements, b *batch) error
}

type scanner interface{ Scan(dest ...any) error }

// EnqueueTx stores one request in the caller's transaction: the task is there once
// that is committed, and never was where it is rolled back. It returns what
// [Store.Enqueue] does.
//
// An idempotency key makes other callers that use it wait for the transaction.
func (s *Store) EnqueueTx(ctx context.Context, tx pgx.Tx, request task.Request) (task.ID, error) {
	ids, err := s.enqueueIn(ctx, pgxTx{tx}, request)
	if err != nil {
		return task.ID{}, err
	}
	return ids[0], nil
}

// EnqueueManyTx is [Store.EnqueueTx] for many requests: all of them, or none.
func (s *Store) EnqueueManyTx(ctx context.Context, tx pgx.Tx, requests []task.Request) ([]task.ID, error) {
	return s.enqueueIn(ctx, pgxTx{tx}, requests...)
}

// EnqueueSQLTx is [Store.EnqueueTx] for a transaction of database/sql, with any
// driver for Postgres.
func (s *Store) EnqueueSQLTx(ctx context.Context, tx *sql.Tx, request task.Request) (task.ID, error) {
	ids, err := s.enqueueIn(ctx, sqlTx{tx}, request)
	if err != nil {
		return task.ID{}, err
	}
	return ids[0], nil
}

// EnqueueManySQLTx is [Store.EnqueueSQLTx] for many requests: all of them, or none.
func (s *Store) EnqueueManySQLTx(ctx context.Context, tx *sql.Tx, requests []task.Request) ([]task.ID, error) {
	return s.enqueueIn(ctx, sqlTx{tx}, requests...)
}

func (s *Store) enqueueIn(ctx context.Context, tx transaction, requests ...task.Request) ([]task.ID, error) {
	rows := make([]*riverstore.Row, len(requests))
	for i, request := range requests {
		// Definitions are read in the transaction: it may hold the only
		// connection that there is.
		row, err := s.Prepare(ctx, request, definitionReader{s, tx})
		if err != nil && len(requests) > 1 {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	ids, err := s.insert(ctx, tx, rows)
	if err != nil {
		return nil, failed(err, "insert tasks")
	}
	return ids, nil
}

// pgxTx is a transaction of pgx, or a pool where one statement is all.
type pgxTx struct{ tx querier }

func (t pgxTx) query(ctx context.Context, text string, args []any, scan func(scanner) error) error {
	rows, err := t.tx.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t pgxTx) exec(ctx context.Context, text string, args ...any) error {
	_, err := t.tx.Exec(ctx, text, args...)
	return err
}

func (t pgxTx) insert(ctx context.Context, statements *statements, b *batch) error {
	n := len(b.rows)
	ids, defs := make([][16]byte, n), make([]int32, n)
	args, argsTypes, tags := make([][]byte, n), make([]string, n), make([]string, n)
	sources, keys := make([]string, n), make([]*string, n)
	priorities, timeouts, delays, runAts := make([]int16, n), make([]int64, n), make([]int64, n), make([]*time.Time, n)
	keyIDs := make([]*string, n)
	expires, parents, uniques := make([]*int64, n), make([]*[16]byte, n), make([]*string, n)
	for i := range b.rows {
		r := &b.rows[i]
		ids[i], defs[i] = r.ID, r.Def
		args[i], argsTypes[i], tags[i] = r.Args, r.ArgsType, r.Tags
		sources[i], keys[i] = r.Source, r.Key
		priorities[i], timeouts[i], delays[i], runAts[i] = r.Priority, r.Timeout, r.Delay, r.RunAt
		keyIDs[i], expires[i], parents[i], uniques[i] = r.KeyID, r.Expires, (*[16]byte)(r.Parent), r.Unique
	}
	text := statements.insert
	switch {
	case b.unique:
		text = statements.unique
	case b.tagged:
		text = statements.tagged
	}
	return t.exec(ctx, text, b.definitions,
		ids, defs, args, argsTypes, tags, sources, keys, priorities, timeouts, delays, runAts, keyIDs, expires, parents, uniques)
}

// sqlTx is a transaction of database/sql.
type sqlTx struct{ tx *sql.Tx }

func (t sqlTx) query(ctx context.Context, text string, args []any, scan func(scanner) error) error {
	rows, err := t.tx.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t sqlTx) exec(ctx context.Context, text string, args ...any) error {
	_, err := t.tx.ExecContext(ctx, text, args...)
	return err
}

func (t sqlTx) insert(ctx context.Context, statements *statements, b *batch) error {
	rows, err := json.Marshal(b.rows)
	if err != nil {
		return err
	}
	text := statements.insertSQL
	switch {
	case b.unique:
		text = statements.uniqueSQL
	case b.tagged:
		text = statements.taggedSQL
	}
	return t.exec(ctx, text, string(b.definitions), string(rows))
}
