package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// EnqueueTx stores one request in a transaction of the caller's own connection to
// the same file. The task is there once the caller commits: a rollback leaves
// nothing of it. Any driver for database/sql will do whose SQLite is 3.45 or later.
func (s *Store) EnqueueTx(ctx context.Context, tx *sql.Tx, request task.Request) (task.ID, error) {
	row, err := s.Prepare(ctx, request, s)
	if err != nil {
		return task.ID{}, err
	}
	ids, err := s.insertTx(ctx, tx, []*riverstore.Row{row})
	if err != nil {
		return task.ID{}, err
	}
	return ids[0], nil
}

// EnqueueManyTx is EnqueueTx for any number of requests, all or none.
func (s *Store) EnqueueManyTx(ctx context.Context, tx *sql.Tx, requests []task.Request) ([]task.ID, error) {
	rows := make([]*riverstore.Row, len(requests))
	for i, request := range requests {
		row, err := s.Prepare(ctx, request, s)
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		rows[i] = row
	}
	return s.insertTx(ctx, tx, rows)
}

// takeLockSQL changes nothing, and takes the writer's lock all the same: a
// transaction that began by reading could not have it once another has written.
const takeLockSQL = "UPDATE taskhost_migration SET version = version WHERE false"

// insertTx inserts in a caller's transaction. Nobody is woken: whoever works the
// file sees the commit.
func (s *Store) insertTx(ctx context.Context, tx *sql.Tx, rows []*riverstore.Row) (ids []task.ID, err error) {
	if err := s.isMine(ctx, tx); err != nil {
		return nil, fmt.Errorf("insert tasks: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	w := newSession(tx, nil)
	defer w.close()
	if _, err := w.ExecContext(ctx, takeLockSQL); err != nil {
		return nil, fmt.Errorf("insert tasks: %w", withCause(err))
	}
	// The caller may commit what else it did, although this failed.
	if _, err := w.ExecContext(ctx, "SAVEPOINT taskhost_insert"); err != nil {
		return nil, fmt.Errorf("insert tasks: %w", withCause(err))
	}
	ids, _, err = w.insert(ctx, rows)
	if err != nil {
		_, undoErr := w.ExecContext(ctx, "ROLLBACK TO taskhost_insert")
		err = errors.Join(err, undoErr)
	}
	_, releaseErr := w.ExecContext(ctx, "RELEASE taskhost_insert")
	if err = errors.Join(err, releaseErr); err != nil {
		return nil, fmt.Errorf("insert tasks: %w", withCause(err))
	}
	return ids, nil
}

// isMine says what is wrong where the transaction is not on this store's file.
func (s *Store) isMine(ctx context.Context, tx *sql.Tx) error {
	type database struct {
		number     int
		name, file string
	}
	databases, err := queryAll(ctx, tx, func(rows *sql.Rows, d *database) error {
		return rows.Scan(&d.number, &d.name, &d.file)
	}, "PRAGMA database_list")
	if err != nil {
		return fmt.Errorf("ask which file the transaction is on: %w", withCause(err))
	}
	other := "a database that is no file"
	for _, d := range databases {
		if d.name != "main" || d.file == "" {
			continue
		}
		if sameFile(d.file, s.path) {
			return nil
		}
		other = d.file
	}
	return fmt.Errorf("the transaction is on another database, %s: begin it on a connection to %s", other, s.path)
}

func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
