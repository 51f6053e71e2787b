package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/task"
)

func (a *app) historyCommand() *cobra.Command {
	group := &cobra.Command{Use: "history", Short: "Delete tasks that have ended", Args: args(cobra.NoArgs), RunE: showHelp}
	group.AddCommand(a.historyClearCommand())
	for _, c := range group.Commands() {
		remoteFlags(c)
	}
	return group
}

// clearChoice is what to delete.
type clearChoice struct {
	statuses        []string
	olderThan, name string
	all, dryRun     bool
}

// cleared is what became of it.
type cleared struct {
	Tasks    int64                 `json:"tasks"`
	ByStatus map[task.Status]int64 `json:"by_status"`
	DryRun   bool                  `json:"dry_run"`
	Complete bool                  `json:"complete"`
}

func (a *app) historyClearCommand() *cobra.Command {
	var choice clearChoice
	cmd := &cobra.Command{
		Use:   "clear",
		Short: "Delete tasks that have ended, with their logs, attempts and results",
		Long: `Delete tasks that have ended, with their logs, attempts and results.

All that is given has to hold of a task for it to be deleted. What waits or runs is
never deleted. The server goes on with its work meanwhile; Ctrl-C ends the deleting,
and what was deleted by then stays deleted.

To have a server do this by itself, see the setting retention of 'taskhost serve'.`,
		Example: "  taskhost history clear --older-than 7d --status success --dry-run\n" +
			"  taskhost history clear --name reports.sales --all",
		Args: args(cobra.NoArgs),
		RunE: a.remote(func(cmd *cobra.Command, _ []string, c *client) error {
			if err := choice.check(); err != nil {
				return err
			}
			return a.clearHistory(cmd.Context(), c, &choice)
		}),
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&choice.statuses, "status", nil, "success, failed, interrupted or cancelled; may be repeated (default all four)")
	flags.StringVar(&choice.olderThan, "older-than", "", "only what ended at least so long ago, such as 7d, 12h or 90m")
	flags.StringVar(&choice.name, "name", "", "only tasks of this name")
	flags.BoolVar(&choice.all, "all", false, "do without --older-than: delete what has just ended, too")
	flags.BoolVar(&choice.dryRun, "dry-run", false, "only count them")
	return cmd
}

func (c *clearChoice) check() error {
	filter := task.HistoryFilter{Name: c.name}
	for _, status := range c.statuses {
		filter.Statuses = append(filter.Statuses, task.Status(status))
	}
	if c.olderThan != "" {
		if _, err := task.ParseAge(c.olderThan); err != nil {
			return usagef("--older-than: %w", err)
		}
	}
	if err := filter.Validate(); err != nil {
		return usagef("%w", err)
	}
	if c.olderThan == "" && !c.all && !c.dryRun {
		return usagef("give --older-than, such as --older-than 7d, or --all for tasks of any age; --dry-run counts them first")
	}
	return nil
}

func (c *clearChoice) query() string {
	query := url.Values{"status": c.statuses}
	if c.olderThan != "" {
		query.Set("older_than", c.olderThan)
	}
	if c.name != "" {
		query.Set("name", c.name)
	}
	query.Set("dry_run", strconv.FormatBool(c.dryRun))
	return query.Encode()
}

// clearHistory asks until nothing is left: the server answers after a while in any case.
func (a *app) clearHistory(ctx context.Context, c *client, choice *clearChoice) error {
	bar := newProgress(a.stderr, 0)
	sum := cleared{ByStatus: make(map[task.Status]int64), DryRun: choice.dryRun}
	for !sum.Complete {
		var part cleared
		bar.note(fmt.Sprintf("deleted %d tasks", sum.Tasks))
		err := c.do(ctx, http.MethodDelete, "/v1/history?"+choice.query(), "", nil, nil, &part)
		if err != nil {
			bar.clear()
			if sum.Tasks > 0 {
				a.say("%d tasks were deleted before this", sum.Tasks)
			}
			return err
		}
		sum.Tasks += part.Tasks
		for status, n := range part.ByStatus {
			sum.ByStatus[status] += n
		}
		sum.Complete = part.Complete
	}
	bar.clear()
	return a.print(&sum, func(t *table) {
		what := "DELETED"
		if sum.DryRun {
			what = "WOULD BE DELETED"
		}
		t.row("STATUS", what)
		for _, status := range task.Terminals() {
			if n, ok := sum.ByStatus[status]; ok {
				t.row(status, n)
			}
		}
		t.row("all", sum.Tasks)
	})
}
