package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

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

func (a *app) taskEnqueueCommand() *cobra.Command {
	var (
		argsText, key, delay, timeout string
		priority                      int
		tagTexts                      []string
		wait                          bool
		waitTimeout                   time.Duration
	)
	cmd := &cobra.Command{
		Use:   "enqueue NAME",
		Short: "Enqueue a task and print its id",
		Long: `Enqueue a task and print its id, or with --wait, what became of it.

With --wait the command ends with 0 where the task succeeded, with 1 where it did
not, and with 124 where it has not ended within --wait-timeout. Neither that nor
Ctrl-C does anything to the task.`,
		Example: `  taskhost task enqueue demo.flaky --args '{"fail_times":1}' --wait
  taskhost task enqueue reports.sales --args @sales.json --tag customer=acme`,
		Args: args(cobra.ExactArgs(1)),
		RunE: a.remote(func(cmd *cobra.Command, args []string, c *client) error {
			if waitTimeout < 0 {
				return usagef("--wait-timeout must not be negative, is %v", waitTimeout)
			}
			input, err := a.readArgs(argsText)
			if err != nil {
				return err
			}
			tags, err := parseTags(tagTexts)
			if err != nil {
				return err
			}
			id, err := c.enqueue(cmd.Context(), enqueueBody{
				Name: args[0], Args: input, Priority: priority, Tags: tags, Delay: delay, Timeout: timeout,
			}, key)
			if err != nil {
				return err
			}
			if !wait && waitTimeout == 0 {
				return a.print(map[string]string{"task_id": id.String()}, func(t *table) { t.row(id) })
			}
			return a.waitForEnd(cmd.Context(), c, id, waitTimeout)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&argsText, "args", "", "arguments as JSON, @FILE to read them from a file, - from standard input")
	flags.StringVar(&key, "idempotency-key", "", "enqueue once for this key, and print the first task's id after that")
	flags.StringVar(&delay, "delay", "", "wait before the first attempt, such as 1m30s")
	flags.StringVar(&timeout, "timeout", "", "bound each attempt, such as 30s")
	flags.IntVar(&priority, "priority", 0, "1 (lowest) to 10 (highest) (default the definition's)")
	flags.StringArrayVar(&tagTexts, "tag", nil, "KEY=VALUE, may be repeated")
	flags.BoolVar(&wait, "wait", false, "wait for the end, print the task, and fail unless it succeeded")
	flags.DurationVar(&waitTimeout, "wait-timeout", 0, "wait for at most this long, such as 30s (default without an end)")
	return cmd
}

func parseTags(texts []string) (map[string]string, error) {
	tags := make(map[string]string, len(texts))
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("--tag %q must be KEY=VALUE", text)
		}
		tags[key] = value
	}
	return tags, nil
}

// readArgs reads arguments from where --args says.
func (a *app) readArgs(text string) (json.RawMessage, error) {
	var input []byte
	var err error
	switch {
	case text == "":
		return nil, nil
	case text == "-":
		input, err = io.ReadAll(a.stdin)
	case strings.HasPrefix(text, "@"):
		input, err = os.ReadFile(text[1:])
	default:
		input = []byte(text)
	}
	if err != nil {
		return nil, err
	}
	if !json.Valid(input) {
		return nil, usagef("--args is not valid JSON: write --args '{\"key\":\"value\"}', or --args @FILE")
	}
	return input, nil
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
