package sqlitestore

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// ticket is a river_job row to write.
type ticket struct {
	id       int64 // 0 for the next
	task     task.ID
	executor task.Executor
	name     string
	priority int
	due      time.Time
}

// A ticket carries the task's id and nothing else. It is a row as River's own
// insert makes it, in the state in which a producer fetches it; one that is due
// later is passed over until then.
const (
	insertTicketHead = "INSERT INTO river_job (id, args, kind, queue, priority, state, scheduled_at) VALUES "
	insertTicketRow  = "(?, jsonb(?), ?, ?, ?, 'available', ?)"
	insertTicketSQL  = insertTicketHead + insertTicketRow
)

var insertTicketsSQL = repeatRow(insertTicketHead, insertTicketRow)

const dropTicketSQL = "DELETE FROM river_job WHERE id = ?"

// nextTicketSQL is the number after the last that was ever given to a ticket.
// Whoever holds the writer's lock may use it: writing a row moves it on.
const nextTicketSQL = `
SELECT 1 + max(
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'river_job'), 0),
    coalesce((SELECT max(id) FROM river_job), 0)
)`

func (w *session) nextTicket(ctx context.Context) (next int64, err error) {
	return next, w.scanRow(ctx, nextTicketSQL, nil, &next)
}

func (w *session) insertTickets(ctx context.Context, tickets []ticket) error {
	write := func(text string) func([]ticket) error {
		return func(tickets []ticket) error {
			args := make([]any, 0, 6*len(tickets))
			for _, t := range tickets {
				args = t.appendTo(args)
			}
			_, err := w.ExecContext(ctx, text, args...)
			return err
		}
	}
	return inChunks(tickets, write(insertTicketsSQL), write(insertTicketSQL))
}

// appendTo appends what fills insertTicketRow.
func (t ticket) appendTo(args []any) []any {
	var id any
	if t.id != 0 {
		id = t.id
	}
	return append(args, id, `{"task_id":"`+t.task.String()+`"}`, riverstore.Kind(t.executor, t.name),
		riverstore.Queue(t.executor), riverstore.RiverPriority(t.priority), riverTime(t.due))
}

// wake tells queues of new tickets.
func (s *Store) wake(queues map[string]bool) {
	for queue := range queues {
		s.bus.Wake(queue)
	}
}
