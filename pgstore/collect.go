package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/task"
)

// oldVersionsText finds versions that may not be needed, and those whose collection was
// broken off.
const oldVersionsText = `
SELECT v.module, v.version, v.digest FROM {schema}.module_version v JOIN {schema}.module m ON m.name = v.module
WHERE v.version <> m.live_version AND (v.retired_at IS NOT NULL OR (
    (SELECT count(*) FROM {schema}.module_version n WHERE n.module = v.module AND n.version > v.version) >= $1
    AND NOT EXISTS (SELECT FROM {schema}.module_version n WHERE n.module = v.module AND n.created_at > now() - $2 * interval '1 microsecond')))
ORDER BY v.module, v.version`

// CollectModules implements [riverstore.Collector].
//
// To look whether any task has a version may take a while, and nothing is locked
// meanwhile. First the version is retired: an enqueue locks its row until its tasks can
// be seen, and stores none for one that is retired. So who looks after that sees every
// task that there will be.
func (s *Store) CollectModules(ctx context.Context, keep int, grace time.Duration) (gone []task.ModuleRef, err error) {
	rows, err := s.pool.Query(ctx, s.text(oldVersionsText), max(keep, 1), grace.Microseconds())
	if err != nil {
		return nil, failed(err, "look for old versions of modules")
	}
	old, err := pgx.CollectRows(rows, pgx.RowToStructByPos[task.ModuleRef])
	if err != nil {
		return nil, failed(err, "look for old versions of modules")
	}
	for _, ref := range old {
		deleted, err := s.collect(ctx, ref)
		if err != nil {
			return gone, failed(err, fmt.Sprintf("collect version %d of module %s", ref.Version, ref.Name))
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
		retired, err := s.retire(ctx, ref)
		if err != nil || !retired {
			return false, err
		}
		if needed, err = s.isNeeded(ctx, ref); err != nil {
			return false, err
		}
	}
	if needed {
		_, err := s.pool.Exec(ctx, s.text("UPDATE {schema}.module_version SET retired_at = NULL WHERE module = $1 AND version = $2 AND retired_at IS NOT NULL"), ref.Name, ref.Version)
		return false, err
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := s.lockDefinitions(ctx, tx); err != nil {
			return err
		}
		// A push may have brought it back.
		tag, err := tx.Exec(ctx, s.text(`
			DELETE FROM {schema}.module_version v USING {schema}.module m
			WHERE m.name = v.module AND v.module = $1 AND v.version = $2 AND v.retired_at IS NOT NULL AND v.version <> m.live_version`), ref.Name, ref.Version)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		deleted = true
		_, err = tx.Exec(ctx, s.text(dropBlobText), ref.Digest)
		return err
	})
	return deleted, err
}

// isNeeded reports whether any task has the version.
func (s *Store) isNeeded(ctx context.Context, ref task.ModuleRef) (needed bool, err error) {
	err = s.pool.QueryRow(ctx, s.text("SELECT EXISTS (SELECT FROM {schema}.task WHERE module = $1 AND module_version = $2)"), s.hot, ref.Name, ref.Version).Scan(&needed)
	return needed, err
}

// retire keeps new tasks from having the version, unless one is about to, or it is live.
func (s *Store) retire(ctx context.Context, ref task.ModuleRef) (retired bool, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := s.lockDefinitions(ctx, tx); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, s.text(`
			WITH free AS (
				SELECT v.module, v.version FROM {schema}.module_version v JOIN {schema}.module m ON m.name = v.module
				WHERE v.module = $1 AND v.version = $2 AND v.version <> m.live_version
				FOR UPDATE OF v SKIP LOCKED
			)
			UPDATE {schema}.module_version v SET retired_at = now() FROM free
			WHERE v.module = free.module AND v.version = free.version`), ref.Name, ref.Version)
		retired = tag.RowsAffected() > 0
		return err
	})
	return retired, err
}

// dropBlobText deletes bytes that no version has.
const dropBlobText = `
DELETE FROM {schema}.module_blob b
WHERE digest = $1 AND NOT EXISTS (SELECT FROM {schema}.module_version v WHERE v.digest = b.digest)`

// collectBlobs deletes the bytes that no version and no task has. There are none unless
// somebody has deleted versions by hand.
func (s *Store) collectBlobs(ctx context.Context) error {
	rows, err := s.pool.Query(ctx, s.text(`
		SELECT digest FROM {schema}.module_blob b
		WHERE NOT EXISTS (SELECT FROM {schema}.module_version v WHERE v.digest = b.digest)
			AND NOT EXISTS (SELECT FROM {schema}.task t WHERE t.module_digest = b.digest)`))
	if err != nil {
		return failed(err, "look for bytes of no module")
	}
	digests, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return failed(err, "look for bytes of no module")
	}
	for _, digest := range digests {
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			if err := s.lockDefinitions(ctx, tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, s.text(dropBlobText), digest)
			return err
		})
		if err != nil {
			return failed(err, "delete bytes of no module")
		}
	}
	return nil
}
