package riverstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func newLog(lease int64) *attemptLog {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	return &attemptLog{id: task.ID{1}, lease: lease, attempt: 2, now: func() time.Time { return at }}
}

func TestLogLine(t *testing.T) {
	l := newLog(3)
	l.Log(task.Warn, "careful", json.RawMessage(`{"a":1}`))
	l.Log(task.Debug, "", nil)
	at := time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)
	require.Equal(t, []LogLine{
		{Task: task.ID{1}, Lease: 3, LogEntry: task.LogEntry{Seq: 3 << 24, Attempt: 2, Time: at, Level: task.Warn, Message: "careful", Fields: json.RawMessage(`{"a":1}`)}},
		{Task: task.ID{1}, Lease: 3, LogEntry: task.LogEntry{Seq: 3<<24 | 1, Attempt: 2, Time: at, Level: task.Debug}},
	}, l.take())
	require.Empty(t, l.take(), "what was taken is gone")
	l.Log(task.Info, "later", nil)
	require.Equal(t, int64(3<<24|2), l.take()[0].Seq, "the numbers go on")
}

func TestLogMessagesAreMadeStorable(t *testing.T) {
	limit := strings.Repeat("x", MaxLogLine)
	for name, test := range map[string]struct{ message, want string }{
		"as it is":                {"Grüße\n\ttabs", "Grüße\n\ttabs"},
		"not UTF-8":               {"a\xff\xfeb", "a\uFFFDb"},
		"a NUL":                   {"a\x00b\x00", "a\uFFFDb\uFFFD"},
		"at the limit":            {limit, limit},
		"one over":                {limit + "x", strings.Repeat("x", MaxLogLine-9) + "… (cut)"},
		"far over":                {strings.Repeat(limit, 100), strings.Repeat("x", MaxLogLine-9) + "… (cut)"},
		"NULs that grow over it":  {strings.Repeat("\x00", MaxLogLine), strings.Repeat("\uFFFD", (MaxLogLine-9)/3) + "… (cut)"},
		"cut inside a character":  {strings.Repeat("ä", MaxLogLine), strings.Repeat("ä", (MaxLogLine-9)/2) + "… (cut)"},
		"cut inside a longer one": {strings.Repeat("😀", MaxLogLine), strings.Repeat("😀", (MaxLogLine-9)/4) + "… (cut)"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(1)
			l.Log(task.Info, test.message, nil)
			got := l.take()[0].Message
			require.Equal(t, test.want, got)
			require.LessOrEqual(t, len(got), MaxLogLine)
			require.True(t, utf8.ValidString(got))
		})
	}
}

func TestLogFieldsTooLargeAreDropped(t *testing.T) {
	l := newLog(1)
	fits := json.RawMessage(`{"a":"` + strings.Repeat("x", MaxLogLine-8) + `"}`)
	require.Len(t, fits, MaxLogLine)
	l.Log(task.Info, "m", fits)
	l.Log(task.Info, "m", append(fits, ' '))
	lines := l.take()
	require.Equal(t, fits, lines[0].Fields)
	require.JSONEq(t, `{"dropped":"fields of 8193 bytes, at most 8192 are kept"}`, string(lines[1].Fields))
	require.Equal(t, "m", lines[1].Message, "the message stays")
}

func TestLogIsTruncatedOnce(t *testing.T) {
	l := newLog(1)
	message := strings.Repeat("x", MaxLogLine)
	const fit = MaxLogBytes / (MaxLogLine + LogLineCost)
	for range fit {
		l.Log(task.Info, message, nil)
	}
	l.Log(task.Info, message, json.RawMessage(`{"a":1}`))
	l.Log(task.Error, "after that", nil)
	lines := l.take()
	count := len(lines) // the lines are too long to be shown
	require.Equal(t, fit+1, count)
	require.Equal(t, message, lines[fit-1].Message, "what fits is kept")
	require.Equal(t, task.LogEntry{
		Seq: 1<<24 | fit, Attempt: 2, Time: lines[0].Time, Level: task.Warn,
		Message: "truncated: limit logs: the attempt logged more than 1048576 bytes, the rest is dropped: log less, or raise log_bytes of the definition",
	}, lines[fit].LogEntry)

	l.Log(task.Info, "still", nil)
	require.Empty(t, l.take(), "storing lines makes no room for more")
}

// TestLogCountsFieldsToo: fields are as large as messages.
func TestLogCountsFieldsToo(t *testing.T) {
	l := newLog(1)
	fields := json.RawMessage(`{"a":"` + strings.Repeat("x", MaxLogLine-8) + `"}`)
	for range MaxLogBytes/MaxLogLine + 10 {
		l.Log(task.Info, "", fields)
	}
	count := len(l.take())
	require.Equal(t, MaxLogBytes/(MaxLogLine+LogLineCost)+1, count)
}

// TestLogOfEmptyLinesIsTruncated: a line costs a row and its memory, whatever
// is in it. A Go function may log in a loop.
func TestLogOfEmptyLinesIsTruncated(t *testing.T) {
	l := newLog(1)
	for range MaxLogBytes/LogLineCost + 10 {
		l.Log(task.Info, "", nil)
	}
	count := len(l.take())
	require.Equal(t, MaxLogBytes/LogLineCost+1, count)
}

// TestLogNumbersStayInTheirAttempt: two lines with one number are one line in
// the database, and the numbers above belong to another attempt.
func TestLogNumbersStayInTheirAttempt(t *testing.T) {
	require.Less(t, int64(MaxLogBytes/LogLineCost+1), int64(1)<<task.LogSeqBits, "there are more numbers than lines")
}

func TestLogNumbersRiseAcrossAttempts(t *testing.T) {
	first, second := newLog(1), newLog(3)
	second.Log(task.Info, "b", nil)
	for i := range 1000 {
		first.Log(task.Info, fmt.Sprint(i), nil)
	}
	lines := first.take()
	require.Less(t, lines[len(lines)-1].Seq, second.take()[0].Seq)
	require.Less(t, int64(1)<<29<<task.LogSeqBits-1, int64(1)<<53, "half a milliard leases fit a JSON number")
}

func TestLogConcurrently(t *testing.T) {
	l := newLog(1)
	const writers, each = 8, 500
	var group sync.WaitGroup
	var taken []LogLine
	done := make(chan struct{})
	for w := range writers {
		group.Go(func() {
			for i := range each {
				l.Log(task.Info, fmt.Sprintf("%d %d", w, i), nil)
			}
		})
	}
	go func() {
		defer close(done)
		for len(taken) < writers*each {
			taken = append(taken, l.take()...)
		}
	}()
	group.Wait()
	<-done

	next := make([]int, writers)
	for i, line := range taken {
		require.Equal(t, int64(1)<<24|int64(i), line.Seq, "no number is missing or given twice")
		var w, n int
		_, err := fmt.Sscanf(line.Message, "%d %d", &w, &n)
		require.NoError(t, err)
		require.Equal(t, next[w], n, "the lines of a writer keep their order")
		next[w]++
	}
}
