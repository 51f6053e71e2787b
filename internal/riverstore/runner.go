package riverstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
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
	// Ceilings bound what this node lets attempts have, whoever enqueued them.
	Ceilings task.Ceilings
	// Retention is how long tasks are kept that have ended.
	Retention task.Retention
	// EventRetention is how long events are kept. Zero keeps what is there.
	EventRetention time.Duration
	// ModuleVersionsKept is how many of the newest versions of a module are kept,
	// whether or not anybody needs them. Zero keeps all.
	ModuleVersionsKept int
}

// RunnerConfig says how a [Runner] works.
type RunnerConfig struct {
	ServeConfig

	// PollInterval is how often tickets are looked for without a notification:
	// the precision of delays and retries.
	PollInterval time.Duration
	// Wake has the nodes look at a queue now.
	Wake func(queue string)
	// Bus carries notifications for a database that has none; else nil.
	Bus *Bus
	// Fleet is set for a database that several nodes may work at once.
	Fleet Fleet
	// Commander says what is asked of the node while it runs.
	Commander Commander
	// Expirer ends tasks whose time is up while they wait.
	Expirer Expirer
	// Keeper deletes what is old. It may be nil: then nothing is deleted.
	Keeper Keeper
	// Schema holds the queue's tables, where the database has schemas.
	Schema string
	// Ended is told the ids of tasks that have ended, once that is stored. It
	// may be nil.
	Ended func([]task.ID)
	// Vault opens arguments and seals what comes of attempts. It may be nil.
	Vault  *Vault
	Logger *slog.Logger
}

// Runner claims tasks, hands them to a handler and stores how they ended.
type Runner struct {
	db      Attempts
	config  RunnerConfig
	handler task.Handler
	client  riverClient
	ends    *group[*End]
	// unstored counts the ends that were submitted and are not stored.
	unstored sync.WaitGroup
	journal  journal
	held     held
	wakes    *wakes
	pulse    *pulse // nil without a fleet
	vigil    vigil  // over the fleet

	// unavailable is set while claims fail for a reason that may pass.
	unavailable atomic.Bool
	// stopping is set once nothing more is to be claimed.
	stopping atomic.Bool
	// draining is set while nothing is to be claimed, until that is taken back.
	draining atomic.Bool
	// ordered holds an entry while there may be something to ask the commander for.
	ordered chan struct{}
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
func NewRunner[TTx any](driver riverdriver.Driver[TTx], db Attempts, handler task.Handler, config RunnerConfig) (*Runner, error) {
	r := &Runner{
		db:      db,
		config:  config,
		handler: handler,
		ordered: make(chan struct{}, 1),
		stop:    make(chan struct{}),
		abandon: make(chan struct{}),
		claimed: make(map[int64]*Claim),
	}
	r.interrupted, r.interrupt = context.WithCancel(context.Background())
	r.ends = newGroup(endBatch, r.storeEnds)
	r.wakes = newWakes(config.Wake)
	if config.Fleet != nil {
		r.pulse = newPulse(config.Fleet, config.member(), config.Logger)
		r.vigil.me = config.Node
	}

	workers := river.NewWorkers()
	queues := make(map[string]river.QueueConfig)
	for kind, executor := range config.kinds() {
		river.AddWorkerArgs(workers, ticketArgs{kind: kind}, river.Worker[ticketArgs](&ticketWorker{runner: r}))
		queues[Queue(executor)] = river.QueueConfig{MaxWorkers: config.Slots[executor]}
	}
	if len(queues) == 0 {
		return nil, errors.New("there is nothing to run: give slots for modules, or for an executor of a Go function")
	}
	client, err := river.NewClient[TTx](
		&ticketDriver[TTx]{Driver: driver, claim: r.claim, bus: config.Bus, node: config.Node, hear: r.Hear},
		&river.Config{
			ID:                  config.Node,
			FetchCooldown:       time.Millisecond,
			FetchPollInterval:   config.PollInterval,
			FetchOnlyKnownKinds: true,
			JobTimeout:          riverTimeout,
			// What a leader would do has nothing to do here: tickets wait in the
			// state in which they are fetched, and are gone once they were.
			LeaderElectionDisabled: true,
			Logger:                 quietRiver(config.Logger),
			Queues:                 queues,
			Schema:                 config.Schema,
			Workers:                workers,
		})
	if err != nil {
		return nil, fmt.Errorf("set up the queue: %w", err)
	}
	r.client = client
	return r, nil
}

// kinds are those of the tickets that the node can take, with their executors.
func (c *ServeConfig) kinds() map[string]task.Executor {
	kinds := make(map[string]task.Executor)
	if c.Slots[task.Wasm] > 0 {
		kinds[wasmKind] = task.Wasm
	}
	for _, def := range c.Functions {
		if c.Slots[def.Executor] > 0 {
			kinds[Kind(def.Executor, def.Name)] = def.Executor
		}
	}
	return kinds
}

// Start begins to claim. ctx bounds the start only.
func (r *Runner) Start(ctx context.Context) error {
	if r.pulse != nil {
		// Before the first claim: what an unknown node runs is taken over.
		at := time.Now()
		if err := r.config.Fleet.Beat(ctx, &r.pulse.node); err != nil {
			return fmt.Errorf("make the node known: %w", err)
		}
		r.pulse.beaten(at)
		r.background.Go(func() { r.pulse.run(r.stop) })
	}
	if err := r.client.Start(context.WithoutCancel(ctx)); err != nil {
		close(r.stop)
		r.background.Wait()
		return errors.Join(fmt.Errorf("start the queue: %w", err), r.leave(ctx))
	}
	r.background.Go(r.flushLogs)
	r.background.Go(r.keepInOrder)
	r.background.Go(r.awaitOrders)
	if r.config.Keeper != nil {
		r.background.Go(r.keepHistory)
	}
	return nil
}

// Quiesce claims nothing more from the moment at which it returns. Attempts that
// have begun go on.
func (r *Runner) Quiesce() {
	r.held.claiming.Lock() // after those that are under way
	defer r.held.claiming.Unlock()
	r.stopping.Store(true)
}

// Stop claims nothing more, lets attempts finish until ctx ends, then cancels
// what is left, and returns when every attempt has ended and every end is
// stored. It returns an error where ends could not be stored: the tasks are
// then found running by the next start, as after a crash.
func (r *Runner) Stop(ctx context.Context) error {
	r.Quiesce()
	stopCancel := context.AfterFunc(ctx, r.interrupt)
	defer stopCancel()
	err := r.client.Stop(context.WithoutCancel(ctx))
	r.giveBackUnstarted()

	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if waitErr := r.waitStored(drain); waitErr != nil {
		err = errors.Join(err, fmt.Errorf("store the last ends: %w", waitErr))
	}
	close(r.abandon)
	r.wakes.stop()
	close(r.stop)
	r.background.Wait()
	r.interrupt()
	return errors.Join(err, r.leave(ctx))
}

// leave takes the node out, last of all: what it still ran would be taken over.
func (r *Runner) leave(ctx context.Context) error {
	if r.pulse == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatTimeout)
	defer cancel()
	if err := r.config.Fleet.Leave(ctx, r.config.Node); err != nil {
		return fmt.Errorf("take the node out: %w", err)
	}
	return nil
}

// member is what others see of this node.
func (c *ServeConfig) member() task.Node {
	node := task.Node{ID: c.Node, Version: c.Version, Slots: c.Slots, Functions: []string{}}
	for _, def := range c.Functions {
		node.Functions = append(node.Functions, def.Name)
	}
	slices.Sort(node.Functions)
	return node
}
