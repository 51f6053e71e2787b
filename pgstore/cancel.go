package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var (
	_ riverstore.Controller = (*Store)(nil)
	_ riverstore.Commander  = (*Store)(nil)
)

// lockText locks tasks, in one order everywhere, so that two transactions cannot wait
// for each other. Once they are locked, no claim and no end changes them. The last column
// is whether one of those did between the statement's begin and the lock.
const lockText = `
WITH seen AS MATERIALIZED (
    SELECT id, lease FROM {schema}.task WHERE id = ANY ($1)
)
SELECT t.id, t.status, t.ticket, t.node, t.cancel_requested_at IS NOT NULL, t.lease <> seen.lease
FROM {schema}.task t JOIN seen ON seen.id = t.id ORDER BY t.id`

// cancelWaitingText ends tasks that wait: now, and not when the transaction began,
// since it may have waited for the end of an attempt.
const cancelWaitingText = `
WITH cancelled AS (
    UPDATE {schema}.task SET
        status = 'cancelled',
        ticket = NULL,
        cancel_requested_at = clock_timestamp(),
        ended_at = greatest(clock_timestamp(), created_at),
        error = $2,
        sealed_failure = NULL,
        cause = 'cancelled',
        trace = NULL
    WHERE id = ANY ($1)
    RETURNING id, status, name, source, attempt, cause
){event}, event AS (
    INSERT INTO {schema}.event (task_id, status, name, source, attempt, cause)
    SELECT id, status, name, source, attempt, cause FROM cancelled
){/event}
SELECT count(*) FROM cancelled`

const cancelRunningText = `UPDATE {schema}.task SET cancel_requested_at = clock_timestamp() WHERE id = ANY ($1)`

// dropTicketsText passes over tickets that a claim has taken and which wait for a task
// that is locked here: the claim drops them when it finds that they are no task's.
const dropTicketsText = `
DELETE FROM {schema}.river_job WHERE id IN (
    SELECT id FROM {schema}.river_job WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED)`

// orderText tells nodes that something is asked of them.
const orderText = `SELECT pg_notify('{schema}.` + riverstore.OrderTopic + `', node) FROM unnest($1::text[]) AS n (node)`

// locked is a task to cancel.
type locked struct {
	id        task.ID
	status    task.Status
	ticket    *int64
	node      *string
	requested bool
	moved     bool
}

// cancelling is what a call is to change.
type cancelling struct {
	waiting, running []task.ID
	tickets          []int64
	nodes            map[string]bool
	// again are tasks that came to wait while others were locked. To cancel them in the
	// same transaction would announce it as if it had happened before that.
	again []task.ID
}

// CancelTasks implements [riverstore.Controller].
func (s *Store) CancelTasks(ctx context.Context, ids []task.ID, dry bool) ([]riverstore.Verdict, error) {
	found := make(map[task.ID]riverstore.Verdict, len(ids))
	do := cancelling{nodes: make(map[string]bool)}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		text := lockText
		if !dry {
			text += " FOR UPDATE OF t"
		}
		rows, err := tx.Query(ctx, s.text(text), s.hot, rawIDs(ids))
		if err != nil {
			return err
		}
		var t locked
		var status string
		_, err = pgx.ForEachRow(rows, []any{(*[16]byte)(&t.id), &status, &t.ticket, &t.node, &t.requested, &t.moved}, func() error {
			t.status = task.Status(status)
			verdict := riverstore.JudgeCancel(t.id, t.status, t.requested)
			found[t.id] = verdict
			switch {
			case verdict.Skipped != "":
			case t.moved && t.status == task.Pending && len(ids) > 1 && !dry:
				do.again = append(do.again, t.id)
			default:
				do.add(t)
			}
			return nil
		})
		if err != nil || dry {
			return err
		}
		return s.cancel(ctx, tx, &do)
	})
	if err != nil {
		return nil, fmt.Errorf("cancel tasks: %w", err)
	}
	if !dry {
		s.waiters.Tell(do.waiting)
		s.hear() // sooner than by the database
	}
	for _, id := range do.again { // one by one, so that no other is waited for
		verdicts, err := s.CancelTasks(ctx, []task.ID{id}, dry)
		if err != nil {
			return nil, err
		}
		found[id] = verdicts[0]
	}
	return riverstore.Verdicts(ids, found), nil
}

func (c *cancelling) add(t locked) {
	if t.status == task.Pending {
		c.waiting = append(c.waiting, t.id)
		if t.ticket != nil {
			c.tickets = append(c.tickets, *t.ticket)
		}
		return
	}
	c.running = append(c.running, t.id)
	c.nodes[value(t.node)] = true
}

func (s *Store) cancel(ctx context.Context, tx pgx.Tx, do *cancelling) error {
	if len(do.waiting) > 0 {
		if _, err := tx.Exec(ctx, s.text(cancelWaitingText), s.hot, rawIDs(do.waiting), riverstore.CancelledWaiting); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, s.text(dropTicketsText), s.hot, do.tickets); err != nil {
			return err
		}
	}
	if len(do.running) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, s.text(cancelRunningText), s.hot, rawIDs(do.running)); err != nil {
		return err
	}
	return s.order(ctx, tx, do.nodes)
}

// order tells nodes, once the transaction is committed.
func (s *Store) order(ctx context.Context, tx querier, nodes map[string]bool) error {
	names := make([]string, 0, len(nodes))
	for name := range nodes {
		names = append(names, name)
	}
	_, err := tx.Exec(ctx, s.text(orderText), names)
	return err
}

// hear has this process's own node ask what is asked of it.
func (s *Store) hear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving != nil {
		s.serving.runner.Hear()
	}
}
