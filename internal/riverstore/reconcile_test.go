package riverstore

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// runningDB says what a node runs.
type runningDB struct {
	*fakeDB

	running []Attempt
}

func (db *runningDB) Running(_ context.Context, node string) ([]Attempt, error) {
	if node != "me" {
		return nil, errDown
	}
	return db.running, nil
}

func leased(id task.ID, lease int64) *Claim {
	return &Claim{Execution: task.Execution{Task: task.Task{ID: id}, Lease: lease}}
}

// TestReconcile: what the database says that this node runs and it does not is
// given back; what it runs and the database says that it does not is stopped; the
// rest is left alone.
func TestReconcile(t *testing.T) {
	var given []*End
	db := &runningDB{running: []Attempt{{Task: task.ID{1}, Lease: 1, Number: 1}, {Task: task.ID{2}, Lease: 7, Number: 4}}}
	db.fakeDB = &fakeDB{finish: func(ends []*End) ([]bool, error) {
		given = append(given, ends...)
		return make([]bool, len(ends)), nil
	}}
	r := &Runner{db: db, config: RunnerConfig{ServeConfig: ServeConfig{Node: "me"}, Logger: slog.New(slog.DiscardHandler)}}
	cancelled := make(map[byte]error)
	for _, claim := range []*Claim{leased(task.ID{1}, 1), leased(task.ID{2}, 5), leased(task.ID{3}, 1), leased(task.ID{4}, 1)} {
		r.held.add([]*Claim{claim})
		if n := claim.Execution.Task.ID[0]; n != 4 { // which has not begun to run
			r.held.runs(claim, func(cause error) { cancelled[n] = cause })
		}
	}
	require.NoError(t, r.reconcile(t.Context()))
	require.Equal(t, map[byte]error{2: errInterrupted, 3: errInterrupted}, cancelled)
	require.Len(t, given, 1)
	require.Equal(t, task.ID{2}, given[0].ID)
	require.Equal(t, int64(7), given[0].Lease)
	require.Equal(t, 4, given[0].Attempt)
	require.Equal(t, task.Pending, given[0].Status)
	require.True(t, given[0].GiveBack)

	r.held.drop([]*End{{ID: task.ID{1}, Lease: 1}, {ID: task.ID{2}, Lease: 5}, {ID: task.ID{3}, Lease: 9}})
	require.ElementsMatch(t, []lease{{task.ID{3}, 1}, {task.ID{4}, 1}}, r.held.all())
}
