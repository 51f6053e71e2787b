package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/taskhost/taskhost/modules"
)

// SetAside notes that a node runs a module no more. A node that leaves or dies takes
// its notes along.
func (s *Store) SetAside(ctx context.Context, node, digest, reason string) error {
	err := s.inTx(ctx, func(w *session) error {
		_, err := w.ExecContext(ctx, "INSERT INTO quarantine (digest, node, since, reason) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			digest, node, micros(now()), reason)
		return err
	})
	if err != nil {
		return fmt.Errorf("note that a module is in quarantine: %w", err)
	}
	return nil
}

// StillAside lists the modules that a node has set aside and nobody has released, by
// their digests.
func (s *Store) StillAside(ctx context.Context, node string) ([]string, error) {
	digests, err := queryAll(ctx, s.read, func(rows *sql.Rows, digest *string) error { return rows.Scan(digest) },
		"SELECT digest FROM quarantine WHERE node = ?", node)
	if err != nil {
		return nil, fmt.Errorf("ask which modules are in quarantine: %w", withCause(err))
	}
	return digests, nil
}

// Quarantined implements [modules.Store].
func (s *Store) Quarantined(ctx context.Context) ([]modules.Quarantine, error) {
	list, err := queryAll(ctx, s.read, func(rows *sql.Rows, q *modules.Quarantine) error {
		var since int64
		err := rows.Scan(&q.Digest, &q.Node, &since, &q.Reason)
		q.Since = fromMicros(since)
		return err
	}, "SELECT digest, node, since, reason FROM quarantine ORDER BY digest, since, node")
	if err != nil {
		return nil, fmt.Errorf("list modules in quarantine: %w", withCause(err))
	}
	if len(list) == 0 {
		return nil, nil
	}
	// What a node left that was killed goes when the next one starts.
	alive, err := s.isWorked()
	if err != nil || !alive {
		return nil, err
	}
	return list, nil
}

// Release has all nodes run modules again that they have set aside.
func (s *Store) Release(ctx context.Context, digests []string) error {
	err := s.inTx(ctx, func(w *session) error {
		for _, digest := range digests {
			if _, err := w.ExecContext(ctx, "DELETE FROM quarantine WHERE digest = ?", digest); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("release a module from quarantine: %w", err)
	}
	return nil
}
