package riverstore

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// endStore is a database that keeps ends, and refuses those of the task refused
// as often as it is told to.
type endStore struct {
	mu      sync.Mutex
	stored  map[task.ID]int
	refused task.ID
	left    int
	err     error
	tries   []time.Time
	logs    int
	batches []int
}

func (s *endStore) finish(batch []*End) ([]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries = append(s.tries, time.Now())
	if s.left > 0 && slices.ContainsFunc(batch, func(end *End) bool { return end.ID == s.refused }) {
		s.left--
		return nil, s.err
	}
	s.batches = append(s.batches, len(batch))
	ok := make([]bool, len(batch))
	for i, end := range batch {
		s.stored[end.ID]++
		s.logs += len(end.Logs)
		ok[i] = i == 0
	}
	return ok, nil
}

func ender(s *endStore) (*Runner, *bytes.Buffer) {
	s.stored = make(map[task.ID]int)
	log := new(bytes.Buffer)
	r := &Runner{
		db:      &fakeDB{finish: s.finish},
		config:  RunnerConfig{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))},
		abandon: make(chan struct{}),
	}
	r.ends = newGroup(endBatch, r.storeEnds)
	return r, log
}

func endOf(n byte) *End { return &End{ID: task.ID{n}} }

func TestEndsAreStored(t *testing.T) {
	var db endStore
	r, log := ender(&db)
	require.NoError(t, r.waitStored(t.Context()), "there are none")
	r.storeEnds([]*End{}) // a batch that is empty changes nothing
	r.unstored.Add(2)
	r.storeEnds([]*End{endOf(1), endOf(2)})
	require.NoError(t, r.waitStored(t.Context()))
	require.Equal(t, map[task.ID]int{{1}: 1, {2}: 1}, db.stored)
	require.Contains(t, log.String(), "an attempt ended after its task had moved on")
	require.Contains(t, log.String(), task.ID{2}.String())
	require.NotContains(t, log.String(), task.ID{1}.String())
}

// TestAnEndThatIsRefused: it does not hold up the others, and is tried again.
func TestAnEndThatIsRefused(t *testing.T) {
	for name, err := range map[string]error{
		"for good":    errDown,
		"for a while": fmt.Errorf("%w: locked", task.ErrUnavailable),
		"by time":     fmt.Errorf("finish: %w", context.DeadlineExceeded),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := endStore{refused: task.ID{2}, left: 6, err: err}
				r, log := ender(&db)
				for n := range byte(5) {
					r.submit(endOf(n))
				}
				require.NoError(t, r.waitStored(t.Context()))
				require.Equal(t, map[task.ID]int{{0}: 1, {1}: 1, {2}: 1, {3}: 1, {4}: 1}, db.stored, "each once")
				require.Contains(t, log.String(), err.Error())
			})
		})
	}
}

func TestAnEndIsTriedLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := endStore{refused: task.ID{1}, left: 1_000_000, err: errDown}
		r, _ := ender(&db)
		r.submit(endOf(1))
		anHour, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.ErrorIs(t, r.waitStored(anHour), context.DeadlineExceeded)
		synctest.Wait()
		var pauses []time.Duration
		for i := 1; i < len(db.tries); i++ {
			if pause := db.tries[i].Sub(db.tries[i-1]); pause > 0 {
				pauses = append(pauses, pause)
			}
		}
		require.Equal(t, 10*time.Millisecond, pauses[0])
		require.True(t, slices.IsSorted(pauses))
		require.Equal(t, 2*time.Second, slices.Max(pauses))
		require.Greater(t, len(pauses), 1700, "and goes on")

		r.submit(endOf(2))
		synctest.Wait()
		require.Equal(t, 1, db.stored[task.ID{2}], "others are stored meanwhile")

		close(r.abandon)
		require.NoError(t, r.waitStored(t.Context()), "what was abandoned is not waited for")
	})
}

func TestManyEndsShareTransactions(t *testing.T) {
	var db endStore
	r, _ := ender(&db)
	const attempts = 1000
	var group sync.WaitGroup
	for n := range attempts {
		group.Go(func() { r.submit(&End{ID: task.ID{byte(n), byte(n >> 8)}}) })
	}
	group.Wait()
	require.NoError(t, r.waitStored(t.Context()))
	require.Len(t, db.stored, attempts)
	require.LessOrEqual(t, slices.Max(db.batches), endBatch)
}

// TestLongLogsAreStoredInParts: others who write need not wait for all of them.
func TestLongLogsAreStoredInParts(t *testing.T) {
	var db endStore
	var parts []int
	r, _ := ender(&db)
	failed := false
	r.db.(*fakeDB).appendLogs = func(lines []LogLine) error {
		if len(parts) == 1 && !failed {
			failed = true
			return errDown
		}
		parts = append(parts, len(lines))
		return nil
	}
	end := endOf(1)
	end.Logs = make([]LogLine, logBatch+1)
	r.submit(end)
	require.NoError(t, r.waitStored(t.Context()))
	require.Equal(t, []int{logBatch, logBatch, 1}, parts, "the first part again, after the second had failed")
	require.Zero(t, db.logs, "and not with the end")
	require.Equal(t, 1, db.stored[task.ID{1}])

	end = endOf(2)
	end.Logs = make([]LogLine, logBatch)
	r.submit(end)
	require.NoError(t, r.waitStored(t.Context()))
	require.Equal(t, logBatch, db.logs, "what fits is stored with the end")
}
