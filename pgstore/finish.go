package pgstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// finishText moves tasks on that are still their attempts', and writes the rows of
// the attempts and the next tickets. The lease grows here too, so that an end whose
// reply was lost cannot end the next attempt.
//
// A lease is a claim's, and every step after it changes it: that the task has it
// says that the attempt runs. To ask for the status too would invite the planner to
// go through all that are running.
//
// The first commit wins: a task whose cancel was stored before the end of its attempt
// ends as cancelled, whatever that end says.
const finishText = `
WITH ended AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::boolean[], $7::bigint[],
        $8::bytea[], $9::text[], $10::text[], $11::text[], $12::text[],
        $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::boolean[],
        $19::text[], $20::bytea[], $21::bytea[])
        AS e (id, lease, attempt, status, outcome, give_back, wait,
            result, result_type, error, cause, trace,
            elapsed, sandbox, cpu, fuel, peak_memory, pooled,
            result_key, sealed_failure, sealed_attempt)
), moved AS (
    UPDATE {schema}.task t SET
        status = CASE WHEN t.cancel_requested_at IS NULL THEN e.status ELSE 'cancelled' END,
        ticket = CASE
            WHEN t.cancel_requested_at IS NOT NULL THEN NULL
            WHEN e.give_back AND e.wait = 0 THEN t.ticket -- it keeps its place among those that are due at the same time
            WHEN e.status = 'pending' THEN nextval('{schema}.river_job_id_seq')
        END,
        lease = t.lease + 1,
        attempt = t.attempt - (e.give_back AND t.cancel_requested_at IS NULL)::integer,
        crashes = t.crashes + (e.cause IS NOT DISTINCT FROM 'crashed')::integer,
        ended_at = CASE WHEN e.status <> 'pending' OR t.cancel_requested_at IS NOT NULL THEN greatest(now(), t.attempt_started_at) END,
        released_at = CASE WHEN e.status = 'pending' AND t.cancel_requested_at IS NULL THEN greatest(now(), t.attempt_started_at) END,
        run_time = t.run_time + (extract(epoch FROM greatest(now(), t.attempt_started_at) - t.attempt_started_at) * 1000000)::bigint,
        due_at = CASE
            WHEN e.give_back AND e.wait = 0 THEN least(t.due_at, now()) -- the clock may have been set back since
            WHEN e.status = 'pending' THEN now() + e.wait * interval '1 microsecond'
            ELSE t.due_at
        END,
        result = CASE WHEN t.cancel_requested_at IS NULL THEN e.result END,
        result_type = CASE WHEN t.cancel_requested_at IS NULL THEN e.result_type END,
        result_key_id = CASE WHEN t.cancel_requested_at IS NULL THEN e.result_key END,
        sealed_failure = CASE WHEN t.cancel_requested_at IS NULL OR e.cause = 'cancelled' THEN e.sealed_failure END,
        error = CASE WHEN t.cancel_requested_at IS NULL OR e.cause = 'cancelled' THEN e.error ELSE $22 END,
        cause = CASE WHEN t.cancel_requested_at IS NULL THEN e.cause ELSE 'cancelled' END,
        trace = CASE WHEN t.cancel_requested_at IS NULL THEN e.trace END
    FROM ended e
    WHERE t.id = e.id AND t.lease = e.lease
    RETURNING t.id, t.name, t.executor, t.priority, t.ticket, t.due_at, t.node, t.attempt_started_at, t.attempt_wait, t.status, t.source, t.attempt AS attempts,
        e.lease, e.attempt, CASE WHEN t.cancel_requested_at IS NULL THEN e.outcome ELSE 'cancelled' END AS outcome,
        t.error, t.cause, t.trace, e.elapsed, e.sandbox, e.cpu, e.fuel, e.peak_memory, e.pooled,
        CASE WHEN t.cancel_requested_at IS NULL OR e.cause = 'cancelled' THEN e.sealed_attempt END AS sealed_attempt
), attempt AS (
    INSERT INTO {schema}.attempt (
        task_id, lease, attempt, node, started_at, ended_at, queue_wait, elapsed,
        outcome, error, cause, trace, sandbox, cpu, fuel, peak_memory, pooled, sealed_failure)
    SELECT id, lease, attempt, node, attempt_started_at, greatest(now(), attempt_started_at), attempt_wait, elapsed,
        outcome, error, cause, trace, sandbox, cpu, fuel, peak_memory, pooled, sealed_attempt
    FROM moved
){event}, event AS (
    INSERT INTO {schema}.event (task_id, status, name, source, attempt, node, cause)
    SELECT id, status, name, source, attempts, node, cause FROM moved
){/event}, ticket AS (
    INSERT INTO {schema}.river_job (id, args, kind, queue, priority, scheduled_at)
    SELECT ticket, jsonb_build_object('task_id', id), ` + kindOf + `, executor, 11 - priority, due_at
    FROM moved WHERE status = 'pending'
    RETURNING queue, scheduled_at
), woken AS (
    SELECT count(pg_notify('{schema}.river_insert', json_build_object('queue', queue)::text)) AS n
    FROM (SELECT DISTINCT queue FROM ticket WHERE scheduled_at <= now()) q
)
SELECT id, status, n FROM moved CROSS JOIN woken`

// logsText stores lines of attempts that still own their tasks.
const logsText = `
INSERT INTO {schema}.task_log (task_id, seq, attempt, at, level, message, fields, sealed)
SELECT l.task_id, l.seq, l.attempt, l.at, l.level, l.message, l.fields, l.sealed
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::integer[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::bytea[])
    AS l (task_id, lease, seq, attempt, at, level, message, fields, sealed)
JOIN {schema}.task t ON t.id = l.task_id AND t.lease = l.lease
ON CONFLICT DO NOTHING`

// Finish implements [riverstore.Attempts].
func (s *Store) Finish(ctx context.Context, ends []*riverstore.End) ([]bool, error) {
	s.vault.SealEnds(ends)
	// In one order everywhere, so that two transactions cannot wait for each other.
	order := slices.Clone(ends)
	slices.SortFunc(order, func(a, b *riverstore.End) int { return slices.Compare(a.ID[:], b.ID[:]) })
	var lines []riverstore.LogLine
	for _, end := range order {
		lines = append(lines, end.Logs...)
	}
	moved := make(map[task.ID]task.Status, len(ends))
	var err error
	if len(lines) == 0 { // one statement is a transaction by itself
		err = s.finish(ctx, s.pool, order, moved)
	} else {
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			// The lines first: they are refused once the task has moved on.
			if err := s.insertLogs(ctx, tx, lines); err != nil {
				return err
			}
			return s.finish(ctx, tx, order, moved)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("store the ends of attempts: %w", withCause(err))
	}
	stored := make([]bool, len(ends))
	for i, end := range ends {
		var status task.Status
		if status, stored[i] = moved[end.ID]; status == task.Cancelled && end.Status != status {
			end.Cancel()
		}
	}
	return stored, nil
}

// querier is a pool or a transaction.
type querier interface {
	Exec(ctx context.Context, text string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, text string, args ...any) (pgx.Rows, error)
}

func (s *Store) finish(ctx context.Context, db querier, ends []*riverstore.End, moved map[task.ID]task.Status) error {
	n := len(ends)
	ids, leases, attempts := make([][16]byte, n), make([]int64, n), make([]int32, n)
	statuses, outcomes, giveBacks, waits := make([]string, n), make([]string, n), make([]bool, n), make([]int64, n)
	results, resultTypes := make([][]byte, n), make([]*string, n)
	errs, causes, traces := make([]*string, n), make([]*string, n), make([]*string, n)
	elapsed, sandboxes, cpus, fuels, peaks := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	pooled := make([]bool, n)
	resultKeys, sealedFailures, sealedAttempts := make([]*string, n), make([][]byte, n), make([][]byte, n)
	for i, end := range ends {
		failure := end.Failure
		if failure == nil {
			failure = &task.Failure{}
		}
		ids[i], leases[i], attempts[i] = end.ID, end.Lease, int32(end.Attempt) //nolint:gosec // bounded by MaxRetries
		statuses[i], outcomes[i], giveBacks[i], waits[i] = string(end.Status), string(end.Outcome), end.GiveBack, end.Wait.Microseconds()
		results[i], resultTypes[i] = end.Result, nullable(end.ResultType)
		errs[i], causes[i], traces[i] = nullable(failure.Message), nullable(string(failure.Cause)), nullable(failure.Trace)
		elapsed[i], sandboxes[i], cpus[i] = end.Elapsed.Microseconds(), end.Usage.Sandbox.Microseconds(), end.Usage.CPU.Microseconds()
		fuels[i], peaks[i], pooled[i] = end.Usage.Fuel, end.Usage.PeakMemory, end.Usage.Pooled
		resultKeys[i], sealedFailures[i], sealedAttempts[i] = nullable(end.ResultKey), end.SealedFailure, end.SealedAttempt
	}
	rows, err := db.Query(ctx, s.sql.finish, s.hot, ids, leases, attempts, statuses, outcomes, giveBacks, waits,
		results, resultTypes, errs, causes, traces, elapsed, sandboxes, cpus, fuels, peaks, pooled,
		resultKeys, sealedFailures, sealedAttempts, riverstore.CancelledRunning)
	if err != nil {
		return err
	}
	var id [16]byte
	var status string
	var woken int64
	_, err = pgx.ForEachRow(rows, []any{&id, &status, &woken}, func() error {
		moved[id] = task.Status(status)
		return nil
	})
	return err
}

// AppendLogs implements [riverstore.Attempts].
func (s *Store) AppendLogs(ctx context.Context, lines []riverstore.LogLine) error {
	s.vault.SealLines(lines)
	return withCause(s.insertLogs(ctx, s.pool, lines))
}

func (s *Store) insertLogs(ctx context.Context, db querier, lines []riverstore.LogLine) error {
	n := len(lines)
	if n == 0 {
		return nil
	}
	ids, leases, seqs, attempts := make([][16]byte, n), make([]int64, n), make([]int64, n), make([]int32, n)
	times, levels, messages, fields := make([]time.Time, n), make([]string, n), make([]string, n), make([]*string, n)
	sealed := make([][]byte, n)
	for i, line := range lines {
		ids[i], leases[i], seqs[i], attempts[i] = line.Task, line.Lease, line.Seq, int32(line.Attempt) //nolint:gosec // bounded by MaxRetries
		times[i], levels[i], messages[i], fields[i] = line.Time, string(line.Level), line.Message, nullable(string(line.Fields))
		sealed[i] = line.Sealed
	}
	_, err := db.Exec(ctx, s.sql.logs, s.hot, ids, leases, seqs, attempts, times, levels, messages, fields, sealed)
	return err
}
