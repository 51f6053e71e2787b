package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/examples/inputs"
	"github.com/taskhost/taskhost/task"
)

func (a *app) demoCommand() *cobra.Command {
	var exit bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Build the example guests, run tasks in them, and show what comes of it",
		Long: `Build the example guests, serve on a temporary SQLite file and a free port, push
the guests, enqueue tasks, follow them, and show a table. The server then stays
up until Ctrl-C. It is to be run in a clone of the project, where the examples
are.

With --database it works in that database instead, and leaves there what it
makes: in Postgres in the schema taskhost_demo, unless --schema names another. A
database that the environment or a file names is not used.`,
		Example: "  go run ./cmd/taskhost demo\n  go run ./cmd/taskhost demo --exit\n  go run ./cmd/taskhost demo --database postgres://user@127.0.0.1/test",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), exit) },
	}
	databaseFlags(cmd)
	cmd.Flags().BoolVar(&exit, "exit", false, "end after the table, with status 0 only if all tasks ended as they should")
	return cmd
}

// demoTask is a task of the demo and what should become of it.
type demoTask struct {
	body  enqueueBody
	about string
	want  task.Status
	save  string // the file for a thumbnail

	id    task.ID
	ended *task.Task
	short string // the result, in a few words
}

func (a *app) demo(ctx context.Context, exit bool) (err error) {
	dir, err := os.MkdirTemp("", "taskhost-demo-")
	if err != nil {
		return err
	}
	images := filepath.Join(dir, "thumbnails")
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(images, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()

	guests, err := a.buildGuests(ctx, data)
	if err != nil {
		return err
	}
	settings := a.settings.forDemo(data)
	demo := &app{environ: a.environ, stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, settings: settings}
	server, err := startServer(ctx, settings, demo.logger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop(context.WithoutCancel(ctx))) }()
	a.say("Serving at %s, tasks in %s", server.url, settings.place())

	c := newClient(server.url, server.token)
	for _, guest := range guests {
		version, err := c.pushModule(ctx, guest.name, guest.wasm)
		if err != nil {
			return fmt.Errorf("push %s: %w", guest.name, err)
		}
		a.say("Pushed %s, %s: %s", guest.name, sizeText(version.Bytes), names(*version))
	}
	tasks, err := demoTasks(dir, images)
	if err != nil {
		return err
	}
	if err := a.followAll(ctx, c, tasks); err != nil {
		return err
	}
	if err := a.printDemo(tasks); err != nil {
		return err
	}
	a.say("\nThumbnails: %s", images)
	failed := 0
	for _, t := range tasks {
		if t.ended.Status != t.want {
			failed++
		}
	}
	if failed > 0 {
		a.say("%d tasks did not end as they should have.", failed)
	}
	if !exit {
		a.say("Still serving at %s. Try, in another terminal:", server.url)
		a.say("  go run ./cmd/taskhost task logs %s --data-dir %s", tasks[0].id, data)
		a.say("Ctrl-C ends it.")
		<-ctx.Done()
		return nil
	}
	if failed > 0 {
		return errReported
	}
	return nil
}

// forDemo are the settings for the demo's server. A database has to be named by the
// call itself: the demo leaves modules and tasks in it.
func (s *settings) forDemo(dataDir string) *settings {
	out := *s
	out.DataDir, out.Listen, out.MigrateAtStart = dataDir, "127.0.0.1:0", true
	if s.origins["database"] != originFlag {
		out.Database = ""
	}
	if s.origins["schema"] != originFlag {
		out.Schema = "taskhost_demo"
	}
	if s.origins["log_level"] == "default" {
		out.LogLevel = "warn"
	}
	return &out
}

// say writes a line for people. The table alone is standard output.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// demoTasks makes the inputs as real files, and the tasks on them.
func demoTasks(dir, images string) ([]*demoTask, error) {
	var tasks []*demoTask
	for i := range 4 {
		name := fmt.Sprintf("photo-%d.jpg", i+1)
		photo := inputs.Photo(int64(i+1), 1200, 800)
		if err := os.WriteFile(filepath.Join(dir, name), photo, 0o600); err != nil {
			return nil, err
		}
		args, err := json.Marshal(map[string]any{"image": photo, "width": 240})
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, &demoTask{
			body:  enqueueBody{Name: "thumbs.resize", Args: args, Tags: map[string]string{"file": name}},
			about: name, want: task.Success, save: filepath.Join(images, name),
		})
	}
	sales := inputs.Sales(1, 10_000)
	if err := os.WriteFile(filepath.Join(dir, "sales.csv"), sales, 0o600); err != nil {
		return nil, err
	}
	report, err := json.Marshal(map[string]string{"csv": string(sales)})
	if err != nil {
		return nil, err
	}
	return append(tasks,
		&demoTask{body: enqueueBody{Name: "reports.sales", Args: report}, about: "sales.csv, 10,000 rows", want: task.Success},
		&demoTask{body: enqueueBody{Name: "demo.flaky", Args: json.RawMessage(`{"fail_times":2}`)}, about: "fails twice", want: task.Success},
		&demoTask{body: enqueueBody{Name: "demo.broken"}, about: "always fails", want: task.Failed},
	), nil
}

// followAll enqueues the tasks and tells of each as it ends.
func (a *app) followAll(ctx context.Context, c *client, tasks []*demoTask) error {
	for _, t := range tasks {
		stored, err := c.enqueue(ctx, t.body, "")
		if err != nil {
			return fmt.Errorf("enqueue %s: %w", t.body.Name, err)
		}
		t.id = stored.ID
	}
	bar := newProgress(a.stderr, len(tasks))
	defer bar.clear()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for left := len(tasks); left > 0; {
		running := 0
		for _, t := range tasks {
			if t.ended != nil {
				continue
			}
			now, err := c.task(ctx, t.id, 0)
			if err != nil {
				return err
			}
			if now.Status == task.Running {
				running++
			}
			if !now.Status.Terminal() {
				continue
			}
			t.ended = now
			left--
			if err := t.finish(ctx, c); err != nil {
				return err
			}
			bar.line("%-8s %s (%s) %s", now.Status, t.body.Name, t.about, durationText(now.Duration()))
		}
		bar.show(len(tasks)-left, fmt.Sprintf("%d running", running))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// finish fetches the result, keeps a thumbnail, and says it in short.
func (t *demoTask) finish(ctx context.Context, c *client) error {
	if t.ended.Status != task.Success {
		t.short = t.ended.Error
		return nil
	}
	result, _, err := c.result(ctx, t.id)
	if err != nil {
		return err
	}
	t.short = string(result)
	if t.save == "" {
		return nil
	}
	var thumbnail struct {
		Image         []byte
		Width, Height int
	}
	if err := json.Unmarshal(result, &thumbnail); err != nil {
		return fmt.Errorf("read the thumbnail of %s: %w", t.about, err)
	}
	t.short = fmt.Sprintf("%d×%d JPEG, %s", thumbnail.Width, thumbnail.Height, sizeText(int64(len(thumbnail.Image))))
	return os.WriteFile(t.save, thumbnail.Image, 0o600)
}

func (a *app) printDemo(tasks []*demoTask) error {
	rows := make([]map[string]any, len(tasks))
	for i, t := range tasks {
		rows[i] = map[string]any{
			"task_id": t.id, "name": t.body.Name, "input": t.about, "status": t.ended.Status,
			"attempts": t.ended.Attempt, "seconds": t.ended.Duration().Seconds(), "result": t.short,
		}
	}
	return a.print(rows, func(out *table) {
		out.row("TASK", "INPUT", "STATUS", "ATTEMPTS", "TIME", "RESULT")
		for _, t := range tasks {
			out.row(t.body.Name, t.about, t.ended.Status, t.ended.Attempt, durationText(t.ended.Duration()), short(t.short, 70))
		}
	})
}
