package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/internal/queuebench"
)

func (a *app) benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast Taskhost is here",
		Args:  args(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.benchExecCommand(), a.benchQueueCommand())
	return cmd
}

func (a *app) benchQueueCommand() *cobra.Command {
	var config queuebench.Config
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Measure the queue on Postgres or SQLite, beside bare River",
		Long: `Measure the queue with tasks that do nothing, and River without Taskhost on the
same database, in turn. The best of some runs counts.

Your own tasks are not touched, nor read: on Postgres, two schemas named
taskhost_bench_... are made, and dropped at the end. For SQLite, a folder for
temporary files is made beside the file that --database names, or in the
directory that it names, and removed at the end: it should be on the disk that
matters, and not in memory. Only the flag --database counts here; the setting
does not.

A database that others use will be slow for them meanwhile, which is up to two
minutes. Ctrl-C ends it, and cleans up.

cases:
  enqueue, enqueue_16   single calls of 1 and of 16 callers
  enqueue_tx            each in a transaction of the caller's, commit included
  batch                 1,000 tasks in a transaction
  work, work_500        start, run and end tasks that wait, up to --slots or 500 at once
  latency               from an enqueue to the start, with nothing else to do
  latency_tx            the same from the commit of the caller's transaction

The ratio says how many times as fast as bare River. p50 and p99 are of the calls
that enqueue, or of the latency.`,
		Example: "  taskhost bench queue\n" +
			"  taskhost bench queue --database ./data\n" +
			"  taskhost bench queue --database postgres://user:password@host:5432/database --output json",
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			// Not that of the settings, which may be a database in use.
			if config.Database, err = cmd.Flags().GetString("database"); err != nil {
				return err
			}
			return a.benchQueue(cmd.Context(), config)
		},
	}
	flags := cmd.Flags()
	settingFlag(flags, "database", "URL of Postgres, or where to make SQLite files (default the directory for temporary files)")
	flags.IntVar(&config.Tasks, "tasks", 0, fmt.Sprintf("how many tasks to work (default %d, on SQLite %d)", queuebench.DefaultTasks, queuebench.DefaultTasksSQLite))
	flags.IntVar(&config.Slots, "slots", queuebench.DefaultSlots, "how many may run at once in the case work")
	flags.IntVar(&config.Runs, "runs", queuebench.DefaultRuns, "how often to measure each case")
	flags.BoolVar(&config.Encrypt, "encrypt", false, "seal arguments and results, which River does not")
	flags.StringSliceVar(&config.Cases, "cases", nil, "which cases to measure, separated by commas (default all)")
	return cmd
}

func (a *app) benchQueue(ctx context.Context, config queuebench.Config) error {
	bar := newProgress(a.stderr, 0)
	config.Logger = a.logger()
	config.Progress = func(done, total int, what string) {
		bar.total = total
		bar.show(done, what)
	}
	report, err := queuebench.Run(ctx, config)
	bar.clear()
	var mistake *queuebench.ConfigError
	switch {
	case errors.As(err, &mistake):
		return usagef("%w", err)
	case err != nil:
		return err
	}
	return a.print(report, func(out *table) { benchTable(out, report) })
}

func benchTable(out *table, report *queuebench.Report) {
	out.row("CASE", "TASKHOST /S", "RIVER /S", "RATIO", "P50 MS", "P99 MS", "RIVER P50", "RIVER P99")
	for i := range report.Results {
		r := &report.Results[i]
		out.row(r.Case, number(r.PerSecond, 0), number(r.RiverPerSecond, 0), number(r.Ratio, 2),
			number(r.P50, 2), number(r.P99, 2), number(r.RiverP50, 2), number(r.RiverP99, 2))
	}
	// An empty row, after which columns are as wide as they need to be.
	out.row()
	env := &report.Environment
	sealed := ""
	if env.Encrypt {
		sealed = ", sealed"
	}
	out.row(fmt.Sprintf("%s%s, River %s, %d tasks, %d slots, best of %d, %d processors, %s %s",
		benchedStore(env), sealed, env.River, env.Tasks, env.Slots, env.Runs, env.CPUs, env.Go, env.Platform))
	for _, bar := range report.Bars {
		out.row(benchBar(&bar))
	}
}

func benchedStore(env *queuebench.Environment) string {
	switch {
	case env.SQLite != nil:
		return "SQLite " + *env.SQLite
	case env.Postgres != nil && env.Durable:
		return "Postgres " + *env.Postgres
	case env.Postgres != nil:
		return "Postgres " + *env.Postgres + " that may lose what it committed"
	default:
		return env.Store
	}
}

// benchBar says whether a bar is met.
func benchBar(bar *queuebench.Bar) string {
	met := "met"
	if !bar.Met {
		met = "not met"
	}
	relation, bound := "at least", bar.Least
	if bound == nil {
		relation, bound = "at most", bar.Most
	}
	unit := map[string]string{"per_second": "tasks/s", "ratio_to_river": "of bare River", "p50_ms": "ms in the median"}[bar.Field]
	return fmt.Sprintf("bar %s: %s %s %v %s: %v", met, bar.Case, relation, *bound, unit, bar.Value)
}

// number writes what may not apply.
func number(value *float64, digits int) string {
	if value == nil {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, *value)
}
