package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// loseTicket takes a pending task's ticket away.
func (w *world) loseTicket(id task.ID) {
	w.Helper()
	w.exec("DELETE FROM river_job WHERE id = (SELECT ticket FROM task WHERE id = $1)", w.ID(id))
}

// stopTicket puts a pending task's ticket into a state in which it is never claimed.
func (w *world) stopTicket(id task.ID) {
	w.Helper()
	w.exec("UPDATE river_job SET state = 'pending' WHERE id = (SELECT ticket FROM task WHERE id = $1)", w.ID(id))
}

// copyTicket makes a second ticket of a pending task's, of another task where args
// are given.
func (w *world) copyTicket(id task.ID, args string) {
	w.Helper()
	what := "args"
	if args != "" {
		what = "'" + args + "'"
	}
	w.exec(`INSERT INTO river_job (args, kind, queue, priority, state, scheduled_at, max_attempts)
		SELECT `+what+`, kind, queue, priority, state, scheduled_at, max_attempts
		FROM river_job WHERE id = (SELECT ticket FROM task WHERE id = $1)`, w.ID(id))
}

// claimFor makes a pending task one that a node has claimed, as it looks when the
// node knows nothing of it.
func (w *world) claimFor(node string, id task.ID) {
	w.Helper()
	w.loseTicket(id)
	w.exec(`UPDATE task SET status = 'running', node = $1,
			attempt = attempt + 1, lease = lease + 1, run_at = created_at, due_at = created_at,
			started_at = coalesce(started_at, created_at), attempt_started_at = created_at
		WHERE id = $2`, node, w.ID(id))
	// Where the table itself does not announce it.
	w.exec(`INSERT INTO event (task_id, status, name, source, attempt, node)
		SELECT id, status, name, source, attempt, node FROM task
		WHERE id = $1 AND lease > (SELECT count(*) FROM event e WHERE e.task_id = task.id AND e.node IS NOT NULL)`, w.ID(id))
}

// supersede makes the attempt that runs one whose lease is old.
func (w *world) supersede(id task.ID) {
	w.Helper()
	w.exec("UPDATE task SET lease = lease + 2 WHERE id = $1", w.ID(id))
	w.leapt[id] += 2
}

// text reads one text.
func (w *world) text(query string, args ...any) (text string) {
	w.Helper()
	require.NoError(w, w.DB.QueryRowContext(w.Context(), query, args...).Scan(&text), query)
	return text
}
