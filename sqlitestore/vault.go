package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var _ riverstore.KeyBook = (*Store)(nil)

const sealKeysSQL = "SELECT key_id, secret FROM seal_key ORDER BY created_at, key_id"

func scanSealKey(rows *sql.Rows, key *riverstore.SealKey) error {
	return rows.Scan(&key.ID, &key.Secret)
}

// SealKeys implements [riverstore.KeyBook].
func (s *Store) SealKeys(ctx context.Context) ([]riverstore.SealKey, error) {
	keys, err := queryAll(ctx, s.read, scanSealKey, sealKeysSQL)
	return keys, withCause(err)
}

// AddSealKeys implements [riverstore.KeyBook].
func (s *Store) AddSealKeys(ctx context.Context, decide func([]riverstore.SealKey) ([]riverstore.SealKey, error)) error {
	return s.inTx(ctx, func(w *session) error {
		known, err := queryAll(ctx, w, scanSealKey, sealKeysSQL)
		if err != nil {
			return err
		}
		added, err := decide(known)
		if err != nil {
			return err
		}
		for _, key := range added {
			if _, err := w.ExecContext(ctx, "INSERT INTO seal_key (key_id, secret, created_at) VALUES (?, ?, ?)", key.ID, key.Secret, micros(now())); err != nil {
				return err
			}
		}
		return nil
	})
}

// Durability says what a commit survives.
func (s *Store) Durability(ctx context.Context) (string, error) {
	var level int
	if err := s.write.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return "", fmt.Errorf("read the file's settings: %w", withCause(err))
	}
	names := []string{"OFF", "NORMAL", "FULL", "EXTRA"}
	return "synchronous=" + names[level&3], nil
}

// DropSealKey implements [riverstore.KeyBook].
func (s *Store) DropSealKey(ctx context.Context, id string) error {
	if _, err := s.write.ExecContext(ctx, "DELETE FROM seal_key WHERE key_id = ?", id); err != nil {
		return fmt.Errorf("forget a key: %w", withCause(err))
	}
	return nil
}

// ForgetKey has a file start without a key that is lost, named by its id. What is
// sealed under it cannot be read.
func ForgetKey(ctx context.Context, path, id string) (err error) {
	if err := upToDate(ctx, path); err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	db, err := connect(path, 1)
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	result, err := db.ExecContext(ctx, "DELETE FROM seal_key WHERE key_id = ?", id)
	if err != nil {
		return fmt.Errorf("database %s: %w", path, withCause(err))
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fmt.Errorf("the database %s does not ask for a key %.40q: %w", path, id, task.ErrNotFound))
	}
	return nil
}

// KeyIDs are the ids of the keys, that of the one that seals first.
func (s *Store) KeyIDs() []string { return s.vault.KeyIDs() }

// SealFor seals a program's own data, bound to a name.
func (s *Store) SealFor(name string, text []byte) ([]byte, error) { return s.vault.SealFor(name, text) }

// OpenFor opens what SealFor has made with that name.
func (s *Store) OpenFor(name string, sealed []byte) ([]byte, error) {
	return s.vault.OpenFor(name, sealed)
}
