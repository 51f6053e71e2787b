package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var _ riverstore.KeyBook = (*Store)(nil)

const sealKeysText = "SELECT key_id, secret FROM {schema}.seal_key ORDER BY created_at, key_id"

// SealKeys implements [riverstore.KeyBook].
func (s *Store) SealKeys(ctx context.Context) ([]riverstore.SealKey, error) {
	return s.sealKeys(ctx, s.pool)
}

func (s *Store) sealKeys(ctx context.Context, db querier) ([]riverstore.SealKey, error) {
	rows, err := db.Query(ctx, s.text(sealKeysText))
	if err != nil {
		return nil, withCause(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[riverstore.SealKey])
	return keys, withCause(err)
}

// AddSealKeys implements [riverstore.KeyBook].
func (s *Store) AddSealKeys(ctx context.Context, decide func([]riverstore.SealKey) ([]riverstore.SealKey, error)) error {
	return withCause(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// Two that open an empty database at once would each make a secret.
		if _, err := tx.Exec(ctx, s.text("LOCK TABLE {schema}.seal_key IN SHARE ROW EXCLUSIVE MODE")); err != nil {
			return err
		}
		known, err := s.sealKeys(ctx, tx)
		if err != nil {
			return err
		}
		added, err := decide(known)
		if err != nil {
			return err
		}
		for _, key := range added {
			if _, err := tx.Exec(ctx, s.text("INSERT INTO {schema}.seal_key (key_id, secret) VALUES ($1, $2)"), key.ID, key.Secret); err != nil {
				return err
			}
		}
		return nil
	}))
}

// DropSealKey implements [riverstore.KeyBook].
func (s *Store) DropSealKey(ctx context.Context, id string) error {
	_, err := s.pool.Exec(ctx, s.text("DELETE FROM {schema}.seal_key WHERE key_id = $1"), id)
	return failed(err, "forget a key")
}

// ForgetKey has a database start without a key that is lost, named by its id. What is
// sealed under it cannot be read.
func ForgetKey(ctx context.Context, config Config, id string) error {
	place, err := config.place()
	if err != nil {
		return err
	}
	return place.connect(ctx, func(pool *pgxpool.Pool) error {
		tag, err := pool.Exec(ctx, inSchema(place.schema, "DELETE FROM {schema}.seal_key WHERE key_id = $1"), id)
		switch {
		case err != nil:
			return fmt.Errorf("database %s: %w", place, explain(err))
		case tag.RowsAffected() == 0:
			return fmt.Errorf("the database %s does not ask for a key %.40q: %w", place, id, task.ErrNotFound)
		}
		return nil
	})
}

// KeyIDs are the ids of the keys, that of the one that seals first.
func (s *Store) KeyIDs() []string { return s.vault.KeyIDs() }

// SealFor seals a program's own data, bound to a name.
func (s *Store) SealFor(name string, text []byte) ([]byte, error) { return s.vault.SealFor(name, text) }

// OpenFor opens what SealFor has made with that name.
func (s *Store) OpenFor(name string, sealed []byte) ([]byte, error) {
	return s.vault.OpenFor(name, sealed)
}
