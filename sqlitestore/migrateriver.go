package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

func migrateRiver(ctx context.Context, db *sql.DB) error {
	migrator, err := rivermigrate.New(riversqlite.New(db), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	state, err := migrator.Validate(ctx, nil)
	if err != nil {
		return err
	}
	if !state.OK {
		if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return err
		}
	}
	return widenPriority(ctx, db)
}

// riverLags says what the queue's tables lack, or nothing.
func riverLags(ctx context.Context, db *sql.DB) (string, error) {
	migrator, err := rivermigrate.New(riversqlite.New(db), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	state, err := migrator.Validate(ctx, nil)
	if err != nil {
		return "", err
	}
	if !state.OK {
		return strings.ToLower(strings.Join(state.Messages, "; ")), nil
	}
	text, err := jobSchema(ctx, db)
	if err == nil && !strings.Contains(text, ourPriorityCheck) {
		return "the queue's priorities are narrow", nil
	}
	return "", err
}

func jobSchema(ctx context.Context, db *sql.DB) (text string, err error) {
	const query = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'river_job'"
	return text, db.QueryRowContext(ctx, query).Scan(&text)
}

// River's bounds on priorities, and ours. See RATIONALE.md.
const (
	riverPriorityCheck = "CHECK (priority >= 1 AND priority <= 4)"
	ourPriorityCheck   = "CHECK (priority >= 1 AND priority <= 10)"
)

// widenPriority lets tickets have ten priorities. SQLite cannot alter a CHECK;
// its documented way is to edit the schema's text, which is safe for a change
// that leaves the stored rows as they are.
func widenPriority(ctx context.Context, db *sql.DB) error {
	text, err := jobSchema(ctx, db)
	if err != nil {
		return err
	}
	if strings.Contains(text, ourPriorityCheck) {
		return nil
	}
	if !strings.Contains(text, riverPriorityCheck) {
		return errors.New("the table river_job is not of the version of River that this program is built with")
	}
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version); err != nil {
		return err
	}
	for _, statement := range []string{
		"BEGIN IMMEDIATE",
		"PRAGMA writable_schema = ON",
		"UPDATE sqlite_schema SET sql = replace(sql, '" + riverPriorityCheck + "', '" + ourPriorityCheck + "') WHERE type = 'table' AND name = 'river_job'",
		"PRAGMA schema_version = " + strconv.Itoa(version+1),
		"PRAGMA writable_schema = RESET",
		"COMMIT",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("widen the priorities: %w", err)
		}
	}
	return nil
}
