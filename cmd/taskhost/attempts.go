package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/task"
)

// shownTask is a task with its attempts.
type shownTask struct {
	*task.Task

	attempts []task.Attempt
}

// MarshalJSON adds the attempts to the task's own keys.
func (s *shownTask) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(s.Task)
	if err != nil {
		return nil, err
	}
	attempts, err := json.Marshal(s.attempts)
	if err != nil {
		return nil, err
	}
	return slices.Concat(text[:len(text)-1], []byte(`,"attempts":`), attempts, []byte("}")), nil
}

// longestCell bounds the text of an error in a table.
const longestCell = 60

// fill writes the task, and a line for each of its attempts.
func (s *shownTask) fill(out *table) {
	fillTask(s.Task, out)
	if len(s.attempts) == 0 {
		return
	}
	out.row()
	out.row("ATTEMPT", "OUTCOME", "STARTED", "WAITED", "RAN", "SANDBOX", "CPU", "FUEL", "MEMORY", "INSTANCE", "NODE", "ERROR")
	for i := range s.attempts {
		a := &s.attempts[i]
		ran, instance := "-", "-"
		if a.EndedAt != nil {
			ran = durationText(a.RunTime())
		}
		if a.Usage.Sandbox > 0 {
			instance = instanceText(a.Usage.Pooled)
		}
		out.row(a.Number, a.Outcome, timeText(a.StartedAt), durationText(a.QueueWait), ran,
			measured(a.Usage.Sandbox, durationText), measured(a.Usage.CPU, durationText),
			measured(a.Usage.Fuel, func(n int64) string { return strconv.FormatInt(n, 10) }),
			measured(a.Usage.PeakMemory, sizeText), instance, a.Node, short(a.Error, longestCell))
	}
}

// measured writes a figure, of which 0 is none.
func measured[T time.Duration | int64](value T, text func(T) string) string {
	if value == 0 {
		return "-"
	}
	return text(value)
}
