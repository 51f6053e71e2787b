package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/taskhost/taskhost/internal/riverstore"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the tables' history.
type Migration = riverstore.Migration

// makeUpToDate makes a file if there is none, and migrates it.
func makeUpToDate(ctx context.Context, file string) error {
	if err := create(file); err != nil {
		return err
	}
	return migrate(ctx, file)
}

// migrate brings the file's tables up to date: River's first, then ours. A
// file that is up to date, or is another program's, is not written to.
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
	if _, err := inspect(ctx, file); err != nil {
		return err
	}

	// River's migrations copy river_job into a table with its own narrower
	// bounds on priorities, which must not be checked while they do.
	db, err := connect(file, 1, "ignore_check_constraints(1)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	// Ours before any other: it is what tells our files from others.
	if _, err := db.ExecContext(ctx, migrationTable); err != nil {
		return err
	}
	if err := migrateRiver(ctx, db); err != nil {
		return fmt.Errorf("migrate the queue's tables: %w", err)
	}
	if err := migrateOurs(ctx, db); err != nil {
		return fmt.Errorf("migrate the tables: %w", err)
	}
	return nil
}

const migrationTable = `CREATE TABLE IF NOT EXISTS taskhost_migration (
	version    INTEGER NOT NULL PRIMARY KEY,
	name       TEXT    NOT NULL,
	applied_at INTEGER NOT NULL
) STRICT`

func migrateOurs(ctx context.Context, db *sql.DB) error {
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
	var tables, newest int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'taskhost_migration'").Scan(&tables); err != nil {
		return nil, err
	}
	if tables > 0 {
		if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM taskhost_migration").Scan(&newest); err != nil {
			return nil, err
		}
	}
	return riverstore.Migrations(migrationFiles, newest)
}

// Migrate makes a file if there is none, brings its tables up to date, and lists
// its migrations. [Open] does the same.
func Migrate(ctx context.Context, file string) ([]Migration, error) {
	if err := makeUpToDate(ctx, file); err != nil {
		return nil, fmt.Errorf("database %s: %w", file, err)
	}
	return MigrationStatus(ctx, file)
}

// MigrationStatus lists the migrations of a file, without applying any.
func MigrationStatus(ctx context.Context, file string) ([]Migration, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("database: %w: 'taskhost migrate up' makes it", err)
	}
	found, err := inspect(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", file, err)
	}
	return found.migrations, nil
}
