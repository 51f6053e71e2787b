package main

import (
	"fmt"
	"time"

	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/task"
)

// retentionSettings say how long tasks are kept that have ended. One that is empty has
// the value of All.
type retentionSettings struct {
	All         string `koanf:"all"`
	Success     string `koanf:"success"`
	Failed      string `koanf:"failed"`
	Interrupted string `koanf:"interrupted"`
	Cancelled   string `koanf:"cancelled"`
}

// retentionKey is how the time for all is written, and retentionAll the key beside those
// for each status: one key cannot be a value and hold others.
const (
	retentionKey = "retention"
	retentionAll = "retention.all"
)

// retentionDefaults are the keys of retentionSettings with their defaults.
func retentionDefaults() map[string]any {
	return map[string]any{
		retentionAll:            "0",
		"retention.success":     "",
		"retention.failed":      "",
		"retention.interrupted": "",
		"retention.cancelled":   "",
	}
}

// spreadRetention takes a value that stands for all to where it is kept.
func spreadRetention(values *koanf.Koanf) error {
	value := values.Get(retentionKey)
	if _, nested := value.(map[string]any); value == nil || nested {
		return nil
	}
	values.Delete(retentionKey)
	return values.Set(retentionAll, value)
}

func retentionFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	settingFlag(flags, "retention", "how long tasks are kept once they have ended, such as 30d (default 0: for ever)")
	for _, status := range task.Terminals() {
		settingFlag(flags, "retention-"+string(status), fmt.Sprintf("the same for those that ended as %s (default that of --retention)", status))
	}
	settingFlag(flags, "module-versions-kept", "newest versions of a module that are kept whether anybody needs them or not (default 10)")
}

// fields are the settings of each status, by its key.
func (r *retentionSettings) fields() map[task.Status]string {
	return map[task.Status]string{
		task.Success: r.Success, task.Failed: r.Failed, task.Interrupted: r.Interrupted, task.Cancelled: r.Cancelled,
	}
}

func (r *retentionSettings) retention() (task.Retention, error) {
	all, err := retentionTime(retentionKey, r.All)
	if err != nil {
		return task.Retention{}, err
	}
	keep := task.KeepFor(all)
	for status, to := range map[task.Status]*time.Duration{
		task.Success: &keep.Success, task.Failed: &keep.Failed, task.Interrupted: &keep.Interrupted, task.Cancelled: &keep.Cancelled,
	} {
		text := r.fields()[status]
		if text == "" {
			continue
		}
		if *to, err = retentionTime(retentionKey+"."+string(status), text); err != nil {
			return keep, err
		}
	}
	return keep, nil
}

func retentionTime(key, text string) (time.Duration, error) {
	if text == "" { // a variable that is set to nothing
		return 0, nil
	}
	d, err := task.ParseAge(text)
	if err != nil {
		return 0, usagef("%s: %q is no duration: write it with a unit, such as 30d, 12h or 1h30m, or 0 to keep tasks for ever", key, text)
	}
	return d, nil
}

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

// validateKept checks what says how long things are kept.
func (s *settings) validateKept() error {
	if _, err := s.Retention.retention(); err != nil {
		return err
	}
	if _, err := s.Events.retention(); err != nil {
		return err
	}
	if s.ModuleVersionsKept < 0 {
		return usagef("module-versions-kept must be at least 1, is %d", s.ModuleVersionsKept)
	}
	return nil
}

// rows are the settings for people.
func (r *retentionSettings) rows() []setting {
	show := func(text string) string {
		if d, err := task.ParseAge(text); err == nil && d == 0 {
			return "for ever"
		}
		return text
	}
	rows := []setting{{Key: retentionKey, Value: show(r.All)}}
	for _, status := range []task.Status{task.Cancelled, task.Failed, task.Interrupted, task.Success} {
		text := r.fields()[status]
		if text == "" {
			text = r.All
		}
		rows = append(rows, setting{Key: retentionKey + "." + string(status), Value: show(text)})
	}
	return rows
}
