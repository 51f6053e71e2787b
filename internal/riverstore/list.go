package riverstore

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/task"
)

// Dialect is how a store writes what the lists of the stores do not have in common.
type Dialect struct {
	// Schema stands before each table, with its dot.
	Schema string
	// ID makes an argument of an id.
	ID func(task.ID) any
	// Running stands behind task t where only what runs is chosen.
	Running string
	// Duration is the duration of a task t in microseconds, of what an index holds;
	// DurationArg is the nth argument, in microseconds, as the index has it.
	Duration    string
	DurationArg string
}

// Selection is a statement that yields the ids of a page, or of a filter.
type Selection struct {
	// Text selects id, in its order; for a page, one more than its limit.
	Text string
	Args []any
	// Order is that of the tasks t of a page.
	Order string
}

// selector builds a Selection. Arguments are written ?1, ?2…
type selector struct {
	Dialect

	rarest     string // a tag to begin with
	id         string // the column
	key        string // what is sorted by before the id
	direction  string
	conditions []string
	args       []any
}

func (s *selector) where(conditions ...string) { s.conditions = append(s.conditions, conditions...) }

func (s *selector) arg(value any) string {
	s.args = append(s.args, value)
	return fmt.Sprintf("?%d", len(s.args))
}

// cursor is the last task of a page.
type cursor struct {
	Sort      task.Sort `json:"s"`
	Ascending bool      `json:"a,omitempty"`
	Key       int64     `json:"k,omitempty"` // what is sorted by, beside the id
	ID        task.ID   `json:"i"`
}

// nextCursor is the cursor of the page after one that ends with that task.
func nextCursor(page task.Page, last *task.Task) string {
	c := cursor{Sort: page.Sort, Ascending: page.Ascending, ID: last.ID}
	switch page.Sort {
	case task.ByDuration:
		c.Key = last.Duration().Microseconds()
	case task.ByPriority:
		c.Key = int64(last.Priority)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return "" // a struct of these always marshals
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func readCursor(page *task.Page) (*cursor, error) {
	if page.Cursor == "" {
		return nil, nil //nolint:nilnil // the first page
	}
	c := new(cursor)
	text, err := base64.RawURLEncoding.DecodeString(page.Cursor)
	if err == nil {
		err = json.Unmarshal(text, c)
	}
	if err != nil {
		return nil, &task.InvalidError{Field: "cursor", Problem: "is none that a list has answered with"}
	}
	if c.Sort != page.Sort || c.Ascending != page.Ascending {
		return nil, &task.InvalidError{Field: "cursor", Problem: "belongs to another order: ask for the first page again"}
	}
	return c, nil
}

// checkPage fills in what a page leaves out, or says what is wrong with it.
func checkPage(page task.Page) (task.Page, error) {
	if page.Sort == "" {
		page.Sort = task.ByCreated
	}
	if page.Limit == 0 {
		page.Limit = task.DefaultPage
	}
	switch {
	case page.Sort != task.ByCreated && page.Sort != task.ByDuration && page.Sort != task.ByPriority:
		return page, &task.InvalidError{Field: "sort", Problem: fmt.Sprintf("%.40q is none of created, duration and priority", page.Sort)}
	case page.Limit < 1 || page.Limit > task.MaxPage:
		return page, &task.InvalidError{Field: "limit", Problem: fmt.Sprintf("must be from 1 to %d, is %d", task.MaxPage, page.Limit)}
	}
	return page, nil
}

// selectPage is the statement for a page that checkPage has passed. rarest is the
// tag of the filter that the fewest tasks have, empty without tags.
func selectPage(d Dialect, filter *task.Filter, page task.Page, rarest string) (*Selection, error) {
	c, err := readCursor(&page)
	if err != nil {
		return nil, err
	}
	s := newSelector(d, rarest, page.Ascending)
	beyond := "<"
	if page.Ascending {
		beyond = ">"
	}
	order := ""
	switch page.Sort {
	case task.ByDuration:
		s.key, order = d.Duration, d.Duration+s.direction+", "
		s.where("t.started_at IS NOT NULL", "t.ended_at IS NOT NULL")
	case task.ByPriority:
		s.key, order = "t.priority", "t.priority"+s.direction+", "
	}
	switch {
	case c == nil:
	case page.Sort == task.ByCreated:
		s.where(s.id + beyond + s.arg(d.ID(c.ID)))
	default:
		key := s.arg(c.Key)
		if page.Sort == task.ByDuration {
			key = strings.ReplaceAll(d.DurationArg, "?", key)
		}
		s.where(fmt.Sprintf("(%s, %s) %s (%s, %s)", s.key, s.id, beyond, key, s.arg(d.ID(c.ID))))
	}
	text := s.ids(filter, page.Limit+1)
	return &Selection{Text: text, Args: s.args, Order: order + "t.id" + s.direction}, nil
}

// selectIDs is the statement for the ids of a filter, the oldest first.
func selectIDs(d Dialect, filter *task.Filter, limit int, rarest string) *Selection {
	s := newSelector(d, rarest, true)
	return &Selection{Text: s.ids(filter, limit), Args: s.args, Order: "t.id" + s.direction}
}

func newSelector(d Dialect, rarest string, ascending bool) *selector {
	s := &selector{Dialect: d, rarest: rarest, id: "t.id", direction: " DESC"}
	if ascending {
		s.direction = " ASC"
	}
	if rarest != "" { // tags are in the order of ids
		s.id = "g.task_id"
	}
	return s
}

// ids selects up to limit ids. What an index is for is written so that the index
// yields the order too, and little has to be sorted: each status is a part of its own,
// of which none yields more than limit, but where tags or durations are gone through.
func (s *selector) ids(filter *task.Filter, limit int) string {
	s.filter(filter)
	statuses := filter.Statuses
	switch {
	case s.rarest != "" || s.key == s.Duration:
		if len(statuses) > 0 {
			s.where("t.status IN (" + literals(statuses) + ")")
		}
		return s.part(limit, "")
	case len(statuses) == 0 && filter.Name != "" && s.key == "": // names have their index by status
		statuses = []task.Status{task.Pending, task.Running, task.Success, task.Failed, task.Interrupted, task.Cancelled}
	case len(statuses) == 0:
		return s.part(limit, "")
	}
	parts := make([]string, 0, len(statuses))
	for _, status := range slices.Compact(slices.Sorted(slices.Values(statuses))) {
		hint, more := s.Running, []string{"t.status = '" + string(status) + "'"}
		if status != task.Running {
			hint, more = "", append(more, "t.status <> 'running'") // as the indexes say
		}
		parts = append(parts, fmt.Sprintf("SELECT id, k FROM (%s) p", s.part(limit, hint, more...)))
	}
	order := "id" + s.direction
	if s.key != "" {
		order = "k" + s.direction + ", " + order
	}
	return fmt.Sprintf("SELECT id FROM (%s) u ORDER BY %s LIMIT %d", strings.Join(parts, " UNION ALL "), order, limit)
}

// part selects the ids of one part, and what they are sorted by.
func (s *selector) part(limit int, hint string, more ...string) string {
	from := s.Schema + "task t" + hint
	if s.rarest != "" {
		// In this order, for databases that go by it.
		from = fmt.Sprintf("%stask_tag g CROSS JOIN %stask t", s.Schema, s.Schema)
	}
	text := fmt.Sprintf("SELECT %s AS id, %s AS k FROM %s", s.id, cmp.Or(s.key, "0"), from)
	if all := slices.Concat(s.conditions, more); len(all) > 0 {
		text += " WHERE " + strings.Join(all, " AND ")
	}
	order := s.id + s.direction
	if s.key != "" {
		order = s.key + s.direction + ", " + order
	}
	return fmt.Sprintf("%s ORDER BY %s LIMIT %d", text, order, limit)
}

// filter adds what a filter asks for, but for the status.
func (s *selector) filter(filter *task.Filter) {
	from, to, _ := filter.IDs() // which was tried before
	if !from.IsZero() {
		s.where(s.id + " >= " + s.arg(s.ID(from)))
	}
	if !to.IsZero() {
		s.where(s.id + " < " + s.arg(s.ID(to)))
	}
	if filter.Name != "" {
		s.where("t.name = " + s.arg(filter.Name))
	}
	if filter.Module != "" {
		s.where("t.module = " + s.arg(filter.Module))
	}
	if len(filter.Sources) > 0 {
		s.where("t.source IN (" + literals(filter.Sources) + ")")
	}
	if filter.Unresolved {
		s.where("t.resolved_by IS NULL")
	}
	for _, key := range slices.Sorted(maps.Keys(filter.Tags)) {
		if key == s.rarest {
			s.where("t.id = g.task_id", "g.key = "+s.arg(key), "g.value = "+s.arg(filter.Tags[key]))
			continue
		}
		s.where(fmt.Sprintf("EXISTS (SELECT 1 FROM %stask_tag h WHERE h.key = %s AND h.value = %s AND h.task_id = t.id)",
			s.Schema, s.arg(key), s.arg(filter.Tags[key])))
	}
}

// literals writes words of ours, which were checked, into a statement: as arguments
// they would keep an index that is for some of them from being used.
func literals[T ~string](words []T) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = "'" + string(word) + "'"
	}
	return strings.Join(quoted, ", ")
}
