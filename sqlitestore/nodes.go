package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/taskhost/taskhost/task"
)

// lockPatience is how long a start tries for the lock: [Store.Nodes] of another
// process holds it for a moment.
const (
	lockPatience = 100 * time.Millisecond
	lockRetry    = 5 * time.Millisecond
)

// lock takes the lock that whoever works the file holds. The operating system
// gives it back however the process ends.
func (s *Store) lock(ctx context.Context) (*flock.Flock, error) {
	lock := flock.New(s.lockPath(), flock.SetPermissions(0o600))
	patience, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	locked, err := lock.TryLockContext(patience, lockRetry)
	if locked {
		return lock, nil
	}
	if err != nil && patience.Err() == nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	holder := "another process"
	var node string
	if err := s.read.QueryRowContext(ctx, "SELECT id FROM node ORDER BY started_at DESC").Scan(&node); err == nil {
		holder = "node " + node
	}
	return nil, fmt.Errorf("the database %s is being worked by %s: stop it, or choose another database", s.path, holder)
}

func (s *Store) lockPath() string { return s.path + ".lock" }

// isWorked reports whether any process works the file.
func (s *Store) isWorked() (bool, error) {
	if _, err := os.Stat(s.lockPath()); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	lock := flock.New(s.lockPath(), flock.SetPermissions(0o600))
	free, err := lock.TryRLock()
	if err != nil {
		return false, fmt.Errorf("ask who works the database: %w", err)
	}
	return !free, lock.Close()
}

func (s *Store) putNode(ctx context.Context, config ServeConfig) error {
	functions := []string{}
	for _, def := range config.Functions {
		functions = append(functions, def.Name)
	}
	slices.Sort(functions)
	names, err := json.Marshal(functions)
	if err != nil {
		return err
	}
	capacity, err := json.Marshal(config.Slots)
	if err != nil {
		return err
	}
	at := micros(now())
	_, err = s.write.ExecContext(ctx, "INSERT INTO node (id, started_at, heartbeat_at, version, capacity, functions) VALUES (?, ?, ?, ?, ?, ?)",
		config.Node, at, at, config.Version, string(capacity), string(names))
	return err
}

// Nodes returns the process that works the file, if one does. One that has died
// is listed as not alive, until the next one starts.
func (s *Store) Nodes(ctx context.Context) ([]task.Node, error) {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		n := &nodes[i]
		if err := s.countRunning(ctx, n); err != nil {
			return nil, err
		}
		n.Settle(n.State == task.NodeDraining || n.State == task.NodeDrained, n.State == task.NodeDrained)
	}
	return nodes, nil
}

// nodes leaves out what they run.
func (s *Store) nodes(ctx context.Context) ([]task.Node, error) {
	alive, err := s.isWorked()
	if err != nil {
		return nil, err
	}
	at := fromMicros(micros(now()))
	nodes, err := queryAll(ctx, s.read, func(rows *sql.Rows, n *task.Node) error {
		var startedAt, seenAt int64
		var capacity, functions string
		var asked, stopped bool
		if err := rows.Scan(&n.ID, &n.Version, &startedAt, &seenAt, &asked, &stopped, &capacity, &functions); err != nil {
			return err
		}
		n.StartedAt, n.SeenAt, n.Alive = fromMicros(startedAt), fromMicros(seenAt), alive
		if alive {
			n.SeenAt = at
		}
		n.Running = make(map[task.Executor]int)
		n.Settle(asked, stopped)
		return errors.Join(json.Unmarshal([]byte(capacity), &n.Slots), json.Unmarshal([]byte(functions), &n.Functions))
	}, "SELECT id, version, started_at, heartbeat_at, drain_requested_at IS NOT NULL, drained_at IS NOT NULL, capacity, functions FROM node ORDER BY started_at")
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", withCause(err))
	}
	return nodes, nil
}

func (s *Store) countRunning(ctx context.Context, node *task.Node) error {
	type count struct {
		executor task.Executor
		n        int
	}
	counts, err := queryAll(ctx, s.read, func(rows *sql.Rows, c *count) error {
		return rows.Scan(&c.executor, &c.n)
	}, "SELECT executor, count(*) FROM task WHERE status = 'running' AND node = ? GROUP BY executor", node.ID)
	if err != nil {
		return fmt.Errorf("count what runs: %w", withCause(err))
	}
	for _, c := range counts {
		node.Running[c.executor] = c.n
	}
	return nil
}
