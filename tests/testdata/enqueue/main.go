// Command enqueue is a program that only enqueues: two tasks, each in a
// transaction of its own with a row of the program's. One is committed, the other
// is not. It prints the ids.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	err := run(ctx, os.Args[1])
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // this is a program's main
	}
}

func run(ctx context.Context, database string) (err error) {
	pool, err := pgxpool.New(ctx, database)
	if err != nil {
		return err
	}
	defer pool.Close()
	store, err := pgstore.Open(ctx, pgstore.Config{Pool: pool, NoMigrate: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if _, err := pool.Exec(ctx, "CREATE TABLE orders (task_id uuid NOT NULL)"); err != nil {
		return err
	}
	if err := order(ctx, pool, store, nil); err != nil {
		return err
	}
	changedMind := errors.New("the customer has changed their mind")
	if err := order(ctx, pool, store, changedMind); !errors.Is(err, changedMind) {
		return err
	}
	return nil
}

// order stores a row and a task, or nothing where it is given an error.
func order(ctx context.Context, pool *pgxpool.Pool, store *pgstore.Store, outcome error) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		id, err := store.EnqueueTx(ctx, tx, task.Request{Name: "demo.echo", Args: []byte(`"from a transaction"`)})
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO orders VALUES ($1)", id.String()); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(os.Stdout, id); err != nil {
			return err
		}
		return outcome
	})
}
