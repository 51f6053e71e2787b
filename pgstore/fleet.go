package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var _ riverstore.Fleet = (*Store)(nil)

// keepDead is how long a node that died stays in the list, for people to see. Its
// row is deleted some time later.
const keepDead = time.Hour

// Beat implements [riverstore.Fleet].
func (s *Store) Beat(ctx context.Context, node *task.Node) error {
	capacity, err := json.Marshal(node.Slots)
	if err != nil {
		return err
	}
	functions, err := json.Marshal(node.Functions)
	if err != nil {
		return err
	}
	_, err = s.control.Exec(ctx, s.text(`
		INSERT INTO {schema}.node (id, started_at, heartbeat_at, version, capacity, functions)
		VALUES ($1, now(), now(), $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET heartbeat_at = now()`),
		node.ID, node.Version, string(capacity), string(functions))
	return withCause(err)
}

// Leave implements [riverstore.Fleet].
func (s *Store) Leave(ctx context.Context, node string) error {
	_, err := s.control.Exec(ctx, s.text("DELETE FROM {schema}.node WHERE id = $1"), node)
	return withCause(err)
}

// Heartbeats implements [riverstore.Fleet].
func (s *Store) Heartbeats(ctx context.Context) ([]riverstore.Heartbeat, error) {
	rows, err := s.control.Query(ctx, s.text(`
		SELECT id, (extract(epoch FROM heartbeat_at) * 1000000)::bigint, (extract(epoch FROM now() - heartbeat_at) * 1000000)::bigint
		FROM {schema}.node
		UNION ALL
		SELECT DISTINCT node, 0, 0 FROM {schema}.task
		WHERE status = 'running' AND node NOT IN (SELECT id FROM {schema}.node)`), s.hot)
	if err != nil {
		return nil, withCause(err)
	}
	beats, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (beat riverstore.Heartbeat, err error) {
		var silence int64
		err = row.Scan(&beat.Node, &beat.Beat, &silence)
		beat.Silence = time.Duration(silence) * time.Microsecond
		return beat, err
	})
	return beats, withCause(err)
}

// Orphans implements [riverstore.Fleet].
func (s *Store) Orphans(ctx context.Context, nodes []string, limit int) ([]*riverstore.End, error) {
	rows, err := s.control.Query(ctx, s.text(`
		SELECT `+taskColumns+`, t.lease FROM {schema}.task t
		WHERE t.status = 'running' AND t.node = ANY ($1)
		ORDER BY t.due_at, t.id LIMIT $2`), s.hot, nodes, limit)
	if err != nil {
		return nil, withCause(err)
	}
	ends, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*riverstore.End, error) {
		var t task.Task
		var lease int64
		err := s.scanTask(row, &t, &lease)
		return riverstore.Crashed(&t, lease), err
	})
	return ends, withCause(err)
}

// Nodes lists the processes that work the database, and those that died lately,
// the oldest first.
func (s *Store) Nodes(ctx context.Context) ([]task.Node, error) {
	rows, err := s.pool.Query(ctx, s.text(`
		SELECT n.id, n.version, n.started_at, n.heartbeat_at, n.heartbeat_at > now() - $1 * interval '1 microsecond',
			n.drain_requested_at IS NOT NULL, n.drained_at IS NOT NULL, n.capacity, n.functions,
			(SELECT coalesce(json_object_agg(r.executor, r.n), '{}')::text
				FROM (SELECT executor, count(*) AS n FROM {schema}.task WHERE node = n.id AND status = 'running' GROUP BY executor) r)
		FROM {schema}.node n WHERE n.heartbeat_at > now() - $2 * interval '1 microsecond'
		ORDER BY n.started_at, n.id`), riverstore.DeadAfter.Microseconds(), keepDead.Microseconds())
	if err != nil {
		return nil, failed(err, "read nodes")
	}
	nodes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (task.Node, error) {
		var node task.Node
		var capacity, functions, running string
		var asked, stopped bool
		if err := row.Scan(&node.ID, &node.Version, &node.StartedAt, &node.SeenAt, &node.Alive, &asked, &stopped, &capacity, &functions, &running); err != nil {
			return node, err
		}
		node.StartedAt, node.SeenAt = node.StartedAt.UTC(), node.SeenAt.UTC()
		for _, field := range []struct {
			text string
			to   any
		}{{capacity, &node.Slots}, {functions, &node.Functions}, {running, &node.Running}} {
			if err := json.Unmarshal([]byte(field.text), field.to); err != nil {
				return node, fmt.Errorf("node %s: %w", node.ID, err)
			}
		}
		node.Settle(asked, stopped)
		return node, nil
	})
	return nodes, failed(err, "read nodes")
}
