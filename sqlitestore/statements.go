package sqlitestore

import (
	"context"
	"database/sql"
)

// statements are those that run for every task, prepared once on the writing
// connection.
type statements struct {
	insertTask    *sql.Stmt
	insertTicket  *sql.Stmt
	endTask       *sql.Stmt
	insertAttempt *sql.Stmt
	insertLog     *sql.Stmt
}

func (s *statements) all() []struct {
	stmt **sql.Stmt
	text string
} {
	return []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.insertTask, insertTaskSQL},
		{&s.insertTicket, insertTicketSQL},
		{&s.endTask, endTaskSQL},
		{&s.insertAttempt, insertAttemptSQL},
		{&s.insertLog, insertLogSQL},
	}
}

func (s *statements) prepare(ctx context.Context, db *sql.DB) error {
	for _, p := range s.all() {
		stmt, err := db.PrepareContext(ctx, p.text) //nolint:sqlclosecheck // close does, with the store
		if err != nil {
			return err
		}
		*p.stmt = stmt
	}
	return nil
}

func (s *statements) close() {
	for _, p := range s.all() {
		if *p.stmt != nil {
			_ = (*p.stmt).Close() // the connection is closed next
		}
	}
}
