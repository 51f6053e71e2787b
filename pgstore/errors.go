package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// withCause marks the errors that are the database's and not the request's, and
// may pass.
func withCause(err error) error {
	if errors.Is(err, puddle.ErrClosedPool) {
		return fmt.Errorf("%w: %w", task.ErrStopped, err)
	}
	if err == nil || errors.Is(err, task.ErrUnavailable) {
		return err
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.ConstraintName == "task_has_module" {
		return riverstore.ErrModuleGone
	}
	if pgErr != nil && pgErr.Code == pgerrcode.DiskFull {
		return fmt.Errorf("%w: %w", task.ErrFull, err)
	}
	if !passes(err) {
		return err
	}
	return fmt.Errorf("%w: %w", task.ErrUnavailable, err)
}

// passes reports whether a call may succeed when it is repeated.
func passes(err error) bool {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return passingCode(pgErr.Code)
	}
	// What is not the server's own answer is a connection that could not be
	// made, or was lost.
	var connectErr *pgconn.ConnectError
	var netErr net.Error
	return errors.As(err, &connectErr) || errors.As(err, &netErr) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed")
}

func passingCode(code string) bool {
	switch code {
	case pgerrcode.ReadOnlySQLTransaction, // a server that is no longer the primary
		pgerrcode.LockNotAvailable:
		return true
	}
	return pgerrcode.IsConnectionException(code) || // 08
		pgerrcode.IsTransactionRollback(code) || // 40: serialization, deadlock
		pgerrcode.IsInsufficientResources(code) || // 53: disk full, too many connections
		pgerrcode.IsOperatorIntervention(code) || // 57: shutting down, starting up, cancelled
		pgerrcode.IsSystemError(code) // 58
}

// explain says what to do about the usual errors of opening a database.
func explain(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		var connectErr *pgconn.ConnectError
		if errors.As(err, &connectErr) {
			return fmt.Errorf("%w: check that Postgres runs there and takes connections", withCause(err))
		}
		return err
	}
	switch pgErr.Code {
	case pgerrcode.InvalidPassword, pgerrcode.InvalidAuthorizationSpecification:
		return fmt.Errorf("%w: check the user and the password of the address", err)
	case pgerrcode.InvalidCatalogName:
		return fmt.Errorf("%w: make it with 'createdb', or name another", err)
	default:
		return withCause(err)
	}
}

// notFound names what was looked for.
func notFound(err error, what string, which any) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%s %v: %w", what, which, task.ErrNotFound)
	}
	return failed(err, fmt.Sprintf("read %s %v", what, which))
}

// failed says what could not be done.
func failed(err error, what string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, withCause(err))
}
