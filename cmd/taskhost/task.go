package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/task"
)

func (a *app) taskCommand() *cobra.Command {
	group := &cobra.Command{Use: "task", Short: "Enqueue, find, stop and repeat tasks", Args: args(cobra.NoArgs), RunE: showHelp}
	group.AddCommand(
		a.taskEnqueueCommand(),
		&cobra.Command{
			Use:     "show ID",
			Short:   "Show a task and its attempts",
			Example: "  taskhost task show 01890a5d-ac96-774b-bcce-b302099a8057",
			Args:    args(cobra.ExactArgs(1)),
			RunE:    a.remote(a.taskShow),
		},
		a.taskLogsCommand(),
		a.taskWatchCommand(),
		a.taskListCommand(),
		a.taskCancelCommand(),
		a.taskRetryCommand(),
		&cobra.Command{
			Use:     "result ID",
			Short:   "Write what a task returned to standard output",
			Example: "  taskhost task result 01890a5d-ac96-774b-bcce-b302099a8057 > result.json",
			Args:    args(cobra.ExactArgs(1)),
			RunE:    a.remote(a.taskResult),
		},
	)
	for _, c := range group.Commands() {
		remoteFlags(c)
	}
	return group
}

func (a *app) taskShow(cmd *cobra.Command, args []string, c *client) error {
	id, err := parseID(args[0])
	if err != nil {
		return err
	}
	t, err := c.task(cmd.Context(), id, 0)
	if err != nil {
		return err
	}
	attempts, err := c.attempts(cmd.Context(), id)
	if err != nil {
		return err
	}
	shown := &shownTask{t, attempts}
	return a.print(shown, shown.fill)
}

func (a *app) printTask(t *task.Task) error {
	return a.print(t, func(out *table) { fillTask(t, out) })
}

func fillTask(t *task.Task, out *table) {
	out.row("task", t.ID)
	out.row("name", t.Name)
	if t.Module != nil {
		out.row("module", fmt.Sprintf("%s version %d", t.Module.Name, t.Module.Version))
	}
	out.row("status", t.Status)
	out.row("attempts", fmt.Sprintf("%d of %d", t.Attempt, t.MaxAttempts))
	out.row("priority", t.Priority)
	if t.Parent != nil {
		out.row("enqueued by", t.Parent)
	}
	for _, key := range slices.Sorted(maps.Keys(t.Tags)) {
		out.row("tag", key+"="+t.Tags[key])
	}
	out.row("source", t.Source)
	if t.RetriedFrom != nil {
		out.row("retried from", *t.RetriedFrom)
	}
	if t.ResolvedBy != nil {
		out.row("resolved by", *t.ResolvedBy)
	}
	out.row("created", timeText(t.CreatedAt))
	if t.CancelRequestedAt != nil {
		out.row("cancelled", timeText(*t.CancelRequestedAt))
	}
	if t.WaitingReason != "" {
		out.row("waiting", t.WaitingReason)
	}
	if t.NextAttemptAt != nil {
		out.row("next attempt", timeText(*t.NextAttemptAt))
	}
	if t.StartedAt != nil {
		out.row("started", timeText(*t.StartedAt))
	}
	if t.EndedAt != nil {
		out.row("ended", timeText(*t.EndedAt))
	} else if t.ExpiresAt != nil {
		out.row("expires", timeText(*t.ExpiresAt))
	}
	if t.StartedAt != nil {
		out.row("queue wait", durationText(t.QueueWait))
		out.row("run time", durationText(t.RunTime))
	}
	if t.EndedAt != nil {
		out.row("total", durationText(t.Total()))
	}
	if t.ResultBytes > 0 {
		out.row("result", sizeText(t.ResultBytes)+" of "+t.ResultType)
	}
	if t.Error != "" {
		out.row("error", t.Error)
	}
	for i, line := range strings.Split(t.Trace, "\n") {
		if i == 0 && line != "" {
			out.row("trace", line)
		} else if line != "" {
			out.row("", line)
		}
	}
}

func (a *app) taskResult(cmd *cobra.Command, args []string, c *client) error {
	id, err := parseID(args[0])
	if err != nil {
		return err
	}
	result, _, err := c.result(cmd.Context(), id)
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(result)
	return err
}

func parseID(text string) (task.ID, error) {
	id, err := task.ParseID(text)
	if err != nil {
		return id, &usageError{err}
	}
	return id, nil
}
