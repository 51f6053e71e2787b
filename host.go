package taskhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/google/uuid"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// Host runs tasks.
//
//	h, err := taskhost.New(ctx, taskhost.Config{})
//	if err != nil { … }
//	defer h.Stop(ctx)
//	greet, err := taskhost.Register(h, "greet", greet, task.Options{Retries: 3})
//	err = h.Start(ctx)
//	id, err := greet.Enqueue(ctx, "world", task.EnqueueOptions{})
type Host struct {
	config  Config
	store   store
	engine  engine
	library *modules.Library

	mu        sync.Mutex
	functions map[string]*function
	declared  bool // the store knows the functions
	state     state
	node      string        // empty until it is started
	closing   chan struct{} // closed when the database is about to be
	// ended ends with closing.
	ended     context.Context
	end       context.CancelFunc
	stopping  *riverstore.StopOnce
	attending sync.WaitGroup
}

type state int

const (
	created state = iota
	started
	stopping
)

// EnqueueOptions are the choices of one call of [Host.Enqueue].
type EnqueueOptions = task.EnqueueOptions

// New returns a host with its database open and up to date. It starts nothing:
// tasks can be enqueued, and run once [Host.Start] is called. ctx bounds the
// opening only. The caller must Stop the host, started or not.
func New(ctx context.Context, config Config) (*Host, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	store, err := openStore(ctx, &config)
	if err != nil {
		return nil, fmt.Errorf("taskhost: %w", err)
	}
	engine, err := newEngine(ctx, &config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("taskhost: %w", err), store.Close())
	}
	h := &Host{
		config:    config,
		store:     store,
		engine:    engine,
		functions: make(map[string]*function),
		closing:   make(chan struct{}),
	}
	h.library = modules.NewLibrary(moduleStore{h}, inspector{h}, config.Limits)
	h.stopping = riverstore.NewStopOnce(h.stop)
	h.ended, h.end = context.WithCancel(context.Background())
	return h, nil
}

// Start begins to run tasks. It takes up what an earlier process left: waiting
// tasks run, and those that were running when it died are run again or end as
// interrupted, as their definitions say. ctx bounds the start only. Starting
// twice is the same as once; starting a stopped host is [task.ErrStopped].
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.state {
	case started:
		return nil
	case stopping:
		return task.ErrStopped
	}
	node, err := nodeName()
	if err != nil {
		return err
	}
	definitions, slots := h.work()
	err = h.store.Start(ctx, &handler{host: h}, riverstore.ServeConfig{
		Node:        node,
		Version:     Version(),
		Slots:       slots,
		Functions:   definitions,
		LogInterval: h.config.LogFlushInterval,
		Ceilings:    h.config.Limits,

		Retention:          h.config.Retention,
		EventRetention:     h.config.EventRetention,
		ModuleVersionsKept: h.config.ModuleVersionsKept,
	})
	if err != nil {
		return fmt.Errorf("taskhost: %w", err)
	}
	h.state, h.declared, h.node = started, true, node
	h.logStarted(ctx, node)
	h.attend(node)
	return nil
}

// work says what this program can run: its functions, and slots for the
// executors that it has something for.
func (h *Host) work() ([]task.Definition, map[task.Executor]int) {
	all := map[task.Executor]int{
		task.Async:  h.config.MaxConcurrentTasks,
		task.Thread: h.config.MaxSyncThreads,
	}
	slots := map[task.Executor]int{task.Wasm: h.config.MaxWasmWorkers}
	definitions := make([]task.Definition, 0, len(h.functions))
	for _, f := range h.functions {
		definitions = append(definitions, f.definition)
		slots[f.definition.Executor] = all[f.definition.Executor]
	}
	return definitions, slots
}

// nodeName is different at each start, since a claim is its node's.
func nodeName() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("taskhost: name the node: %w", err)
	}
	name, err := os.Hostname()
	if err != nil {
		name = "unnamed"
	}
	return fmt.Sprintf("%.60s-%d-%s", name, os.Getpid(), id.String()[24:]), nil
}

// Stop starts no more attempts, lets those in progress finish until ctx ends,
// interrupts the rest, waits for them, and frees everything. What was
// interrupted waits for the next start, where its definition says
// RequeueOnInterrupt, and otherwise ends as interrupted; either is stored before
// Stop returns. A Go function that does not heed its context is waited for.
//
// Stop may be called on a host that was not started, more than once, and
// concurrently: all calls return when the host has stopped, and the context
// that ends first counts. A task that calls it waits for itself.
func (h *Host) Stop(ctx context.Context) error {
	h.mu.Lock()
	if h.state != stopping {
		h.store.Quiesce() // before anybody can see that the host is stopping
	}
	h.state = stopping
	h.mu.Unlock()
	return h.stopping.Stop(ctx)
}

// stop does the work of Stop, once.
func (h *Host) stop(ctx context.Context) error {
	err := h.store.Stop(ctx)
	ctx = context.WithoutCancel(ctx)
	close(h.closing)
	h.end()
	h.attending.Wait()
	err = errors.Join(err, h.store.Close(), h.engine.Close(ctx))
	h.config.Logger.InfoContext(ctx, "taskhost stopped")
	if err != nil {
		return fmt.Errorf("taskhost: stop: %w", err)
	}
	return nil
}

// Run starts the host, and stops it when ctx ends: attempts in progress are
// given [Config.ShutdownTimeout] to finish.
func (h *Host) Run(ctx context.Context) error {
	if err := h.Start(ctx); err != nil {
		return errors.Join(err, h.Stop(context.WithoutCancel(ctx)))
	}
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.config.ShutdownTimeout)
	defer cancel()
	return h.Stop(grace)
}

// ready reports a host that was stopped, and makes functions known that were
// registered on one that was not started yet.
func (h *Host) ready(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == stopping {
		return task.ErrStopped
	}
	if h.declared {
		return nil
	}
	definitions, _ := h.work()
	if err := h.store.DeclareFunctions(ctx, definitions); err != nil {
		return fmt.Errorf("taskhost: declare functions: %w", err)
	}
	h.declared = true
	return nil
}

// Modules pushes and finds modules.
func (h *Host) Modules() *modules.Library { return h.library }

// Task returns a task, or task.ErrNotFound.
func (h *Host) Task(ctx context.Context, id task.ID) (*task.Task, error) {
	t, err := h.store.Task(ctx, id)
	return t, h.orStopped(err)
}

// Result returns what a task returned, with its content type. It returns
// task.ErrNotFinished while the task has not ended, a *task.Failure where it
// ended without success, and task.ErrNotFound.
func (h *Host) Result(ctx context.Context, id task.ID) (result []byte, contentType string, err error) {
	result, contentType, err = h.store.Result(ctx, id)
	return result, contentType, h.orStopped(err)
}

// Logs returns up to limit lines of a task after the line with that Seq, 0 for
// the first. Lines of a running task appear within [Config.LogFlushInterval].
func (h *Host) Logs(ctx context.Context, id task.ID, after int64, limit int) ([]task.LogEntry, error) {
	entries, err := h.store.Logs(ctx, id, after, limit)
	return entries, h.orStopped(err)
}

// Attempts lists the attempts of a task in order, with what each used: those that
// have ended, and the one that runs. It returns task.ErrNotFound where there is no
// such task.
func (h *Host) Attempts(ctx context.Context, id task.ID) ([]task.Attempt, error) {
	attempts, err := h.store.Attempts(ctx, id)
	return attempts, h.orStopped(err)
}

// Await returns when a task has ended, well or not, on this node or another. It
// returns task.ErrNotFound where there is no such task, and the reason for which
// ctx ended where that comes first.
func (h *Host) Await(ctx context.Context, id task.ID) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.ended, func() { cancel(task.ErrStopped) })() //nolint:contextcheck // whoever waits does so no longer than the host is there
	return h.orStopped(h.store.Await(ctx, id))
}

// Nodes lists the processes that work the database, and those that died lately,
// the oldest first.
func (h *Host) Nodes(ctx context.Context) ([]task.Node, error) {
	nodes, err := h.store.Nodes(ctx)
	return nodes, h.orStopped(err)
}

// Definitions lists what can be enqueued, by name.
func (h *Host) Definitions(ctx context.Context) ([]task.Definition, error) {
	definitions, err := h.store.Definitions(ctx)
	return definitions, h.orStopped(err)
}

// Ping reports whether the database answers.
func (h *Host) Ping(ctx context.Context) error {
	return h.orStopped(h.store.Ping(ctx))
}

// PutToken makes secret a credential under a name. Only its hash is stored.
func (h *Host) PutToken(ctx context.Context, name, secret string) error {
	return h.orStopped(h.store.PutToken(ctx, name, secret))
}

// Authenticate returns the name of the credential with that secret, and
// whether there is one.
func (h *Host) Authenticate(ctx context.Context, secret string) (name string, ok bool, err error) {
	name, ok, err = h.store.Authenticate(ctx, secret)
	return name, ok, h.orStopped(err)
}

// orStopped gives an error of a host that is closed its true reason.
func (h *Host) orStopped(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-h.closing:
		return task.ErrStopped
	default:
		return err
	}
}
