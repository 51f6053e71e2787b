package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/task"
)

// oldVersionsSQL finds versions that may not be needed, and those whose collection was
// broken off.
const oldVersionsSQL = `
SELECT v.module, v.version, v.digest FROM module_version v JOIN module m ON m.name = v.module
WHERE v.version <> m.live_version AND (v.retired_at IS NOT NULL OR (
    (SELECT count(*) FROM module_version n WHERE n.module = v.module AND n.version > v.version) >= ?1
    AND NOT EXISTS (SELECT 1 FROM module_version n WHERE n.module = v.module AND n.created_at > ?2)))
ORDER BY v.module, v.version`

// hasVersionSQL says whether new tasks may have a version.
const hasVersionSQL = "SELECT EXISTS (SELECT 1 FROM module_version WHERE module = ? AND version = ? AND retired_at IS NULL)"

const dropBlobSQL = "DELETE FROM module_blob WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM module_version WHERE digest = ?1)"

// CollectModules implements [riverstore.Collector].
//
// To look whether any task has a version reads all tasks, which is too long for the
// writer's lock. So the version is retired first: no task is stored any more for one
// that is. Who looks after that sees every task that there will be.
func (s *Store) CollectModules(ctx context.Context, keep int, grace time.Duration) (gone []task.ModuleRef, err error) {
	old, err := queryAll(ctx, s.read, func(rows *sql.Rows, ref *task.ModuleRef) error {
		return rows.Scan(&ref.Name, &ref.Version, &ref.Digest)
	}, oldVersionsSQL, max(keep, 1), micros(now().Add(-grace)))
	if err != nil {
		return nil, fmt.Errorf("look for old versions of modules: %w", withCause(err))
	}
	for _, ref := range old {
		deleted, err := s.collect(ctx, ref)
		if err != nil {
			return gone, fmt.Errorf("collect version %d of module %s: %w", ref.Version, ref.Name, withCause(err))
		}
		if deleted {
			gone = append(gone, ref)
		}
	}
	return gone, s.collectBlobs(ctx)
}

func (s *Store) collect(ctx context.Context, ref task.ModuleRef) (deleted bool, err error) {
	needed, err := s.isNeeded(ctx, ref)
	if err != nil {
		return false, err
	}
	if !needed {
		n, err := s.change(ctx, `UPDATE module_version SET retired_at = ?3 WHERE module = ?1 AND version = ?2
			AND version <> (SELECT live_version FROM module WHERE name = ?1)`, ref.Name, ref.Version, micros(now()))
		if err != nil || n == 0 {
			return false, err
		}
		if needed, err = s.isNeeded(ctx, ref); err != nil {
			return false, err
		}
	}
	if needed {
		_, err := s.change(ctx, "UPDATE module_version SET retired_at = NULL WHERE module = ? AND version = ? AND retired_at IS NOT NULL", ref.Name, ref.Version)
		return false, err
	}
	err = s.inTx(ctx, func(w *session) error {
		// A push may have brought it back.
		result, err := w.ExecContext(ctx, `DELETE FROM module_version WHERE module = ?1 AND version = ?2
			AND retired_at IS NOT NULL AND version <> (SELECT live_version FROM module WHERE name = ?1)`, ref.Name, ref.Version)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		deleted = true
		_, err = w.ExecContext(ctx, dropBlobSQL, ref.Digest)
		return err
	})
	return deleted && err == nil, err
}

// change runs one statement, and returns how many rows it changed.
func (s *Store) change(ctx context.Context, text string, args ...any) (n int64, err error) {
	err = s.inTx(ctx, func(w *session) error {
		result, err := w.ExecContext(ctx, text, args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	return n, err
}

// isNeeded reports whether any task has the version.
func (s *Store) isNeeded(ctx context.Context, ref task.ModuleRef) (needed bool, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM task WHERE module = ? AND module_version = ?)", ref.Name, ref.Version).Scan(&needed)
	return needed, err
}

// collectBlobs deletes the bytes that no version and no task has. There are none unless
// somebody has deleted versions by hand.
func (s *Store) collectBlobs(ctx context.Context) error {
	digests, err := queryAll(ctx, s.read, func(rows *sql.Rows, digest *string) error { return rows.Scan(digest) }, `
		SELECT digest FROM module_blob
		WHERE NOT EXISTS (SELECT 1 FROM module_version v WHERE v.digest = module_blob.digest)
			AND NOT EXISTS (SELECT 1 FROM task WHERE module_digest = module_blob.digest)`)
	if err != nil {
		return fmt.Errorf("look for bytes of no module: %w", withCause(err))
	}
	for _, digest := range digests {
		if _, err := s.change(ctx, dropBlobSQL, digest); err != nil {
			return fmt.Errorf("delete bytes of no module: %w", err)
		}
	}
	return nil
}
