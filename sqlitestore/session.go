package sqlitestore

import (
	"context"
	"database/sql"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// querier is a database, or a transaction of one.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// queryAll reads all rows of a query.
func queryAll[T any](ctx context.Context, q querier, scan func(*sql.Rows, *T) error, query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var one T
		if err := scan(rows, &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// session runs statements in a transaction, each prepared once: for all
// transactions of the store, or for one of a caller.
type session struct {
	tx       *sql.Tx
	prepared statements // nil in a caller's transaction
	vault    *riverstore.Vault
	open     statements
}

func newSession(tx *sql.Tx, prepared statements) *session {
	return &session{tx: tx, prepared: prepared, open: make(statements)}
}

// scanTask is the store's.
func (w *session) scanTask(row scanner, t *task.Task, more ...any) error {
	return scanTask(w.vault, row, t, more...)
}

// close closes what was prepared. What is the store's stays prepared.
func (w *session) close() { w.open.close() }

func (w *session) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt := w.open[text]; stmt != nil {
		return stmt, nil
	}
	var stmt *sql.Stmt
	if known := w.prepared[text]; known != nil {
		stmt = w.tx.StmtContext(ctx, known)
	} else {
		var err error
		if stmt, err = w.tx.PrepareContext(ctx, text); err != nil {
			return nil, err
		}
	}
	w.open[text] = stmt
	return stmt, nil
}

// ExecContext runs a statement that returns no rows.
func (w *session) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	stmt, err := w.stmt(ctx, text) //nolint:sqlclosecheck // closed with the session
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// QueryContext implements querier.
func (w *session) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	stmt, err := w.stmt(ctx, text) //nolint:sqlclosecheck // closed with the session
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// scanRow reads a query's one row, or returns sql.ErrNoRows.
func (w *session) scanRow(ctx context.Context, text string, args []any, dest ...any) error {
	stmt, err := w.stmt(ctx, text) //nolint:sqlclosecheck // closed with the session
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(ctx, args...).Scan(dest...)
}
