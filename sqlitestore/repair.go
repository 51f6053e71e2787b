package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

const (
	// repairLimit bounds a call of Repair, and repairBatch one transaction.
	repairLimit = 10_000
	repairBatch = 1000
)

// lostSQL finds pending tasks whose ticket is gone, or can never be claimed.
// It reads one index, and looks each ticket up by its id.
const lostSQL = `
SELECT rowid FROM task INDEXED BY task_ticket
WHERE status = 'pending' AND due_at <= ?1
    AND NOT EXISTS (SELECT 1 FROM river_job WHERE river_job.id = task.ticket AND state = 'available')
LIMIT ?2`

const lostAgainSQL = `
SELECT id, executor, name, priority, due_at, ticket FROM task
WHERE rowid IN (SELECT value FROM json_each(?1)) AND status = 'pending'
    AND NOT EXISTS (SELECT 1 FROM river_job WHERE river_job.id = task.ticket AND state = 'available')
ORDER BY due_at, id`

// Repair implements [riverstore.Attempts]. It does not take the writer's lock
// where nothing is lost.
func (s *Store) Repair(ctx context.Context) (int, error) {
	lost, err := queryAll(ctx, s.read, func(rows *sql.Rows, rowid *int64) error { return rows.Scan(rowid) },
		lostSQL, micros(now().Add(riverstore.RepairHorizon)), repairLimit)
	if err != nil {
		return 0, fmt.Errorf("look for lost tickets: %w", withCause(err))
	}
	repaired := 0
	for len(lost) > 0 {
		batch := lost[:min(len(lost), repairBatch)]
		lost = lost[len(batch):]
		n, err := s.repairTickets(ctx, batch)
		repaired += n
		if err != nil {
			return repaired, fmt.Errorf("make lost tickets again: %w", err)
		}
	}
	return repaired, nil
}

// lostTicket is a ticket to make again, and the number of the one that was lost.
type lostTicket struct {
	ticket

	old sql.NullInt64
}

func (s *Store) repairTickets(ctx context.Context, rowids []int64) (int, error) {
	list, err := json.Marshal(rowids)
	if err != nil {
		return 0, err
	}
	var lost []lostTicket
	err = s.inTx(ctx, func(w *session) error {
		// Asked again: a claim may have been faster.
		lost, err = queryAll(ctx, w, scanLost, lostAgainSQL, string(list))
		if err != nil || len(lost) == 0 {
			return err
		}
		return w.replace(ctx, lost)
	})
	if err != nil {
		return 0, err
	}
	queues := make(map[string]bool)
	for i := range lost {
		queues[riverstore.Queue(lost[i].executor)] = true
	}
	s.wake(queues)
	return len(lost), nil
}

func scanLost(rows *sql.Rows, l *lostTicket) error {
	var id []byte
	var due int64
	err := rows.Scan(&id, &l.executor, &l.name, &l.priority, &due, &l.old)
	l.task, l.due = toID(id), fromMicros(due)
	return err
}

// replace gives tasks new tickets.
func (w *session) replace(ctx context.Context, lost []lostTicket) error {
	next, err := w.nextTicket(ctx)
	if err != nil {
		return err
	}
	tickets := make([]ticket, len(lost))
	for i := range lost {
		t := lost[i].ticket
		t.id = next + int64(i)
		tickets[i] = t
		// One that is there in another state would stay for ever.
		if _, err := w.ExecContext(ctx, dropTicketSQL, lost[i].old); err != nil {
			return err
		}
		if _, err := w.ExecContext(ctx, "UPDATE task SET ticket = ? WHERE id = ?", t.id, t.task[:]); err != nil {
			return err
		}
	}
	return w.insertTickets(ctx, tickets)
}

// Running implements [riverstore.Attempts].
func (s *Store) Running(ctx context.Context, node string) ([]riverstore.Attempt, error) {
	attempts, err := queryAll(ctx, s.read, func(rows *sql.Rows, a *riverstore.Attempt) error {
		var id []byte
		err := rows.Scan(&id, &a.Lease, &a.Number)
		a.Task = toID(id)
		return err
	}, "SELECT id, lease, attempt FROM task WHERE node = ? AND status = 'running'", node)
	if err != nil {
		return nil, fmt.Errorf("list what runs: %w", withCause(err))
	}
	return attempts, nil
}

// Ended implements [riverstore.Ender].
func (s *Store) Ended(ctx context.Context, ids []task.ID) ([]task.ID, error) {
	open := make(map[task.ID]bool)
	found, err := queryAll(ctx, s.read, func(rows *sql.Rows, id *[]byte) error { return rows.Scan(id) },
		"SELECT id FROM task WHERE id IN (SELECT unhex(value) FROM json_each(?)) AND status IN ('pending', 'running')", hexList(ids))
	if err != nil {
		return nil, fmt.Errorf("ask which tasks have ended: %w", withCause(err))
	}
	for _, id := range found {
		open[toID(id)] = true
	}
	var ended []task.ID
	for _, id := range ids {
		if !open[id] {
			ended = append(ended, id)
		}
	}
	return ended, nil
}
