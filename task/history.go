package task

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Retention says how long tasks are kept once they have ended, by how they ended.
// Zero keeps them for ever, which is what the zero value does with all.
type Retention struct {
	Success     time.Duration
	Failed      time.Duration
	Interrupted time.Duration
	Cancelled   time.Duration
}

// KeepFor keeps every task for the same time after its end.
func KeepFor(d time.Duration) Retention { return Retention{d, d, d, d} }

// Of is how long tasks are kept that ended in this state: zero for ever.
func (r Retention) Of(status Status) time.Duration {
	switch status {
	case Success:
		return r.Success
	case Failed:
		return r.Failed
	case Interrupted:
		return r.Interrupted
	case Cancelled:
		return r.Cancelled
	default:
		return 0
	}
}

// Validate reports the first time that is negative.
func (r Retention) Validate() error {
	for _, status := range Terminals() {
		if d := r.Of(status); d < 0 {
			return invalid(string(status), "must not be negative, is %v: 0 keeps tasks for ever", d)
		}
	}
	return nil
}

// Terminals are the states in which a task has ended.
func Terminals() []Status { return []Status{Success, Failed, Interrupted, Cancelled} }

// HistoryFilter chooses tasks that have ended. The zero value chooses all of them.
type HistoryFilter struct {
	// Statuses are the ends to choose, none for all four.
	Statuses []Status
	// Name is a definition's, empty for all.
	Name string
	// OlderThan is how long ago a task must have ended, by the database's clock.
	OlderThan time.Duration
}

// Validate reports the first field whose value is not allowed.
func (f *HistoryFilter) Validate() error {
	for _, status := range f.Statuses {
		if !slices.Contains(Terminals(), status) {
			return invalid("status", "must be success, failed, interrupted or cancelled, is %.40q: what has not ended is not deleted", status)
		}
	}
	if !isText(f.Name) {
		return invalid("name", notText)
	}
	if f.OlderThan < 0 {
		return invalid("older_than", "must not be negative, is %v", f.OlderThan)
	}
	return nil
}

// HistoryCount is how many tasks were deleted, or would be.
type HistoryCount struct {
	Tasks    int64            `json:"tasks"`
	ByStatus map[Status]int64 `json:"by_status"`
}

// Add counts more tasks of a status.
func (c *HistoryCount) Add(status Status, n int64) {
	if c.ByStatus == nil {
		c.ByStatus = make(map[Status]int64)
	}
	c.ByStatus[status] += n
	c.Tasks += n
}

// day is what the unit d stands for.
const day = 24 * time.Hour

// ParseAge reads a duration as [time.ParseDuration] does, and one that begins with
// days, such as 30d or 1d12h: a day is 24 hours.
func ParseAge(text string) (time.Duration, error) {
	number, rest, ok := strings.Cut(text, "d")
	if !ok {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return 0, notAge(text)
		}
		return d, nil
	}
	days, err := strconv.ParseFloat(number, 64)
	if err != nil || !(days >= 0 && days < float64(1<<63-1)/float64(day)) {
		return 0, notAge(text)
	}
	age := time.Duration(days * float64(day))
	if rest == "" {
		return age, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || age+more < age {
		return 0, notAge(text)
	}
	return age + more, nil
}

func notAge(text string) error {
	return invalid("duration", "%.40q is none: write it with a unit, such as 30d, 12h or 1h30m", text)
}
