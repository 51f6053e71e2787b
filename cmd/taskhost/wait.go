package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/taskhost/taskhost/httpapi"
	"github.com/taskhost/taskhost/task"
)

// errStillWaiting ends a wait whose time is up.
var errStillWaiting = errors.New("the task has not ended in the time to wait")

// waitForEnd waits for a task, shows how far it is, and prints it. Whatever ends
// the wait, the task goes on; a limit of 0 is none.
func (a *app) waitForEnd(ctx context.Context, c *client, id task.ID, limit time.Duration) error {
	waiting, cancel := ctx, func() {}
	if limit > 0 {
		waiting, cancel = context.WithTimeoutCause(ctx, limit, errStillWaiting)
	}
	defer cancel()
	watch := &watch{bar: newProgress(a.stderr, 0), since: time.Now()}
	t, err := c.await(waiting, id, watch.interval(), watch.show)
	watch.bar.clear()
	if cause := context.Cause(waiting); err != nil && cause != nil {
		err = cause // and not what it did to the request
	}
	if err != nil {
		a.say("task %s is stored, whatever happens here; to look at it: %s", id, a.again("task show "+id.String()))
		return err
	}
	if err := a.printTask(t); err != nil {
		return err
	}
	if t.Status != task.Success {
		return errReported
	}
	return nil
}

// again is a command for the same server.
func (a *app) again(command string) string {
	command = "taskhost " + command
	for _, flag := range []struct{ key, name, value string }{
		{"data_dir", "data-dir", a.settings.DataDir},
		{"server", "server", a.settings.Server},
	} {
		if a.settings.origins[flag.key] == originFlag {
			command += " --" + flag.name + " " + flag.value
		}
	}
	return command
}

// watch tells of a task that is waited for: how it stands on a terminal, and
// anywhere why it cannot start.
type watch struct {
	bar    *progress
	since  time.Time
	reason string
}

// interval is how long one request waits: on a terminal, what is shown is to be
// fresh.
func (w *watch) interval() time.Duration {
	if w.bar.terminal {
		return time.Second
	}
	return 20 * time.Second
}

func (w *watch) show(t *task.Task) {
	if t.WaitingReason != w.reason && t.WaitingReason != "" {
		w.bar.line("waiting: %s", t.WaitingReason)
	}
	w.reason = t.WaitingReason
	text := string(t.Status)
	switch {
	case t.Status == task.Running && t.MaxAttempts > 1:
		text = fmt.Sprintf("running, attempt %d of %d", t.Attempt, t.MaxAttempts)
	case t.NextAttemptAt != nil && t.NextAttemptAt.After(time.Now()):
		text = "pending until " + timeText(*t.NextAttemptAt)
	}
	w.bar.note(fmt.Sprintf("%s %s: %s", time.Since(w.since).Round(time.Second), t.Name, text))
}

// await asks for a task until it has ended, and tells of each answer. The server
// waits with each answer but the first, up to an interval. One that cannot just
// now is asked again.
func (c *client) await(ctx context.Context, id task.ID, interval time.Duration, seen func(*task.Task)) (*task.Task, error) {
	const pause, longPause = 100 * time.Millisecond, time.Second
	for wait := time.Duration(0); ; {
		asked := time.Now()
		t, err := c.task(ctx, id, wait)
		rest := time.Duration(0)
		switch {
		case isBusy(err):
			rest = longPause
		case err != nil:
			return nil, err
		case t.Status.Terminal():
			return t, nil
		case wait > 0: // a server that stops, or knows of no waiting, answers at once
			rest = pause - time.Since(asked)
		}
		if err == nil {
			seen(t)
		}
		wait = interval
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// isBusy reports whether the same request may do better a little later.
func isBusy(err error) bool {
	var problem *httpapi.Problem
	return errors.As(err, &problem) && problem.Status == http.StatusServiceUnavailable
}
