package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/internal/text"
	"github.com/taskhost/taskhost/task"
)

func (a *app) taskLogsCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "Print what a task logged",
		Long: `Print what a task logged: the time, the attempt, the level, the message and its
fields. A line stands between attempts.

With --follow lines are printed as they come, until the task has ended; where the
server goes away meanwhile, it is asked again once it is back.`,
		Example: "  taskhost task logs 01890a5d-ac96-774b-bcce-b302099a8057 --follow",
		Args:    args(cobra.ExactArgs(1)),
		RunE: a.remote(func(cmd *cobra.Command, args []string, c *client) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			out := &logPrinter{app: a}
			if follow {
				return a.followLogs(cmd.Context(), c, id, out)
			}
			return a.allLogs(cmd.Context(), c, id, out)
		}),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the task has ended")
	return cmd
}

// allLogs prints the lines that there are.
func (a *app) allLogs(ctx context.Context, c *client, id task.ID, out *logPrinter) error {
	for {
		entries, _, err := c.logs(ctx, id, out.last.Seq)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, entry := range entries {
			if err := out.print(entry); err != nil {
				return err
			}
		}
	}
}

// followLogs prints lines until the task has ended. A server that stops or dies breaks
// the stream off, and goes on with it at the next line once it is back.
func (a *app) followLogs(ctx context.Context, c *client, id task.ID, out *logPrinter) error {
	return keepStreaming(ctx, func() (ended, moved bool, err error) {
		before := out.last.Seq
		ended, err = c.follow(ctx, id, before, out.print)
		return ended, out.last.Seq != before, err
	})
}

var errEnded = errors.New("the task has ended")

// follow hands on the lines of a task after the one with that number, as they come. It
// reports whether the task has ended.
func (c *client) follow(ctx context.Context, id task.ID, after int64, each func(task.LogEntry) error) (ended bool, err error) {
	response, err := c.openStream(ctx, "/v1/tasks/"+id.String()+"/logs?follow=true&after="+strconv.FormatInt(after, 10), "")
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	err = readStream(response.Body, func(e *streamEvent) error {
		switch e.name {
		case "end":
			return errEnded
		case "log":
			var entry task.LogEntry
			if err := json.Unmarshal([]byte(e.data), &entry); err != nil {
				return fmt.Errorf("the server sent something unexpected: %w", err)
			}
			return each(entry)
		default:
			return nil
		}
	})
	if errors.Is(err, errEnded) {
		return true, nil
	}
	return false, err
}

// logPrinter prints lines, and where an attempt ends and the next begins.
type logPrinter struct {
	app  *app
	last task.LogEntry
}

func (p *logPrinter) print(entry task.LogEntry) error {
	last := p.last
	p.last = entry
	if p.app.settings.Output == "json" {
		return json.NewEncoder(p.app.stdout).Encode(entry)
	}
	if last.Seq != 0 && !last.SameAttempt(entry) {
		if _, err := fmt.Fprintf(p.app.stdout, "--- attempt %d ---\n", entry.Attempt); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.app.stdout, "%s %d %-5s %s %s\n", entry.Time.Local().Format("15:04:05.000"), entry.Attempt, entry.Level, text.Line(entry.Message), entry.Fields)
	return err
}
