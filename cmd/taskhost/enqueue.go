package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/task"
)

// enqueueBody is the body of an enqueue.
type enqueueBody struct {
	Name         string            `json:"name"`
	Args         json.RawMessage   `json:"args,omitempty"`
	Priority     int               `json:"priority,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
	Delay        string            `json:"delay,omitempty"`
	RunAt        string            `json:"run_at,omitempty"`
	Timeout      string            `json:"timeout,omitempty"`
	ExpiresAfter string            `json:"expires_after,omitempty"`
	Unique       string            `json:"unique,omitempty"`
	TTL          string            `json:"idempotency_ttl,omitempty"`
	Version      int               `json:"version,omitempty"`
}

// enqueuedTask is the answer to it.
type enqueuedTask struct {
	ID        task.ID `json:"task_id"`
	Duplicate bool    `json:"duplicate,omitempty"`
}

func (c *client) enqueue(ctx context.Context, body enqueueBody, idempotencyKey string) (out enqueuedTask, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return out, err
	}
	header := http.Header{}
	if idempotencyKey != "" {
		header.Set("Idempotency-Key", idempotencyKey)
	}
	err = c.do(ctx, http.MethodPost, "/v1/tasks", "application/json", text, header, &out)
	return out, err
}

func (a *app) taskEnqueueCommand() *cobra.Command {
	var (
		body          enqueueBody
		argsText, key string
		tagTexts      []string
		wait          bool
		waitTimeout   time.Duration
	)
	cmd := &cobra.Command{
		Use:   "enqueue NAME",
		Short: "Enqueue a task and print its id",
		Long: `Enqueue a task and print its id, or with --wait, what became of it.

Where an earlier task has the same idempotency key, or --unique allows no second
one, nothing is enqueued: the earlier one's id is printed, and standard error says
so.

With --wait the command ends with 0 where the task succeeded, with 1 where it did
not, and with 124 where it has not ended within --wait-timeout. Neither that nor
Ctrl-C does anything to the task.`,
		Example: `  taskhost task enqueue demo.flaky --args '{"fail_times":1}' --wait
  taskhost task enqueue reports.sales --args @sales.json --tag customer=acme
  taskhost task enqueue reports.sales --unique name --expires-after 10m`,
		Args: args(cobra.ExactArgs(1)),
		RunE: a.remote(func(cmd *cobra.Command, args []string, c *client) error {
			if waitTimeout < 0 {
				return usagef("--wait-timeout must not be negative, is %v", waitTimeout)
			}
			var err error
			if body.Args, err = a.readArgs(argsText); err != nil {
				return err
			}
			if body.Tags, err = parseTags(tagTexts); err != nil {
				return err
			}
			body.Name = args[0]
			stored, err := c.enqueue(cmd.Context(), body, key)
			if err != nil {
				return err
			}
			if stored.Duplicate {
				a.say("nothing was enqueued: task %s is there already", stored.ID)
			}
			if !wait && waitTimeout == 0 {
				return a.print(stored, func(t *table) { t.row(stored.ID) })
			}
			return a.waitForEnd(cmd.Context(), c, stored.ID, waitTimeout)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&argsText, "args", "", "arguments as JSON, @FILE to read them from a file, - from standard input")
	flags.StringVar(&key, "idempotency-key", "", "enqueue once for this key, and print the first task's id after that")
	flags.StringVar(&body.TTL, "idempotency-ttl", "", "how long the key holds at least, such as 24h (default as long as the task is kept)")
	flags.StringVar(&body.Unique, "unique", "", "name or args: enqueue nothing while such a task is pending or running; none (default the definition's)")
	flags.StringVar(&body.Delay, "delay", "", "wait before the first attempt, such as 1m30s")
	flags.StringVar(&body.RunAt, "run-at", "", "the earliest time of the first attempt, such as 2030-01-02T03:04:05+01:00")
	flags.StringVar(&body.Timeout, "timeout", "", "bound each attempt, such as 30s")
	flags.StringVar(&body.ExpiresAfter, "expires-after", "", "bound the task as a whole, from when it is due, such as 10m")
	flags.IntVar(&body.Priority, "priority", 0, "1 (lowest) to 10 (highest) (default the definition's)")
	flags.IntVar(&body.Version, "version", 0, "the version of the module to run (default the live one)")
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
