package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/taskhost/taskhost/task"
)

// filterFlags are those that choose tasks.
type filterFlags struct {
	statuses, sources, tags []string
	name, module, id        string
	since, until            string
	unresolved              bool
}

func (f *filterFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.statuses, "status", nil, "pending, running, success, failed, interrupted or cancelled; several with commas")
	flags.StringVar(&f.name, "name", "", "of this definition")
	flags.StringVar(&f.module, "module", "", "of this module")
	flags.StringArrayVar(&f.tags, "tag", nil, "with this tag, as KEY=VALUE; may be repeated")
	flags.StringSliceVar(&f.sources, "source", nil, "manual, scheduled, retry or task; several with commas")
	flags.StringVar(&f.since, "since", "", "enqueued no longer ago than this, such as 30m, 6h or 7d, or after a time such as 2026-01-31T08:00:00Z")
	flags.StringVar(&f.until, "until", "", "enqueued longer ago than this, or before a time")
	flags.StringVar(&f.id, "id-prefix", "", "whose id begins so")
	flags.BoolVar(&f.unresolved, "unresolved", false, "that were not retried")
}

// given reports whether any of them is set.
func (f *filterFlags) given() bool {
	return len(f.statuses)+len(f.sources)+len(f.tags) > 0 || f.name+f.module+f.id+f.since+f.until != "" || f.unresolved
}

// filter is what they choose.
func (f *filterFlags) filter(now time.Time) (task.Filter, error) {
	filter := task.Filter{Name: f.name, Module: f.module, IDPrefix: f.id, Unresolved: f.unresolved}
	for _, status := range f.statuses {
		filter.Statuses = append(filter.Statuses, task.Status(status))
	}
	for _, source := range f.sources {
		filter.Sources = append(filter.Sources, task.Source(source))
	}
	var err error
	if filter.Tags, err = parseTags(f.tags); err != nil {
		return filter, err
	}
	if filter.CreatedAfter, err = parseTime("--since", f.since, now); err != nil {
		return filter, err
	}
	if filter.CreatedBefore, err = parseTime("--until", f.until, now); err != nil {
		return filter, err
	}
	if err := filter.Validate(); err != nil {
		return filter, &usageError{err}
	}
	return filter, nil
}

// parseTime reads a time, or how long ago it was.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	ago, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n <= 36_600 {
			ago = time.Duration(n) * 24 * time.Hour
		}
	}
	if err != nil || ago <= 0 {
		return time.Time{}, usagef("%s %q must be how long ago, such as 30m, 6h or 7d, or a time such as 2026-01-31T08:00:00Z", flag, text)
	}
	return now.Add(-ago), nil
}

func (a *app) taskListCommand() *cobra.Command {
	var (
		chosen       filterFlags
		sort, cursor string
		ascending    bool
		limit        int
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tasks, newest first",
		Long: `List tasks, newest first: those for which all holds that is asked for.

A list by duration leaves out what has not started, or not ended. Where there are
more tasks than --limit, the last line says how to go on.`,
		Example: `  taskhost task list --status failed,interrupted --since 6h
  taskhost task list --name reports.sales --tag customer=acme --output json
  taskhost task list --sort duration --limit 10`,
		Args: args(cobra.NoArgs),
		RunE: a.remote(func(cmd *cobra.Command, _ []string, c *client) error {
			filter, err := chosen.filter(time.Now())
			if err != nil {
				return err
			}
			list, err := c.list(cmd.Context(), filter, task.Page{Sort: task.Sort(sort), Ascending: ascending, Limit: limit, Cursor: cursor})
			if err != nil {
				return err
			}
			return a.print(list, func(out *table) { fillList(out, list) })
		}),
	}
	flags := cmd.Flags()
	chosen.add(flags)
	flags.StringVar(&sort, "sort", "created", "created, duration or priority")
	flags.BoolVar(&ascending, "ascending", false, "the oldest, shortest or lowest first")
	flags.IntVar(&limit, "limit", task.DefaultPage, "the most tasks to list, up to 200")
	flags.StringVar(&cursor, "cursor", "", "go on after another list, as its last line says")
	return cmd
}

func fillList(out *table, list *task.List) {
	out.row("TASK", "NAME", "STATUS", "PRIORITY", "ATTEMPT", "CREATED", "DURATION", "ERROR")
	for i := range list.Tasks {
		t := &list.Tasks[i]
		duration, status := "-", string(t.Status)
		if t.StartedAt != nil && t.EndedAt != nil {
			duration = durationText(t.Duration())
		}
		if t.ResolvedBy != nil {
			status += ", retried"
		}
		out.row(t.ID, t.Name, status, t.Priority, strconv.Itoa(t.Attempt)+"/"+strconv.Itoa(t.MaxAttempts), timeText(t.CreatedAt), duration, short(t.Error, longestCell))
	}
	if list.Next != "" {
		out.row()
		out.row("more: --cursor " + list.Next)
	}
}

func (c *client) list(ctx context.Context, filter task.Filter, page task.Page) (*task.List, error) {
	query := url.Values{
		"sort": {string(page.Sort)}, "order": {"desc"}, "limit": {strconv.Itoa(page.Limit)},
		"name": {filter.Name}, "module": {filter.Module}, "id_prefix": {filter.IDPrefix}, "cursor": {page.Cursor},
	}
	if page.Ascending {
		query.Set("order", "asc")
	}
	if filter.Unresolved {
		query.Set("unresolved", "true")
	}
	for name, words := range map[string][]string{"status": texts(filter.Statuses), "source": texts(filter.Sources)} {
		query.Set(name, strings.Join(words, ","))
	}
	for key, value := range filter.Tags {
		query.Add("tag", key+"="+value)
	}
	for name, at := range map[string]time.Time{"created_after": filter.CreatedAfter, "created_before": filter.CreatedBefore} {
		if !at.IsZero() {
			query.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	for name := range query { // what is empty is not asked for
		if query.Get(name) == "" {
			query.Del(name)
		}
	}
	list := new(task.List)
	err := c.do(ctx, http.MethodGet, "/v1/tasks?"+query.Encode(), "", nil, nil, list)
	return list, err
}

func texts[T ~string](words []T) []string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = string(word)
	}
	return out
}
