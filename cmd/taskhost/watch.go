package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/httpapi"
	"github.com/taskhost/taskhost/internal/text"
	"github.com/taskhost/taskhost/task"
)

// eventSettings say how long events are kept for who follows them.
type eventSettings struct {
	Retention string `koanf:"retention"`
}

const eventsRetentionKey = "events.retention"

// eventDefaults are the keys of eventSettings with their defaults.
func eventDefaults() map[string]any { return map[string]any{eventsRetentionKey: "1h"} }

func eventFlags(cmd *cobra.Command) {
	settingFlag(cmd.Flags(), "events-retention", "how long changes of tasks are kept for who follows them, 0 to record none (default 1h)")
}

// retention is what taskhost.Config takes: nothing is recorded where it is negative.
func (e *eventSettings) retention() (time.Duration, error) {
	d, err := task.ParseAge(e.Retention)
	switch {
	case err != nil:
		return 0, usagef("%s: %q is no duration: write it with a unit, such as 1h or 10m, or 0 to record no events", eventsRetentionKey, e.Retention)
	case d == 0:
		return -1, nil
	default:
		return d, nil
	}
}

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
	last, heard := "", time.Now()
	for {
		before := last
		err := c.watch(ctx, what, &last, a.printEvent)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !passes(err):
			return err
		case err == nil || last != before:
			heard = time.Now()
		case time.Since(heard) > followPatience:
			return err
		}
		select {
		case <-time.After(followRetry):
		case <-ctx.Done():
			return nil
		}
	}
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
	response, err := c.open(ctx, "/v1/events?"+query.Encode(), *last)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	name, data := "", ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			*last = value
		case "event":
			name = value
		case "data":
			data = value
		case "":
			if err := takeEvent(name, data, each); err != nil {
				return err
			}
			name, data = "", ""
		}
	}
	return nil
}

func takeEvent(name, data string, each func(*task.Event) error) error {
	switch name {
	case "gone":
		problem := new(httpapi.Problem)
		if err := json.Unmarshal([]byte(data), problem); err != nil {
			return fmt.Errorf("the server sent something unexpected: %w", err)
		}
		return problem
	case "task":
		e := new(task.Event)
		if err := json.Unmarshal([]byte(data), e); err != nil {
			return fmt.Errorf("the server sent something unexpected: %w", err)
		}
		return each(e)
	default:
		return nil
	}
}

// open asks for a stream of events, behind the one with that id if there is any.
func (c *client) open(ctx context.Context, path, last string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return nil, fmt.Errorf("server: %w: give an address such as http://127.0.0.1:7420", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	endless := *c.http
	endless.Timeout = 0
	response, err := endless.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: is 'taskhost serve' running?", errUnreachable, err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return nil, c.problem(response, answer)
}
