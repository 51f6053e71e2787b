package sqlitestore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// PutToken keeps a credential under a name: its sha256, never itself. A secret
// that is known already is left as it is.
func (s *Store) PutToken(ctx context.Context, name, secret string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a token id: %w", err)
	}
	hash := sha256.Sum256([]byte(secret))
	_, err = s.write.ExecContext(ctx, `
		INSERT INTO api_token (id, name, secret_hash, scopes, created_at) VALUES (?, ?, ?, '["admin"]', ?)
		ON CONFLICT (secret_hash) DO NOTHING`, id.String(), name, hash[:], micros(now()))
	if err != nil {
		return fmt.Errorf("store a token: %w", err)
	}
	return nil
}

// Authenticate returns the name of the credential with that secret. ok is false
// where there is none, or none that is valid now. The look-up is by hash, so
// its time says nothing about the secret.
func (s *Store) Authenticate(ctx context.Context, secret string) (name string, ok bool, err error) {
	hash := sha256.Sum256([]byte(secret))
	err = s.read.QueryRowContext(ctx, `
		SELECT name FROM api_token
		WHERE secret_hash = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)`,
		hash[:], micros(now())).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("look up a token: %w", err)
	}
	return name, true, nil
}
