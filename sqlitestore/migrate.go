package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the tables' history.
type Migration struct {
	Version int    `json:"version"`
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
}

// migrate brings the file's tables up to date: River's first, then ours. A
// file that is up to date is not written to.
func migrate(ctx context.Context, file string) (err error) {
	// Two processes that open a new file would both find it empty.
	lock := flock.New(file+".migrate", flock.SetPermissions(0o600))
	if locked, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil || !locked {
		return fmt.Errorf("wait for another process to migrate: %w", err)
	}
	defer func() {
		err = errors.Join(err, lock.Close())
		// Whoever waited for it, or makes it anew, finds nothing left to do.
		_ = os.Remove(lock.Path()) // another who waited may have been first
	}()

	// River's migrations copy river_job into a table with its own narrower
	// bounds on priorities, which must not be checked while they do.
	db, err := connect(file, 1, "ignore_check_constraints(1)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	if err := migrateRiver(ctx, db); err != nil {
		return fmt.Errorf("migrate the queue's tables: %w", err)
	}
	if err := migrateOurs(ctx, db); err != nil {
		return fmt.Errorf("migrate the tables: %w", err)
	}
	return nil
}

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

// River's bounds on priorities, and ours. See RATIONALE.md.
const (
	riverPriorityCheck = "CHECK (priority >= 1 AND priority <= 4)"
	ourPriorityCheck   = "CHECK (priority >= 1 AND priority <= 10)"
)

// widenPriority lets tickets have ten priorities. SQLite cannot alter a CHECK;
// its documented way is to edit the schema's text, which is safe for a change
// that leaves the stored rows as they are.
func widenPriority(ctx context.Context, db *sql.DB) error {
	var text string
	if err := db.QueryRowContext(ctx, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'river_job'").Scan(&text); err != nil {
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

func migrateOurs(ctx context.Context, db *sql.DB) error {
	const table = `CREATE TABLE IF NOT EXISTS taskhost_migration (
		version    INTEGER NOT NULL PRIMARY KEY,
		name       TEXT    NOT NULL,
		applied_at INTEGER NOT NULL
	) STRICT`
	if _, err := db.ExecContext(ctx, table); err != nil {
		return err
	}
	migrations, err := migrationStatus(ctx, db)
	if err != nil {
		return err
	}
	for _, m := range migrations {
		if m.Applied {
			continue
		}
		if err := applyMigration(ctx, db, m); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

func applyMigration(ctx context.Context, db *sql.DB, m Migration) error {
	text, err := migrationFiles.ReadFile("migrations/" + m.Name)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	// Another process may have been first while this one waited for the lock.
	result, err := tx.ExecContext(ctx, "INSERT INTO taskhost_migration (version, name, applied_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", m.Version, m.Name, micros(now()))
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, tx.Rollback())
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// migrationStatus lists the migrations that this program knows, and refuses a
// file that has one that it does not know.
func migrationStatus(ctx context.Context, db *sql.DB) ([]Migration, error) {
	entries, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	var tables, newest int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'taskhost_migration'").Scan(&tables); err != nil {
		return nil, err
	}
	if tables > 0 {
		if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM taskhost_migration").Scan(&newest); err != nil {
			return nil, err
		}
	}
	var out []Migration
	for _, entry := range entries { // sorted by name
		number, _, _ := strings.Cut(path.Base(entry.Name()), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name must start with a number", entry.Name())
		}
		out = append(out, Migration{Version: version, Name: entry.Name(), Applied: version <= newest})
	}
	if known := out[len(out)-1].Version; newest > known {
		return nil, fmt.Errorf("the file was migrated to version %d by a newer program, this one knows version %d: use the newer one", newest, known)
	}
	return out, nil
}

// Migrate makes a file if there is none, brings its tables up to date, and lists
// its migrations. [Open] does the same.
func Migrate(ctx context.Context, file string) ([]Migration, error) {
	if err := create(file); err != nil {
		return nil, err
	}
	if err := migrate(ctx, file); err != nil {
		return nil, fmt.Errorf("database %s: %w", file, err)
	}
	return MigrationStatus(ctx, file)
}

// MigrationStatus lists the migrations of a file, without applying any.
func MigrationStatus(ctx context.Context, file string) (_ []Migration, err error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("database: %w: 'taskhost migrate up' makes it", err)
	}
	db, err := connect(file, 1, "query_only(1)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	migrations, err := migrationStatus(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", file, err)
	}
	return migrations, nil
}
