package riverstore

import (
	"context"
	"encoding/json"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/taskhost/taskhost/task"
)

// ticketDriver is a River driver whose fetch claims tasks. It overrides as
// little as can be: the fetch, and with a bus the notifications. Everything
// else is the driver's own. The interface is one that River may change; it is
// pinned, and a change shows when it is compiled.
type ticketDriver[TTx any] struct {
	riverdriver.Driver[TTx]

	claim func(context.Context, *riverdriver.JobGetAvailableParams) ([]*Claim, error)
	bus   *Bus // nil where the database has notifications of its own
	node  string
	hear  func()
}

func (d *ticketDriver[TTx]) GetExecutor() riverdriver.Executor {
	return &ticketExecutor{Executor: d.Driver.GetExecutor(), claim: d.claim, bus: d.bus}
}

func (d *ticketDriver[TTx]) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	if d.bus == nil {
		return &orderListener{Listener: d.Driver.GetListener(params), node: d.node, hear: d.hear}
	}
	return &busListener{bus: d.bus}
}

type ticketExecutor struct {
	riverdriver.Executor

	claim func(context.Context, *riverdriver.JobGetAvailableParams) ([]*Claim, error)
	bus   *Bus
}

// JobGetAvailable claims tasks in place of locking jobs. The rows that it
// returns are made up: the tickets are gone by then.
func (e *ticketExecutor) JobGetAvailable(ctx context.Context, params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	claims, err := e.claim(ctx, params)
	if err != nil {
		return nil, err
	}
	result := &riverdriver.JobGetAvailableResult{Jobs: make([]*rivertype.JobRow, len(claims))}
	for i, claim := range claims {
		if result.Jobs[i], err = jobRow(claim, params.ClientID); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func jobRow(claim *Claim, client string) (*rivertype.JobRow, error) {
	args, err := json.Marshal(ticketArgs{TaskID: claim.Execution.Task.ID})
	if err != nil {
		return nil, err
	}
	return &rivertype.JobRow{
		ID:          claim.Ticket.ID,
		Attempt:     1,
		AttemptedAt: &claim.StartedAt,
		AttemptedBy: []string{client},
		CreatedAt:   claim.Ticket.CreatedAt,
		EncodedArgs: args,
		Kind:        claim.Ticket.Kind,
		MaxAttempts: 1,
		Metadata:    []byte("{}"),
		Priority:    claim.Ticket.Priority,
		Queue:       claim.Ticket.Queue,
		ScheduledAt: claim.Ticket.ScheduledAt,
		State:       rivertype.JobStateRunning,
		Tags:        []string{},
	}, nil
}

func (e *ticketExecutor) NotifyMany(ctx context.Context, params *riverdriver.NotifyManyParams) error {
	if e.bus == nil {
		return e.Executor.NotifyMany(ctx, params)
	}
	for _, payload := range params.Payload {
		e.bus.publish(params.Topic, payload)
	}
	return nil
}

// ticketArgs is all that a ticket says of its task.
type ticketArgs struct {
	TaskID task.ID `json:"task_id"`

	// kind is set where the worker is registered.
	kind string
}

// Kind names the River kind.
func (a ticketArgs) Kind() string { return a.kind }

// nothingToReport is what a worker returns: the end of an attempt is stored by
// us, and the ticket is gone. River's executor reports the jobs that such an
// error lists, and this one lists none. Were River to drop that, it would try
// to fail a job that does not exist, which changes nothing.
type nothingToReport struct{}

func (nothingToReport) Error() string               { return "the attempt was recorded by the store" }
func (nothingToReport) ErrorsByID() map[int64]error { return nil }
func (nothingToReport) Jobs() []*rivertype.JobRow   { return nil }
