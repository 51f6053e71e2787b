package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/task"
)

func (a *app) taskCancelCommand() *cobra.Command {
	var (
		chosen filterFlags
		dryRun bool
	)
	cmd := &cobra.Command{
		Use:   "cancel [ID...]",
		Short: "Cancel tasks, named or chosen",
		Long: `Cancel tasks: those that are named, or those that flags choose.

A task that waits ends at once, and never runs. One that runs is stopped, wherever
that is, and ends as cancelled whatever it returns; 'taskhost task show' says when.
What is cancelled already stays so; what has ended otherwise is an error.

Flags choose tasks that wait or run, unless --status names another state; at most
10,000 with one call.`,
		Example: `  taskhost task cancel 01890a5d-ac96-774b-bcce-b302099a8057
  taskhost task cancel --name reports.sales --status pending --dry-run`,
		RunE: a.remote(func(cmd *cobra.Command, args []string, c *client) error {
			if done, err := a.bulk(cmd.Context(), c, "bulk-cancel", "cancelled", args, &chosen, false, dryRun); done || err != nil {
				return err
			}
			return a.each(args, func(id task.ID) (any, string, error) {
				t, err := c.cancel(cmd.Context(), id)
				if err != nil {
					return nil, "", err
				}
				if t.Status == task.Running {
					return t, "is being stopped", nil
				}
				return t, "is cancelled", nil
			})
		}),
	}
	chosen.add(cmd.Flags())
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say how many would be cancelled")
	return cmd
}

func (a *app) taskRetryCommand() *cobra.Command {
	var (
		chosen                filterFlags
		dryRun, force, failed bool
	)
	cmd := &cobra.Command{
		Use:   "retry [ID...]",
		Short: "Run tasks again that ended without success",
		Long: `Enqueue tasks again that failed, were interrupted or cancelled: those that are
named, or those that flags choose. Each is a new task with everything of the old one:
arguments, tags, priority, options, module version.

What was retried before is left alone, unless --force is given: so the same call can
be repeated. Flags choose tasks that failed or were interrupted, unless --status names
another state; at most 10,000 with one call.`,
		Example: `  taskhost task retry 01890a5d-ac96-774b-bcce-b302099a8057
  taskhost task retry --failed --since 6h --dry-run`,
		RunE: a.remote(func(cmd *cobra.Command, args []string, c *client) error {
			if failed {
				if len(chosen.statuses) > 0 {
					return usagef("give --failed or --status, not both: --failed is --status failed,interrupted")
				}
				chosen.statuses = []string{string(task.Failed), string(task.Interrupted)}
			}
			if done, err := a.bulk(cmd.Context(), c, "bulk-retry", "retried", args, &chosen, force, dryRun); done || err != nil {
				return err
			}
			return a.each(args, func(id task.ID) (any, string, error) {
				next, err := c.retry(cmd.Context(), id, force)
				return task.Retry{From: id, To: next}, "is retried as " + next.String(), err
			})
		}),
	}
	flags := cmd.Flags()
	chosen.add(flags)
	flags.BoolVar(&failed, "failed", false, "choose all that failed or were interrupted")
	flags.BoolVar(&force, "force", false, "retry also what was retried before")
	flags.BoolVar(&dryRun, "dry-run", false, "only say how many would be retried")
	return cmd
}

// each does something to each of the tasks named, and says of each what became of it.
func (a *app) each(args []string, do func(id task.ID) (value any, what string, err error)) error {
	ids := make([]task.ID, len(args))
	for i, text := range args {
		var err error
		if ids[i], err = parseID(text); err != nil {
			return err
		}
	}
	var failed []error
	for _, id := range ids {
		value, what, err := do(id)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if err := a.print(value, func(t *table) { t.row(id, what) }); err != nil {
			return err
		}
	}
	if len(failed) <= 1 {
		return errors.Join(failed...)
	}
	for _, err := range failed {
		complain(a.stderr, err)
	}
	return errReported
}

// bulk does something to the tasks that flags choose, where no task is named or the
// call is a dry run. Without either, it says how the command is used.
func (a *app) bulk(ctx context.Context, c *client, call, what string, args []string, chosen *filterFlags, force, dryRun bool) (done bool, err error) {
	switch {
	case len(args) > 0 && chosen.given():
		return false, usagef("name tasks, or choose them with flags, not both")
	case len(args) == 0 && !chosen.given():
		return false, usagef("name tasks, or choose them with flags such as --name or --since")
	case len(args) > 0 && !dryRun:
		return false, nil
	}
	body := bulkBody{Force: force, DryRun: dryRun}
	for _, text := range args {
		id, err := parseID(text)
		if err != nil {
			return false, err
		}
		body.IDs = append(body.IDs, id)
	}
	if len(args) == 0 {
		filter, err := chosen.filter(time.Now())
		if err != nil {
			return false, err
		}
		body.Filter = &filter
	}
	result, err := c.bulk(ctx, call, body)
	if err != nil {
		return false, err
	}
	return true, a.print(result, func(t *table) { fillBulk(t, result, what) })
}

func fillBulk(t *table, result *task.Bulk, what string) {
	if result.DryRun {
		what = "would be " + what
	}
	t.row("chosen", result.Matched)
	t.row(what, result.Done)
	for _, reason := range slices.Sorted(maps.Keys(result.Skipped)) {
		t.row("left alone, "+reason, result.Skipped[reason])
	}
	if result.More {
		t.row("there are more", "call again for them")
	}
}

// bulkBody is the body of a call for many tasks.
type bulkBody struct {
	IDs    []task.ID    `json:"ids,omitempty"`
	Filter *task.Filter `json:"filter,omitempty"`
	Force  bool         `json:"force,omitempty"`
	DryRun bool         `json:"dry_run,omitempty"`
}

func (c *client) bulk(ctx context.Context, call string, body bulkBody) (*task.Bulk, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	result := new(task.Bulk)
	err = c.do(ctx, http.MethodPost, "/v1/tasks/"+call, "application/json", text, nil, result)
	return result, err
}

func (c *client) cancel(ctx context.Context, id task.ID) (*task.Task, error) {
	t := new(task.Task)
	err := c.do(ctx, http.MethodPost, "/v1/tasks/"+id.String()+"/cancel", "", nil, nil, t)
	return t, err
}

func (c *client) retry(ctx context.Context, id task.ID, force bool) (task.ID, error) {
	path := "/v1/tasks/" + id.String() + "/retry"
	if force {
		path += "?force=true"
	}
	var out struct {
		ID task.ID `json:"task_id"`
	}
	err := c.do(ctx, http.MethodPost, path, "", nil, nil, &out)
	return out.ID, err
}
