package taskhost_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func greet(_ context.Context, name string) (string, error) { return "hello " + name, nil }

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "taskhost-example-")
	check(err)
	defer os.RemoveAll(dir)

	h, err := taskhost.New(ctx, taskhost.Config{Database: filepath.Join(dir, "tasks.db")})
	check(err)
	defer h.Stop(ctx)
	greet, err := taskhost.Register(h, "greet", greet, task.Options{Retries: 3})
	check(err)
	check(h.Start(ctx))
	id, err := greet.Enqueue(ctx, "world", taskhost.EnqueueOptions{})
	check(err)

	greeting, err := greet.Result(ctx, id)
	for errors.Is(err, task.ErrNotFinished) {
		<-time.After(10 * time.Millisecond)
		greeting, err = greet.Result(ctx, id)
	}
	check(err)
	fmt.Println(greeting)
	// Output: hello world
}

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}
