package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/httpapi"
	"github.com/taskhost/taskhost/internal/text"
	"github.com/taskhost/taskhost/task"
)

// watching is what to follow.
type watching struct {
	name     string
	statuses []string
}

func (a *app) taskWatchCommand() *cobra.Command {
	var what watching
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print what happens to tasks, as it happens",
		Long: `Print a line for each change of a task's state, on any server of the database,
until Ctrl-C: the time, the state, the attempt, the task's name and its id, and
where and why. It begins now. Where the server goes away meanwhile, it is asked
again once it is back, and nothing is missed; where it stays away for longer than
it keeps events (events.retention), that ends the command.`,
		Example: `  taskhost task watch
  taskhost task watch --status failed,interrupted --output json`,
		Args: args(cobra.NoArgs),
		RunE: a.remote(func(cmd *cobra.Command, _ []string, c *client) error {
			return a.watch(cmd.Context(), c, &what)
		}),
	}
	cmd.Flags().StringVar(&what.name, "name", "", "only tasks of this definition")
	cmd.Flags().StringSliceVar(&what.statuses, "status", nil, "only changes to these states; several with commas")
	return cmd
}

// watch prints events until ctx ends. A stream that breaks off is gone on with.
func (a *app) watch(ctx context.Context, c *client, what *watching) error {
	last := ""
	return keepStreaming(ctx, func() (ended, moved bool, err error) {
		before := last
		err = c.watch(ctx, what, &last, a.printEvent)
		return false, last != before, err
	})
}

func (a *app) printEvent(e *task.Event) error {
	if a.settings.Output == "json" {
		return json.NewEncoder(a.stdout).Encode(e)
	}
	line := fmt.Sprintf("%s %-11s %d %s %s", e.Time.Local().Format("15:04:05.000"), e.Status, e.Attempt, text.Line(e.Name), e.TaskID)
	if e.Node != "" {
		line += " on " + text.Line(e.Node)
	}
	if e.Cause != "" {
		line += " (" + string(e.Cause) + ")"
	}
	_, err := fmt.Fprintln(a.stdout, line)
	return err
}

// watch hands on the events behind the one with that id, and keeps that up to date. A
// stream that is broken off is no error.
func (c *client) watch(ctx context.Context, what *watching, last *string, each func(*task.Event) error) error {
	query := url.Values{}
	if what.name != "" {
		query.Set("name", what.name)
	}
	if len(what.statuses) > 0 {
		query.Set("status", strings.Join(what.statuses, ","))
	}
	response, err := c.openStream(ctx, "/v1/events?"+query.Encode(), *last)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return readStream(response.Body, func(e *streamEvent) error {
		if e.id != "" {
			*last = e.id
		}
		return takeEvent(e, each)
	})
}

func takeEvent(e *streamEvent, each func(*task.Event) error) error {
	switch e.name {
	case "gone":
		problem := new(httpapi.Problem)
		if err := json.Unmarshal([]byte(e.data), problem); err != nil {
			return fmt.Errorf("the server sent something unexpected: %w", err)
		}
		return problem
	case "task":
		event := new(task.Event)
		if err := json.Unmarshal([]byte(e.data), event); err != nil {
			return fmt.Errorf("the server sent something unexpected: %w", err)
		}
		return each(event)
	default:
		return nil
	}
}
