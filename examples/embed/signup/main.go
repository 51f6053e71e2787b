// Command signup answers HTTP requests, and leaves what takes long to background
// tasks. The idea to see here: tasks that are added during a request are enqueued
// together when its handler has returned, before the answer goes out. So a client that
// was answered has its tasks, and one whose request failed has none.
//
//	go run ./examples/embed/signup
//	curl -d name=Ada http://127.0.0.1:8080/signup
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, "signup.db", "127.0.0.1:8080")
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, database, address string) (err error) {
	host, err := taskhost.New(ctx, taskhost.Config{Database: database})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Stop(context.WithoutCancel(ctx))) }()
	handler, err := newHandler(host)
	if err != nil {
		return err
	}
	if err := host.Start(ctx); err != nil {
		return err
	}
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: timeout}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // it has nothing else to do
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newHandler registers the tasks, and returns what adds them.
func newHandler(host *taskhost.Host) (http.Handler, error) {
	welcome, err := taskhost.Register(host, "signup.welcome", sendWelcome, task.Options{Retries: 5, Delay: delay, Backoff: 2, Jitter: 0.3})
	if err != nil {
		return nil, err
	}
	// However many sign up meanwhile, one count is enough. It is of no use tomorrow.
	count, err := taskhost.Register(host, "signup.count", countMembers, task.Options{Unique: task.UniqueName, ExpiresAfter: expiry})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /signup", func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		id, err := welcome.Add(ctx, member{Name: r.FormValue("name")}, taskhost.EnqueueOptions{})
		if err != nil { // the schema of a member asks for a name
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		if _, err := count.Add(ctx, struct{}{}, taskhost.EnqueueOptions{}); err != nil {
			taskhost.Background(ctx).Discard()
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprintln(w, id) // it is known before the task is stored
	})
	return host.Middleware(mux), nil
}
