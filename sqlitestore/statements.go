package sqlitestore

import (
	"context"
	"database/sql"
	"strings"
)

// statements are prepared, by their text.
type statements map[string]*sql.Stmt

// writeTexts run for every task, readTexts for every poll.
var (
	writeTexts = []string{
		hasVersionSQL, insertTaskSQL, insertTasksSQL, nextTicketSQL, insertTicketSQL, insertTicketsSQL, insertTagSQL, keyHolderSQL, putKeySQL, uniqueHolderSQL,
		dueSQL, takeSQL, claimSQL,
		endTaskSQL, endTasksSQL, insertAttemptSQL, insertAttemptsSQL, insertLogSQL,
	}
	readTexts = []string{anyDueSQL, ordersSQL, drainSQL}
)

func prepare(ctx context.Context, db *sql.DB, texts []string) (statements, error) {
	all := make(statements, len(texts))
	for _, text := range texts {
		stmt, err := db.PrepareContext(ctx, text) //nolint:sqlclosecheck // closed with the store
		if err != nil {
			all.close()
			return nil, err
		}
		all[text] = stmt
	}
	return all, nil
}

func (s statements) close() {
	for _, stmt := range s {
		_ = stmt.Close() // what it held goes with the connection
	}
}

// manyRows is how many rows a statement for many writes: enough for the cost of
// a statement to count little, and few enough for its text to be parsed fast.
const manyRows = 16

// repeatRow writes the row that ends a statement's text manyRows times.
func repeatRow(head, row string) string {
	return head + row + strings.Repeat(", "+row, manyRows-1)
}

// inChunks calls many for each manyRows items, and one for each of the rest.
func inChunks[T any](items []T, many, one func([]T) error) error {
	for len(items) > 0 {
		n, write := 1, one
		if len(items) >= manyRows {
			n, write = manyRows, many
		}
		if err := write(items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}
