package riverstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"

	"github.com/taskhost/taskhost/task"
)

const (
	// endBatch bounds how many ends share a transaction.
	endBatch = 200
	// claimTimeout bounds a claim. River gives the fetch a context without
	// end, and a connection that hangs would stop the producer.
	claimTimeout = 5 * time.Second
	// finishTimeout bounds one try at storing ends.
	finishTimeout = 10 * time.Second
	// drainTimeout bounds how long a stop waits for ends to be stored, on a
	// database that does not answer.
	drainTimeout = 30 * time.Second
	// riverTimeout lies above every timeout of ours, which decide.
	riverTimeout = task.MaxTimeout + time.Minute
)

// ServeConfig says what a node works, and as whom.
type ServeConfig struct {
	// Node names this process, differently at each start.
	Node string
	// Version is the program's, for people who look at nodes.
	Version string
	// Slots is how many attempts of each executor may run at once. An executor
	// that is absent is not worked.
	Slots map[task.Executor]int
	// Functions are the definitions of this program's Go functions.
	Functions []task.Definition
	// LogInterval is how often the lines of running attempts are stored.
	LogInterval time.Duration
}

// RunnerConfig says how a [Runner] works.
type RunnerConfig struct {
	ServeConfig

	// PollInterval is how often tickets are looked for without a notification:
	// the precision of delays and retries.
	PollInterval time.Duration
	// Bus carries notifications for a database that has none; else nil.
	Bus    *Bus
	Logger *slog.Logger
}

// Runner claims tasks, hands them to a handler and stores how they ended.
type Runner struct {
	db      Database
	config  RunnerConfig
	handler task.Handler
	client  riverClient
	ends    *group[*End]
	// unstored counts the ends that were submitted and are not stored.
	unstored sync.WaitGroup
	journal  journal

	// interrupt cancels the attempts in progress.
	interrupted context.Context
	interrupt   context.CancelFunc
	// background ends what runs beside River.
	background sync.WaitGroup
	stop       chan struct{}
	// abandon ends the tries at storing ends, once Stop has given them up.
	abandon chan struct{}

	mu      sync.Mutex
	claimed map[int64]*Claim // by ticket, from the claim to the start of work
}

// riverClient is what is used of river.Client, without its type parameter.
type riverClient interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// NewRunner returns a Runner on a River driver. It starts nothing.
func NewRunner[TTx any](driver riverdriver.Driver[TTx], db Database, handler task.Handler, config RunnerConfig) (*Runner, error) {
	r := &Runner{
		db:      db,
		config:  config,
		handler: handler,
		stop:    make(chan struct{}),
		abandon: make(chan struct{}),
		claimed: make(map[int64]*Claim),
	}
	r.interrupted, r.interrupt = context.WithCancel(context.Background())
	r.ends = newGroup(endBatch, r.storeEnds)

	workers := river.NewWorkers()
	kinds := map[string]bool{wasmKind: config.Slots[task.Wasm] > 0}
	for _, def := range config.Functions {
		kinds[Kind(def.Executor, def.Name)] = true
	}
	for kind, known := range kinds {
		if known {
			river.AddWorkerArgs(workers, ticketArgs{kind: kind}, river.Worker[ticketArgs](&ticketWorker{runner: r}))
		}
	}
	queues := make(map[string]river.QueueConfig)
	for executor, slots := range config.Slots {
		if slots > 0 {
			queues[Queue(executor)] = river.QueueConfig{MaxWorkers: slots}
		}
	}
	client, err := river.NewClient[TTx](
		&ticketDriver[TTx]{Driver: driver, claim: r.claim, bus: config.Bus},
		&river.Config{
			ID:                  config.Node,
			FetchCooldown:       time.Millisecond,
			FetchPollInterval:   config.PollInterval,
			FetchOnlyKnownKinds: true,
			JobTimeout:          riverTimeout,
			Logger:              quietRiver(config.Logger),
			Queues:              queues,
			Workers:             workers,
		})
	if err != nil {
		return nil, fmt.Errorf("set up the queue: %w", err)
	}
	r.client = client
	return r, nil
}

// Start begins to claim. ctx bounds the start only.
func (r *Runner) Start(ctx context.Context) error {
	if err := r.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	r.background.Go(r.flushLogs)
	return nil
}

// Stop claims nothing more, lets attempts finish until ctx ends, then cancels
// what is left, and returns when every attempt has ended and every end is
// stored. It returns an error where ends could not be stored: the tasks are
// then found running by the next start, as after a crash.
func (r *Runner) Stop(ctx context.Context) error {
	stopCancel := context.AfterFunc(ctx, r.interrupt)
	defer stopCancel()
	err := r.client.Stop(context.WithoutCancel(ctx))
	close(r.stop)
	r.background.Wait()

	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if waitErr := r.waitStored(drain); waitErr != nil {
		err = errors.Join(err, fmt.Errorf("store the last ends: %w", waitErr))
	}
	close(r.abandon)
	r.interrupt()
	return err
}
