package queuebench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	_ "modernc.org/sqlite" // the database driver

	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

// sqlitePlace is a folder for files, each with one subject.
type sqlitePlace struct {
	config *Config
	folder string
	made   int
}

func newSQLitePlace(config *Config) (*sqlitePlace, error) {
	parent := config.Database
	if parent == "" {
		parent = os.TempDir()
	}
	info, err := os.Stat(parent)
	if err != nil || !info.IsDir() {
		parent = filepath.Dir(parent)
	}
	folder, err := os.MkdirTemp(parent, "taskhost-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for temporary files: %w: name another place with --database", err)
	}
	return &sqlitePlace{config: config, folder: folder}, nil
}

func (p *sqlitePlace) clean(context.Context) error {
	if err := os.RemoveAll(p.folder); err != nil {
		return fmt.Errorf("remove the temporary folder %s: %w", p.folder, err)
	}
	return nil
}

func (p *sqlitePlace) describe(ctx context.Context, env *Environment) error {
	env.Store = "sqlite"
	db, err := openSQLite(":memory:", 1)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&env.SQLite)
}

// next names a file that is not there yet, and removes it.
func (p *sqlitePlace) next() (path string, remove func() error) {
	p.made++
	folder := filepath.Join(p.folder, fmt.Sprint(p.made))
	return filepath.Join(folder, "bench.db"), func() error { return os.RemoveAll(folder) }
}

func (p *sqlitePlace) ours(ctx context.Context) (*subject, error) {
	path, remove := p.next()
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	store, err := sqlitestore.Open(ctx, sqlitestore.Config{Path: path, EncryptKeys: p.config.keys(), Logger: p.config.Logger})
	if err != nil {
		return nil, err
	}
	caller, err := openSQLite(path, 1)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	transact := sqlTransactor(caller)
	queue, err := newOurs(ctx, store, func(ctx context.Context, request task.Request) (time.Time, error) {
		return transact(ctx, func(tx *sql.Tx) error {
			_, err := store.EnqueueTx(ctx, tx, request)
			return err
		})
	})
	rows, rowsErr := newSQLiteRows(path,
		"SELECT EXISTS (SELECT 1 FROM task WHERE status = 'running') OR EXISTS (SELECT 1 FROM task WHERE status = 'pending')",
		"SELECT count(*) FROM task WHERE status = 'success'")
	s := &subject{queue: queue, rows: rows, close: closeAll(rows.db.Close, caller.Close, store.Close, remove)}
	if err := errors.Join(err, rowsErr); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (p *sqlitePlace) bare(ctx context.Context) (*subject, error) {
	path, remove := p.next()
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// River is to be given one connection, which the caller's transactions share.
	db, err := openSQLite(path, 1)
	if err != nil {
		return nil, err
	}
	queue := &bareRiver[*sql.Tx]{driver: riversqlite.New(db), transact: sqlTransactor(db)}
	err = queue.prepare(ctx)
	rows, rowsErr := newSQLiteRows(path,
		"SELECT EXISTS (SELECT 1 FROM river_job WHERE state IN ('available', 'running', 'retryable', 'scheduled', 'pending'))",
		"SELECT count(*) FROM river_job WHERE state = 'completed'")
	s := &subject{queue: queue, rows: rows, close: closeAll(rows.db.Close, db.Close, remove)}
	if err := errors.Join(err, rowsErr); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// openSQLite opens a file as the store does.
func openSQLite(path string, connections int) (*sql.DB, error) {
	query := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"},
	}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxLifetime(0)
	return db, nil
}

func sqlTransactor(db *sql.DB) transactor[*sql.Tx] {
	return func(ctx context.Context, f func(*sql.Tx) error) (time.Time, error) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return time.Time{}, err
		}
		defer tx.Rollback()
		if err := f(tx); err != nil {
			return time.Time{}, err
		}
		at := time.Now()
		return at, tx.Commit()
	}
}

// sqliteRows asks with two queries.
type sqliteRows struct {
	db                        *sql.DB
	openQuery, succeededQuery string
}

func newSQLiteRows(path, open, succeeded string) (*sqliteRows, error) {
	db, err := openSQLite(path, 1)
	return &sqliteRows{db, open, succeeded}, err
}

func (r *sqliteRows) open(ctx context.Context) (open bool, err error) {
	return open, r.db.QueryRowContext(ctx, r.openQuery).Scan(&open)
}

func (r *sqliteRows) succeeded(ctx context.Context) (n int, err error) {
	return n, r.db.QueryRowContext(ctx, r.succeededQuery).Scan(&n)
}
