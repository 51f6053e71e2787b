package task

import (
	"strings"
	"time"
)

// Limits of a list.
const (
	// DefaultPage and MaxPage bound the tasks of one page.
	DefaultPage = 50
	MaxPage     = 200
	// MaxBulk bounds the tasks that one call for many of them takes on.
	MaxBulk = 10_000
)

// Filter chooses tasks: those for which all that is set holds. The zero value
// chooses all. The JSON form is that of HTTP bodies.
type Filter struct {
	// Statuses and Sources choose tasks with any of those named.
	Statuses []Status `json:"status,omitempty"`
	Sources  []Source `json:"source,omitempty"`
	// Name is a definition's, Module a module's.
	Name   string `json:"name,omitempty"`
	Module string `json:"module,omitempty"`
	// Tags are all to be there, with these values.
	Tags map[string]string `json:"tags,omitempty"`
	// CreatedAfter and CreatedBefore bound the time of the enqueue, to the
	// millisecond, by the clock of whoever enqueued: it is in the id.
	CreatedAfter  time.Time `json:"created_after,omitzero"`
	CreatedBefore time.Time `json:"created_before,omitzero"`
	// IDPrefix is how the text of an id begins.
	IDPrefix string `json:"id_prefix,omitempty"`
	// Unresolved leaves out the tasks that were retried.
	Unresolved bool `json:"unresolved,omitempty"`
}

// Validate reports the first field whose value is not allowed.
func (f *Filter) Validate() error {
	for _, s := range f.Statuses {
		if !s.Terminal() && s != Pending && s != Running {
			return invalid("status", "%.40q is none of pending, running, success, failed, interrupted and cancelled", s)
		}
	}
	for _, s := range f.Sources {
		if s != Manual && s != Scheduled && s != Retried && s != Child {
			return invalid("source", "%.40q is none of manual, scheduled, retry and task", s)
		}
	}
	if !isText(f.Name) || !isText(f.Module) {
		return invalid("name", notText)
	}
	if _, _, err := f.IDs(); err != nil {
		return err
	}
	return validateTags(f.Tags)
}

// IDs are the bounds that a filter sets to ids: from the first on, up to the second
// and without it. A bound that is zero is none.
func (f *Filter) IDs() (from, to ID, err error) {
	if f.IDPrefix != "" {
		if from, to, err = prefixRange(f.IDPrefix); err != nil {
			return from, to, err
		}
	}
	if !f.CreatedAfter.IsZero() {
		// What was created within the millisecond is left out with what was before it.
		if first := firstID(f.CreatedAfter.Add(time.Millisecond - 1)); first.Compare(from) > 0 {
			from = first
		}
	}
	if !f.CreatedBefore.IsZero() {
		if last := firstID(f.CreatedBefore.Add(time.Millisecond - 1)); to.IsZero() || last.Compare(to) < 0 {
			to = last
		}
	}
	return from, to, nil
}

// firstID is the lowest id of a millisecond.
func firstID(at time.Time) (id ID) {
	ms := max(at.UnixMilli(), 1) // none is before 1970, and no bound is zero
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	return id
}

// prefixRange is that of the ids whose text begins so.
func prefixRange(prefix string) (from, to ID, err error) {
	const lowest, highest = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
	text := strings.ToLower(prefix)
	if len(text) <= len(lowest) {
		from, err = ParseID(text + lowest[len(text):])
	}
	if err != nil || len(text) > len(lowest) {
		return from, to, invalid("id_prefix", "%.40q is not how an id such as 01890a5d-ac96-774b-bcce-b302099a8057 begins", prefix)
	}
	if to, err = ParseID(text + highest[len(text):]); err != nil {
		return from, to, err
	}
	for i := len(to) - 1; i >= 0; i-- { // the one after it
		if to[i]++; to[i] != 0 {
			break
		}
	}
	return from, to, nil
}

// Sort is what a list is ordered by.
type Sort string

// The orders.
const (
	// ByCreated is the order of ids: that in which tasks were enqueued, by the
	// clocks of those who did.
	ByCreated Sort = "created"
	// ByDuration lists the tasks that have started and ended, by their
	// [Task.Duration]. The others are left out.
	ByDuration Sort = "duration"
	// ByPriority is in the order of priorities, and of creation inside of one.
	ByPriority Sort = "priority"
)

// Page chooses a part of a list.
type Page struct {
	// Sort defaults to [ByCreated].
	Sort Sort
	// Ascending has the oldest, shortest or lowest first, rather than last.
	Ascending bool
	// Limit bounds the tasks of the page. Defaults to [DefaultPage], at most
	// [MaxPage].
	Limit int
	// Cursor is the Next of the page before, empty for the first. It belongs to
	// the same filter and order.
	Cursor string
}

// List is a page of tasks.
type List struct {
	Tasks []Task `json:"tasks"`
	// Next is the cursor of the page that follows, empty where there is none.
	Next string `json:"next"`
}

// Bulk is what became of a call for many tasks.
type Bulk struct {
	// Matched is how many tasks were chosen, Done for how many of them something
	// was done, or would be.
	Matched int `json:"matched"`
	Done    int `json:"done"`
	// Skipped counts the others by the reason, which is a code such as
	// [CodeAlreadyRetried].
	Skipped map[string]int `json:"skipped"`
	// Results names those for which something was done, where that made new tasks.
	Results []Retry `json:"results,omitempty"`
	// More is set where the filter chooses more tasks than one call takes on: call
	// again for them.
	More   bool `json:"more"`
	DryRun bool `json:"dry_run"`
}

// Retry is a task that was retried, and the new task.
type Retry struct {
	From ID `json:"original_task_id"`
	To   ID `json:"new_task_id"`
}
