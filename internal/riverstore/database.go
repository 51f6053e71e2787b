package riverstore

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/task"
)

// Database is a store's own SQL. Each method is one transaction, and is safe
// for concurrent use.
type Database interface {
	Inserter
	Attempts
	Expirer
	Ender
}

// Expirer ends tasks whose time is up.
type Expirer interface {
	// Expire ends tasks that are pending past their time, with [Expired], up to
	// limit, and returns their ids.
	Expire(ctx context.Context, limit int) ([]task.ID, error)
}

// Definitions finds what can be enqueued.
type Definitions interface {
	// Definition returns the definition of that name, or an error that is
	// task.ErrNotFound.
	Definition(ctx context.Context, name string) (*task.Definition, error)
	// VersionDefinitions returns the definitions of a version of a module, or an
	// error that is task.ErrNotFound.
	VersionDefinitions(ctx context.Context, module string, version int) ([]task.Definition, error)
	// DefinitionNames lists every name, for suggestions.
	DefinitionNames(ctx context.Context) ([]string, error)
}

// Inserter stores tasks.
type Inserter interface {
	Definitions
	// Insert stores tasks with their tickets, all or none, and wakes the
	// queues. It returns the id of each: its own, or that of the earlier task
	// that holds its idempotency key or its unique key. A row whose own id is stored already is
	// left as it is, so that a call whose reply was lost can be repeated.
	Insert(ctx context.Context, rows []*Row) ([]task.ID, error)
}

// Attempts starts and ends attempts.
type Attempts interface {
	// Claim takes tickets out and starts their tasks, in the order in which
	// they are to start. A ticket that is not its task's is dropped.
	Claim(ctx context.Context, params ClaimParams) ([]*Claim, error)
	// Finish stores the ends of attempts, with the next tickets. It reports
	// for each whether it was stored: not, where the task has moved on. An end of
	// a task that was cancelled meanwhile becomes that of a cancelled one, see
	// [End.Cancel].
	Finish(ctx context.Context, ends []*End) (stored []bool, err error)
	// AppendLogs stores log lines of running attempts. Lines of an attempt
	// that no longer owns its task are dropped.
	AppendLogs(ctx context.Context, lines []LogLine) error
	// Running lists the attempts that a node runs, as the database has it.
	Running(ctx context.Context, node string) ([]Attempt, error)
	// Repair gives a new ticket to tasks that are pending, are due within
	// [RepairHorizon], and have none that could ever be claimed. It reports how
	// many those were, and is called again until there are no more.
	Repair(ctx context.Context) (int, error)
}

// Fleet is what a database offers that several nodes may work at once.
type Fleet interface {
	// Beat says that a node lives, and makes it known where it is not.
	Beat(ctx context.Context, node *task.Node) error
	// Leave takes a node out.
	Leave(ctx context.Context, node string) error
	// Heartbeats lists the last signs of life of all nodes that are known, and of those
	// that are not and have running tasks.
	Heartbeats(ctx context.Context) ([]Heartbeat, error)
	// Orphans lists running attempts of nodes, up to limit, as the ends that
	// [Crashed] makes of them.
	Orphans(ctx context.Context, nodes []string, limit int) ([]*End, error)
}

// Attempt names one attempt at a task.
type Attempt struct {
	Task  task.ID
	Lease int64
	// Number is the attempt's, from 1.
	Number int
}

// Row is a task to insert.
type Row struct {
	ID             task.ID
	Definition     *task.Definition
	Args           []byte
	ArgsType       string
	Tags           map[string]string
	Source         task.Source
	Parent         task.ID // zero for none
	IdempotencyKey string
	// IdempotencyTTL is how long the key holds at least, 0 for as long as its task.
	IdempotencyTTL time.Duration
	// UniqueKey is held by one task that is pending or running, empty for none.
	UniqueKey string
	Priority  int
	Timeout   time.Duration
	// ExpiresAfter bounds the task from when it is first due, 0 for never.
	ExpiresAfter time.Duration
	// Delay or RunAt postpone the first attempt; with neither it is due now,
	// by the database's clock.
	Delay time.Duration
	RunAt time.Time
	// KeyID is the key that Args is sealed under, empty where it is in clear.
	KeyID string

	plain, keyed []byte // digests of the arguments
}

// ClaimParams says what to claim.
type ClaimParams struct {
	// Node is who claims.
	Node string
	// Queue is the queue to take from, and Kinds the kinds that may be taken.
	Queue string
	Kinds []string
	// Limit is the number of free slots.
	Limit int
}

// Claim is a started attempt.
type Claim struct {
	Ticket    Ticket
	Execution task.Execution
	// ArgsKey is the key that the execution's arguments are sealed under, until the
	// attempt begins.
	ArgsKey string
	Retry   RetryPolicy
	// StartedAt is when the attempt was claimed, by the database's clock.
	StartedAt time.Time

	mostTime  time.Duration // the longest timeout that this node allows
	claimedAt time.Time     // StartedAt by this process's clock, or a little later
}

// attempt names the attempt.
func (c *Claim) attempt() Attempt {
	return Attempt{Task: c.Execution.Task.ID, Lease: c.Execution.Lease, Number: c.Execution.Task.Attempt}
}

// Ticket is what River knows of a waiting task.
type Ticket struct {
	ID          int64
	Kind        string
	Queue       string
	Priority    int
	CreatedAt   time.Time
	ScheduledAt time.Time
}

// RetryPolicy is a task's own copy of its definition's choices.
type RetryPolicy struct {
	Delay    time.Duration
	Backoff  float64
	MaxDelay time.Duration
	Jitter   float64
}

// End is how an attempt ended, and what becomes of its task.
type End struct {
	ID    task.ID
	Lease int64
	// Attempt is the number of the attempt that ended.
	Attempt int
	// Status is the task's next state. Pending asks for a ticket.
	Status task.Status
	// Outcome is the attempt's own: success, failed, interrupted or cancelled.
	Outcome task.Status
	// GiveBack returns the attempt to the task.
	GiveBack bool
	// Wait is how long after now the next attempt is due. With GiveBack and no
	// Wait the task keeps the place in the queue that it had.
	Wait       time.Duration
	Result     []byte
	ResultType string
	Failure    *task.Failure
	Usage      task.Usage
	// Elapsed is the attempt's run time by this process's clock.
	Elapsed time.Duration
	// Logs are the lines that were not yet stored.
	Logs []LogLine

	// ResultKey is the key that Result is sealed under, empty where it is in clear.
	ResultKey string
	// SealedFailure and SealedAttempt hold what Failure said, for the task's row and
	// for the attempt's, where it is sealed.
	SealedFailure []byte
	SealedAttempt []byte

	queue  string // of the task's executor, where a retry is to be waited for
	sealed bool
	tries  int // how often storing it has failed
}

// Cancel makes an end that of a task that was cancelled before it was stored.
func (e *End) Cancel() {
	e.Status, e.Outcome, e.GiveBack, e.Wait = task.Cancelled, task.Cancelled, false, 0
	e.Result, e.ResultType, e.ResultKey = nil, "", ""
	e.SealedFailure, e.SealedAttempt = nil, nil // what is said instead is no secret
	e.Failure = &task.Failure{Cause: task.CauseCancelled, Message: CancelledRunning}
}

// LogLine is a line of an attempt that is being stored.
type LogLine struct {
	Task  task.ID
	Lease int64
	task.LogEntry
	// Sealed holds the message and the fields where they are sealed.
	Sealed []byte
}

// Queue names the River queue of an executor.
func Queue(executor task.Executor) string { return string(executor) }

// wasmKind is the River kind of every module's tasks.
const wasmKind = "wasm"

// Kind names the River kind of a definition's tickets: one for all modules,
// whose code can be fetched by any node, and one for each Go function, which a
// node has or has not.
func Kind(executor task.Executor, name string) string {
	if executor == task.Wasm {
		return wasmKind
	}
	return "go:" + name
}

// RiverPriority turns a priority, of which 10 is the highest, into River's, of
// which 1 is.
func RiverPriority(priority int) int { return task.MaxPriority + 1 - priority }
