package queuebench

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
)

// How River works a backlog. Its own defaults are for tasks that do something.
const (
	riverCooldown = time.Millisecond
	riverPoll     = 20 * time.Millisecond
)

// bareRiver is River as a queue.
type bareRiver[TTx any] struct {
	driver   riverdriver.Driver[TTx]
	schema   string
	transact transactor[TTx]
	// idlePoll is the poll interval where latency counts, 0 for River's default.
	idlePoll time.Duration

	client *river.Client[TTx]
	batch  []river.InsertManyParams // batchSize of them
}

// riverArgs are as long as those of our tasks.
type riverArgs struct {
	Pad string `json:"pad"`
}

// Kind implements [river.JobArgs].
func (riverArgs) Kind() string { return taskName }

type riverWorker struct {
	river.WorkerDefaults[riverArgs]

	began func()
}

func (w *riverWorker) Work(context.Context, *river.Job[riverArgs]) error {
	w.began()
	return nil
}

// prepare makes River's tables.
func (r *bareRiver[TTx]) prepare(ctx context.Context) error {
	migrator, err := rivermigrate.New(r.driver, &rivermigrate.Config{Schema: r.schema, Logger: silent()})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("make River's tables: %w", err)
	}
	r.batch = make([]river.InsertManyParams, batchSize)
	for i := range r.batch {
		r.batch[i].Args = r.args()
	}
	r.client, err = river.NewClient(r.driver, &river.Config{Schema: r.schema, Logger: silent()})
	return err
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (r *bareRiver[TTx]) args() riverArgs { return riverArgs{Pad: padding(argsBytes)} }

func (r *bareRiver[TTx]) enqueue(ctx context.Context) error {
	_, err := r.client.Insert(ctx, r.args(), nil)
	return err
}

func (r *bareRiver[TTx]) enqueueTx(ctx context.Context) (time.Time, error) {
	return r.transact(ctx, func(tx TTx) error {
		_, err := r.client.InsertTx(ctx, tx, r.args(), nil)
		return err
	})
}

func (r *bareRiver[TTx]) enqueueMany(ctx context.Context, n int) error {
	_, err := r.client.InsertManyFast(ctx, r.batch[:n])
	return err
}

func (r *bareRiver[TTx]) work(ctx context.Context, working working) (func(context.Context) error, error) {
	poll := riverPoll
	if working.idle {
		poll = r.idlePoll
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{began: working.began})
	client, err := river.NewClient(r.driver, &river.Config{
		FetchCooldown:     riverCooldown,
		FetchPollInterval: poll,
		Logger:            silent(),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: working.slots}},
		Schema:            r.schema,
		Workers:           workers,
	})
	if err != nil {
		return nil, err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	r.client = client // whose inserts wake its own workers
	return client.Stop, nil
}
