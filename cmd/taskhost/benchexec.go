package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/internal/execbench"
)

func (a *app) benchExecCommand() *cobra.Command {
	var config execbench.Config
	var own, input string
	cmd := &cobra.Command{
		Use:   "exec",
		Short: "Measure what one execution costs, by ways of running it",
		Long: `Measure what one execution of a task that does nothing costs, by ways of running
it. All outputs are checked. Rows take turns, five times, so that what else the
machine does weighs on all alike: p50 and p99 are of all turns, the number a
second is of the best one.

Guests are built from the clone of the project that it is run in. What cannot be
built or run on this machine is left out and named; the guest small and the modes
for it need nothing. Ctrl-C ends it with what it has.

guests, which return what they get:
  go-raw, go-json          bytes in Go; typed JSON in Go
  c, rust, assemblyscript  bytes in other languages
  small                    what C gives, written by hand in a few hundred bytes
  own                      that of --guest

modes:
  inprocess      as a server does it: a used instance that was set back
  fresh          the same in a new instance, as it is when nothing has run in it
  plain-wazero   a new instance of the untouched module, that nothing can stop
  close-on-done  the same with wazero's WithCloseOnContextDone
  exec           a native program for each execution, from start to exit
  python-pool    a call to a warm ProcessPoolExecutor(2), measured in Python

With --cpu, guests that compute are measured too: with fuel, with nothing that
could stop them (off), and with wazero's WithCloseOnContextDone. Their ratio is
of the fastest times.`,
		Example: "  taskhost bench exec\n" +
			"  taskhost bench exec --guests small --modes inprocess,plain-wazero --duration 5s\n" +
			"  taskhost bench exec --guest thumbs.wasm:thumbs.resize --input @photo.json --guests own\n" +
			"  taskhost bench exec --cpu --output json",
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if config.Duration <= 0 {
				return usagef("--duration must be more than 0, is %v", config.Duration)
			}
			if config.Parallel < 1 {
				return usagef("--parallel must be at least 1, is %d", config.Parallel)
			}
			if config.Own, err = a.ownGuest(own, input); err != nil {
				return err
			}
			return a.benchExec(cmd.Context(), config)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&config.Guests, "guests", nil, "which guests to measure, separated by commas (default all)")
	flags.StringSliceVar(&config.Modes, "modes", nil, "which modes to measure, separated by commas (default all)")
	flags.StringVar(&own, "guest", "", "a module of your own to measure too, as FILE.wasm or FILE.wasm:TASK")
	flags.StringVar(&input, "input", "", "arguments for --guest as JSON, @FILE to read them from a file, - from standard input")
	flags.DurationVar(&config.Duration, "duration", execbench.DefaultDuration, "how long to measure each row")
	flags.IntVar(&config.Parallel, "parallel", 1, "how many executions to have under way at once; in process, 1 and 2 are measured always")
	flags.BoolVar(&config.CPU, "cpu", false, "measure guests that compute, too")
	return cmd
}

// ownGuest reads the module that is named FILE.wasm or FILE.wasm:TASK.
func (a *app) ownGuest(named, input string) (*execbench.Own, error) {
	if named == "" {
		if input != "" {
			return nil, usagef("--input is for the guest of --guest, which is not given")
		}
		return nil, nil //nolint:nilnil // there is none
	}
	file, definition := named, ""
	if _, err := os.Stat(named); err != nil {
		if at := strings.LastIndex(named, ".wasm:"); at >= 0 {
			file, definition = named[:at+len(".wasm")], named[at+len(".wasm:"):]
		}
	}
	wasm, err := readModule(file)
	if err != nil {
		return nil, err
	}
	text, err := a.readArgs(input)
	if err != nil {
		return nil, err
	}
	return &execbench.Own{Wasm: wasm, Definition: definition, Input: text}, nil
}

func (a *app) benchExec(ctx context.Context, config execbench.Config) error {
	bar := newProgress(a.stderr, 0)
	config.Progress = func(done, total int, what string) {
		bar.total = total
		bar.show(done, what)
	}
	report, err := execbench.Run(ctx, config)
	bar.clear()
	if mistake := (*execbench.ConfigError)(nil); errors.As(err, &mistake) {
		return usagef("%w", mistake)
	}
	if report == nil {
		return err
	}
	return errors.Join(a.print(report, func(out *table) { execTable(out, report) }), err)
}

func execTable(out *table, report *execbench.Report) {
	out.row("GUEST", "MODE", "GOROUTINES", "P50 µS", "P99 µS", "PER SECOND", "× INPROCESS", "× 1 GOROUTINE")
	for i := range report.Results {
		r := &report.Results[i]
		out.row(r.Guest, r.Mode, r.Goroutines, number(&r.P50, 1), number(&r.P99, 1), number(&r.PerSecond, 0), number(r.Ratio, 2), number(r.Growth, 2))
	}
	said := make(map[string]bool)
	for _, m := range report.Missing {
		reason := "missing"
		if !said[m.Reason] { // once for all rows of a guest
			reason += ": " + m.Reason
		}
		said[m.Reason] = true
		out.row(m.Guest, m.Mode, reason)
	}
	// An empty row, after which columns are as wide as they need to be.
	out.row()
	if report.IdleKiB != nil {
		out.row(fmt.Sprintf("an idle instance of go-raw: %s KiB resident, %s KiB of them its own", number(report.IdleKiB, 0), number(report.IdleOwnKiB, 0)))
	}
	if report.FuelGeomean != nil {
		out.row(fmt.Sprintf("guests that compute, geometric mean: %s × with fuel, %s × with close-on-done", number(report.FuelGeomean, 2), number(report.CloseOnDoneGeomean, 2)))
	}
	m := &report.Machine
	out.row(fmt.Sprintf("%v s for each row, %d processors, %s %s, wazero %s", m.Seconds, m.CPUs, m.Go, m.Platform, m.Wazero))
	for i := range report.Bars {
		out.row(execBar(&report.Bars[i]))
	}
	if report.Interrupted {
		out.row("interrupted: some was measured for less time, or not at all")
	}
}

// execBar says whether a bar is met.
func execBar(bar *execbench.Bar) string {
	met := "met"
	if !bar.Met {
		met = "not met"
	}
	what := map[string]string{
		"p50_us": "µs in the median", "ratio": "× inprocess", "growth": "× the throughput of one goroutine with two",
		"idle_kib": "KiB for an idle instance", "fuel_geomean": "× with fuel in the geometric mean",
	}[bar.Field]
	relation, bound := "at least", bar.Least
	if bound == nil {
		relation, bound = "at most", bar.Most
	}
	if bar.Guest != "" {
		what += " of " + bar.Guest + ", " + bar.Mode
	}
	return fmt.Sprintf("bar %s: %s %v %s: %v", met, relation, *bound, what, bar.Value)
}
