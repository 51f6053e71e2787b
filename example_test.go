package taskhost_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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

func ExampleHost_Middleware() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "taskhost-example-")
	check(err)
	defer os.RemoveAll(dir)
	h, err := taskhost.New(ctx, taskhost.Config{Database: filepath.Join(dir, "tasks.db")})
	check(err)
	defer h.Stop(ctx)
	greet, err := taskhost.Register(h, "greet", greet, task.Options{})
	check(err)

	handler := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The id is known at once; the task is stored when the handler has returned.
		id, err := greet.Add(r.Context(), "world", taskhost.EnqueueOptions{})
		check(err)
		w.Header().Set("Location", "/tasks/"+id.String())
		w.WriteHeader(http.StatusAccepted)
	}))
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodPost, "/greet", http.NoBody))

	id, err := task.ParseID(strings.TrimPrefix(answer.Header().Get("Location"), "/tasks/"))
	check(err)
	stored, err := h.Task(ctx, id)
	check(err)
	fmt.Println(answer.Code, stored.Name, stored.Status)
	// Output: 202 greet pending
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
