package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/internal/argschema"
	"github.com/taskhost/taskhost/internal/text"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

func (a *app) runCommand() *cobra.Command {
	var argsText string
	var run localRun
	cmd := &cobra.Command{
		Use:   "run FILE.wasm [TASK]",
		Short: "Execute a task of a module once, without a server",
		Long: `Execute a task of a module once, without a server.

The result goes to standard output; log lines and figures go to standard error.
TASK may be left out where the module declares one. For a WASI command, which
declares none, it is the name that the program is told (argv[0]); left out, that
is the file's.`,
		Example: `  taskhost run flaky.wasm demo.flaky --args '{"fail_times":0}'
  taskhost run wordcount.wasm --args '{"text":"two words"}'`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if run.attempt < 1 {
				return usagef("--attempt must be at least 1, is %d", run.attempt)
			}
			var err error
			if run.input, err = a.readArgs(argsText); err != nil {
				return err
			}
			run.file, run.name = args[0], args[1:]
			return a.runLocal(cmd.Context(), &run)
		},
	}
	cmd.Flags().StringVar(&argsText, "args", "", "arguments as JSON, @FILE to read them from a file, - from standard input")
	cmd.Flags().IntVar(&run.attempt, "attempt", 1, "which attempt to tell the task that this is")
	run.flags(cmd.Flags())
	return cmd
}

// localRun is what to run, and under which limits.
type localRun struct {
	file    string
	name    []string // of the task, or nothing
	input   []byte
	attempt int

	// Limits in place of the definition's, where they are not zero.
	depth  int
	fuel   int64
	memory byteSize
	fresh  bool
}

func (r *localRun) flags(flags *pflag.FlagSet) {
	flags.IntVar(&r.depth, "depth", 0, "how deep calls may be nested (default the definition's)")
	flags.Int64Var(&r.fuel, "fuel", 0, "units of fuel that it may use (default the definition's)")
	flags.Var(&r.memory, "memory", "memory that it may use, such as 128MiB (default the definition's)")
	flags.BoolVar(&r.fresh, "fresh", false, "ask for a new instance, as a definition with reset: fresh does")
}

// options are the definition's, with what was chosen for this run.
func (r *localRun) options(options task.Options) (task.Options, error) {
	if r.depth != 0 {
		options.Depth = r.depth
	}
	if r.fuel != 0 {
		options.Fuel = r.fuel
	}
	if r.memory != 0 {
		options.Memory = int64(r.memory)
	}
	if r.fresh {
		options.Reset = task.Fresh
	}
	if err := options.Validate(); err != nil {
		return options, &usageError{err}
	}
	return options, nil
}

func (a *app) runLocal(ctx context.Context, run *localRun) (err error) {
	wasm, err := readModule(run.file)
	if err != nil {
		return err
	}
	engine, err := host.New(ctx, host.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close(context.WithoutCancel(ctx))) }()
	digest := modules.Digest(wasm)
	prepareStarted := time.Now()
	if err := engine.Prepare(ctx, digest, wasm); err != nil {
		return err
	}
	prepared := time.Since(prepareStarted)
	def, err := definitionOf(ctx, engine, digest, run)
	if err != nil {
		return err
	}
	options, err := run.options(def.Options)
	if err != nil {
		return err
	}
	input, err := checkedArgs(def, run.input)
	if err != nil {
		return err
	}

	timeout := options.Timeout
	runCtx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("timeout: the task ran longer than %v", timeout))
	defer cancel()
	outcome := engine.Execute(runCtx, host.Attempt{
		Digest:      digest,
		Index:       def.Index,
		TaskID:      "00000000-0000-7000-8000-000000000000",
		Name:        def.Name,
		Number:      run.attempt - 1,
		MaxAttempts: options.Retries + 1,
		Input:       input,
		InputType:   "application/json",
		Deadline:    time.Now().Add(timeout),
		Fresh:       options.Reset == task.Fresh,
		Limits: host.Limits{
			Memory:   options.Memory,
			Output:   int(options.ResultBytes),
			LogTotal: int(options.LogBytes),
			Fuel:     options.Fuel,
			Depth:    options.Depth,
		},
	}, terminalCalls{a})
	if _, err := a.stdout.Write(outcome.Output); err != nil {
		return err
	}
	if len(outcome.Output) > 0 {
		fmt.Fprintln(a.stderr)
	}
	fmt.Fprintf(a.stderr, "%s: compiled in %s, %s\n", def.Name, durationText(prepared), figures(&outcome.Usage))
	if f := outcome.Failure; f != nil {
		if f.Trace != "" {
			fmt.Fprintf(a.stderr, "%s\n", f.Trace)
		}
		return fmt.Errorf("%s failed (%s): %s", def.Name, f.Kind, f.Message)
	}
	return nil
}

// figures says what an execution used.
func figures(u *host.Usage) string {
	text := fmt.Sprintf("ran in %s, %s of memory, %d units of fuel", durationText(u.Sandbox), sizeText(u.PeakMemory), u.Fuel)
	if u.CPU > 0 { // not every platform tells it
		text += fmt.Sprintf(", %s of processor time", durationText(u.CPU))
	}
	return text + ", " + instanceText(u.Pooled) + " instance"
}

// instanceText says which instance a guest ran in.
func instanceText(pooled bool) string {
	if pooled {
		return "pooled"
	}
	return "cold"
}

// definitionOf is what to run: one of the definitions that a module declares, or
// the command that it is, under the name that a push would most likely give it.
func definitionOf(ctx context.Context, engine *host.Engine, digest string, run *localRun) (*task.Definition, error) {
	command, err := engine.IsCommand(ctx, digest)
	if err != nil {
		return nil, err
	}
	if command {
		name := append(run.name, strings.TrimSuffix(filepath.Base(run.file), ".wasm"))[0]
		def, err := modules.CommandDefinition(name, task.Ceilings{})
		return &def, err
	}
	manifest, err := engine.Describe(ctx, digest)
	if err != nil {
		return nil, err
	}
	_, definitions, err := modules.ReadManifest(manifest, task.Ceilings{})
	if err != nil {
		return nil, err
	}
	return choose(definitions, run.name)
}

func choose(definitions []task.Definition, name []string) (*task.Definition, error) {
	if len(name) == 0 && len(definitions) == 1 {
		return &definitions[0], nil
	}
	known := make([]string, len(definitions))
	for i := range definitions {
		known[i] = definitions[i].Name
		if len(name) > 0 && definitions[i].Name == name[0] {
			return &definitions[i], nil
		}
	}
	return nil, usagef("name one of the module's tasks: %s", strings.Join(known, ", "))
}

// checkedArgs holds arguments against the definition, as an enqueue does.
func checkedArgs(def *task.Definition, input []byte) ([]byte, error) {
	if len(def.Args) == 0 {
		return input, nil
	}
	if len(input) == 0 {
		input = []byte("{}")
	}
	schema, err := argschema.Compile(def.Args)
	if err != nil {
		return nil, err
	}
	if problems := schema.Check(input); len(problems) > 0 {
		return nil, &task.ArgumentError{Name: def.Name, Problems: problems}
	}
	return input, nil
}

// terminalCalls prints what a guest logs.
type terminalCalls struct {
	app *app
}

// Log implements host.Calls.
func (c terminalCalls) Log(_ context.Context, line host.LogLine) {
	level := [...]string{"debug", "info", "warn", "error"}[line.Level]
	fmt.Fprintf(c.app.stderr, "%-5s %s %s\n", level, text.Line(line.Message), line.Fields)
}
