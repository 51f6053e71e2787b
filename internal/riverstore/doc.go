// Package riverstore is what the stores share: how a request becomes a task
// with a ticket, how tickets are claimed through River, how attempts run and
// end. It is the only place where River's generic transaction type appears.
//
// # Tickets
//
// Our own tables are the truth. A river_job row is a ticket: it exists exactly
// while its task is pending. Claiming deletes tickets and moves their tasks to
// running in one transaction; ending an attempt moves the task on, and writes
// the next ticket where there is to be another attempt. So River decides when
// and in which order things start, with its queues, slots and notifications,
// and never what state a task is in. Every write after a claim carries the
// claim's lease, and is refused once the task has moved on.
//
// # Parts
//
//   - [Database] is what a store has to offer in its own SQL: one method for
//     each step, each one transaction.
//   - [Enqueuer] checks requests against their definitions and inserts them.
//   - [Runner] claims, runs and ends attempts.
//   - [Bus] carries River's notifications inside one process, for databases
//     that have none of their own.
package riverstore
