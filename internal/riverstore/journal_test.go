package riverstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func begin(j *journal, id byte) *attemptLog {
	return j.begin(&task.Execution{Task: task.Task{ID: task.ID{id}, Attempt: 1}, Lease: 1})
}

func messages(lines []LogLine) (texts []string) {
	for _, line := range lines {
		texts = append(texts, line.Message)
	}
	return texts
}

func noStore([]LogLine) error { panic("there is nothing to store") }

func TestJournalFlushesOpenLogs(t *testing.T) {
	var j journal
	require.NoError(t, j.flush(noStore), "with no attempt")
	one, two, idle := begin(&j, 1), begin(&j, 2), begin(&j, 3)
	require.NoError(t, j.flush(noStore), "with nothing logged")

	one.Log(task.Info, "1a", nil)
	two.Log(task.Info, "2a", nil)
	one.Log(task.Info, "1b", nil)
	var stored []string
	require.NoError(t, j.flush(func(lines []LogLine) error {
		stored = append(stored, messages(lines)...)
		return nil
	}))
	require.ElementsMatch(t, []string{"1a", "1b", "2a"}, stored, "with one call")
	require.NoError(t, j.flush(noStore), "only once")

	one.Log(task.Info, "1c", nil)
	require.Equal(t, []string{"1c"}, messages(j.end(one)), "the end stores what is left")
	require.Empty(t, j.end(two))
	require.Empty(t, j.end(idle))
	require.Empty(t, j.open)
	one.Log(task.Info, "too late", nil)
	require.NoError(t, j.flush(noStore), "an attempt that has ended is not looked at")
}

func TestJournalKeepsWhatCouldNotBeStored(t *testing.T) {
	var j journal
	l := begin(&j, 1)
	l.Log(task.Info, "a", nil)
	err := j.flush(func([]LogLine) error {
		l.Log(task.Info, "b", nil) // logging goes on meanwhile
		return errDown
	})
	require.ErrorIs(t, err, errDown)
	l.Log(task.Info, "c", nil)
	require.Equal(t, []string{"a", "b", "c"}, messages(j.end(l)), "in order")
}

// TestJournalEndWaitsForAFlush: were the end stored first, the lines of the
// flush would be refused.
func TestJournalEndWaitsForAFlush(t *testing.T) {
	for name, failure := range map[string]error{"that works": nil, "that fails": errDown} {
		t.Run(name, func(t *testing.T) {
			var j journal
			l := begin(&j, 1)
			l.Log(task.Info, "a", nil)
			storing, release, flushed := make(chan struct{}), make(chan struct{}), make(chan error)
			go func() {
				flushed <- j.flush(func([]LogLine) error {
					close(storing)
					<-release
					return failure
				})
			}()
			<-storing
			ended := make(chan []LogLine, 1)
			go func() { ended <- j.end(l) }()
			require.Eventually(t, func() bool {
				j.mu.Lock()
				defer j.mu.Unlock()
				return len(j.open) == 0
			}, waitAtMost, tick)
			require.Empty(t, ended, "it has begun, and waits")
			close(release)
			require.ErrorIs(t, <-flushed, failure)
			if lines := <-ended; failure == nil {
				require.Empty(t, lines)
			} else {
				require.Equal(t, []string{"a"}, messages(lines))
			}
		})
	}
}

func TestJournalConcurrently(t *testing.T) {
	var j journal
	const attempts, each = 20, 100
	ended := make(chan int)
	for i := range attempts {
		go func() {
			l := begin(&j, byte(i))
			for n := range each {
				l.Log(task.Info, fmt.Sprint(n), nil)
			}
			ended <- len(j.end(l))
		}()
	}
	stored := 0
	count := func(lines []LogLine) error { stored += len(lines); return nil }
	for left := attempts; left > 0; {
		require.NoError(t, j.flush(count))
		select {
		case n := <-ended:
			stored += n
			left--
		default:
		}
	}
	require.Equal(t, attempts*each, stored)
}
