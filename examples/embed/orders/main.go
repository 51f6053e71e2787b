// Command orders takes orders, and has each confirmed by a background task. The idea
// to see here: the order and its task are stored in one transaction, so there is
// never an order that nobody confirms, nor a confirmation of an order that was
// rolled back.
//
//	DATABASE_URL=postgres://localhost/shop go run ./examples/embed/orders
//
// It keeps its table beside Taskhost's, which are in a schema of their own.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Getenv("DATABASE_URL"))
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// order is what a customer wants. It is the task's argument too.
type order struct {
	Number int64  `json:"number"`
	Item   string `json:"item"`
}

func run(ctx context.Context, url string) (err error) {
	if url == "" {
		return errors.New("DATABASE_URL is not set: give the address of a Postgres database, such as postgres://localhost/shop")
	}
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS shop_order (number bigserial PRIMARY KEY, item text NOT NULL, confirmed boolean NOT NULL DEFAULT false)"); err != nil {
		return err
	}

	host, err := taskhost.New(ctx, taskhost.Config{Database: url})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Stop(context.WithoutCancel(ctx))) }()
	// It may run twice if the process dies in the middle: confirming again what is
	// confirmed changes nothing.
	confirm, err := taskhost.Register(host, "order.confirm", func(ctx context.Context, o order) (string, error) {
		_, err := pool.Exec(ctx, "UPDATE shop_order SET confirmed = true WHERE number = $1", o.Number)
		return "confirmed: " + o.Item, err
	}, task.Options{Retries: 5, RequeueOnInterrupt: true})
	if err != nil {
		return err
	}
	if err := host.Start(ctx); err != nil {
		return err
	}

	var confirmations []task.ID
	for _, item := range []string{"a lamp", "sold out", "two chairs"} {
		id, err := placeOrder(ctx, pool, confirm, item)
		if err != nil {
			fmt.Printf("%s: %v\n", item, err)
			continue
		}
		confirmations = append(confirmations, id)
	}
	for _, id := range confirmations {
		if err := host.Await(ctx, id); err != nil {
			return err
		}
		said, err := confirm.Result(ctx, id)
		if err != nil {
			return err
		}
		fmt.Println(said)
	}
	return nil
}

// placeOrder stores an order with its confirmation, both or neither.
func placeOrder(ctx context.Context, pool *pgxpool.Pool, confirm *taskhost.Function[order, string], item string) (id task.ID, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		o := order{Item: item}
		if err := tx.QueryRow(ctx, "INSERT INTO shop_order (item) VALUES ($1) RETURNING number", item).Scan(&o.Number); err != nil {
			return err
		}
		if id, err = confirm.EnqueueTx(ctx, tx, o, taskhost.EnqueueOptions{}); err != nil {
			return err
		}
		if item == "sold out" {
			return errors.New("there is none left") // and so there is no task either
		}
		return nil
	})
	return id, err
}
