package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/modules"
)

// SetAside notes that a node runs a module no more. A node that leaves or dies takes
// its notes along.
func (s *Store) SetAside(ctx context.Context, node, digest, reason string) error {
	_, err := s.control.Exec(ctx, s.text(`
		INSERT INTO {schema}.quarantine (digest, node, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`), digest, node, reason)
	return failed(err, "note that a module is in quarantine")
}

// StillAside lists the modules that a node has set aside and nobody has released, by
// their digests.
func (s *Store) StillAside(ctx context.Context, node string) ([]string, error) {
	rows, err := s.control.Query(ctx, s.text("SELECT digest FROM {schema}.quarantine WHERE node = $1"), node)
	if err != nil {
		return nil, failed(err, "ask which modules are in quarantine")
	}
	digests, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return digests, failed(err, "ask which modules are in quarantine")
}

// Quarantined implements [modules.Store].
func (s *Store) Quarantined(ctx context.Context) ([]modules.Quarantine, error) {
	rows, err := s.pool.Query(ctx, s.text(`
		SELECT q.digest, q.node, q.since, q.reason
		FROM {schema}.quarantine q JOIN {schema}.node n ON n.id = q.node
		WHERE n.heartbeat_at > now() - $1 * interval '1 microsecond'
		ORDER BY q.digest, q.since, q.node`), riverstore.DeadAfter.Microseconds())
	if err != nil {
		return nil, failed(err, "list modules in quarantine")
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (q modules.Quarantine, err error) {
		err = row.Scan(&q.Digest, &q.Node, &q.Since, &q.Reason)
		q.Since = q.Since.UTC()
		return q, err
	})
	return list, failed(err, "list modules in quarantine")
}

// Release has all nodes run modules again that they have set aside.
func (s *Store) Release(ctx context.Context, digests []string) error {
	_, err := s.pool.Exec(ctx, s.text("DELETE FROM {schema}.quarantine WHERE digest = ANY ($1)"), digests)
	return failed(err, "release a module from quarantine")
}
