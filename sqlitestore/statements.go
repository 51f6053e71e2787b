package sqlitestore

import (
	"context"
	"database/sql"
)

// statements are those that run for every task or poll, prepared once: the first
// for reading, the others on the writing connection.
type statements struct {
	anyDue *sql.Stmt

	insertTask    *sql.Stmt
	insertTicket  *sql.Stmt
	endTask       *sql.Stmt
	insertAttempt *sql.Stmt
	insertLog     *sql.Stmt
}

// statement is one of them, with where it is kept.
type statement struct {
	stmt **sql.Stmt
	db   *sql.DB
	text string
}

func (s *statements) all(write, read *sql.DB) []statement {
	return []statement{
		{&s.anyDue, read, anyDueSQL},
		{&s.insertTask, write, insertTaskSQL},
		{&s.insertTicket, write, insertTicketSQL},
		{&s.endTask, write, endTaskSQL},
		{&s.insertAttempt, write, insertAttemptSQL},
		{&s.insertLog, write, insertLogSQL},
	}
}

func (s *statements) prepare(ctx context.Context, write, read *sql.DB) error {
	for _, p := range s.all(write, read) {
		stmt, err := p.db.PrepareContext(ctx, p.text) //nolint:sqlclosecheck // closed with the store
		if err != nil {
			return err
		}
		*p.stmt = stmt
	}
	return nil
}

func (s *statements) close() {
	for _, p := range s.all(nil, nil) {
		if *p.stmt != nil {
			_ = (*p.stmt).Close() // the connection is closed next
		}
	}
}
