// Command guest has a definition for each thing that the tests of package host
// want a guest of the Go compiler to do. They build it with GOOS=wasip1
// GOARCH=wasm and -buildmode=c-shared.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

func init() {
	guest.Handle("typed", typed, guest.Options{Retries: 2})
	guest.Handle("context", context, guest.Options{})
	raw("echo", func(ctx guest.Context, in []byte) ([]byte, error) {
		ctx.SetOutputType(ctx.InputType())
		return in, nil
	})
	raw("nothing", func(guest.Context, []byte) ([]byte, error) { return nil, nil })
	raw("counter", func(guest.Context, []byte) ([]byte, error) {
		counter++
		return strconv.AppendInt(nil, int64(counter), 10), nil
	})
	raw("logs", logs)
	raw("prints", prints)
	raw("chats", chats)
	raw("asks", asks)
	raw("large", func(_ guest.Context, in []byte) ([]byte, error) { return make([]byte, number(in)), nil })
	failures()
}

func failures() {
	raw("fail", func(_ guest.Context, in []byte) ([]byte, error) { return nil, errors.New(string(in)) })
	raw("fail.permanent", func(_ guest.Context, in []byte) ([]byte, error) {
		return nil, fmt.Errorf("wrapped: %w", guest.Permanent(errors.New(string(in))))
	})
	raw("panic", func(_ guest.Context, in []byte) ([]byte, error) {
		panic(string(in)) // the panic
	})
	raw("panic.nil", func(guest.Context, []byte) ([]byte, error) {
		var p *int
		return []byte{byte(*p)}, nil // the nil pointer
	})
	raw("panic.goroutine", func(_ guest.Context, in []byte) ([]byte, error) {
		go func() { panic(string(in)) }()
		select {}
	})
	raw("exit", func(_ guest.Context, in []byte) ([]byte, error) {
		fmt.Fprintln(os.Stderr, "about to exit")
		os.Exit(number(in))
		return nil, nil
	})
	raw("deadlock", deadlock)
	raw("exhaust", func(guest.Context, []byte) ([]byte, error) {
		for {
			hoard = append(hoard, make([]byte, 1<<20))
		}
	})
	raw("recurse", func(guest.Context, []byte) ([]byte, error) { return []byte{byte(recurse(0))}, nil })
	raw("spin", func(ctx guest.Context, _ []byte) ([]byte, error) {
		ctx.Info("running")
		for {
		}
	})
	raw("sleep", func(ctx guest.Context, _ []byte) ([]byte, error) {
		ctx.Info("running")
		time.Sleep(10 * time.Second)
		return nil, nil
	})
}

func raw(name string, fn func(guest.Context, []byte) ([]byte, error)) {
	guest.HandleRaw(name, fn, guest.Options{})
}

var (
	counter int
	hoard   [][]byte
	atStart = time.Now()
)

// number reads a decimal number, which is 0 where there is none.
func number(in []byte) int {
	n, _ := strconv.Atoi(string(in))
	return n
}

type order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
}

func typed(_ guest.Context, in order) (order, error) {
	return order{Item: strings.ToUpper(in.Item), Count: in.Count + 1}, nil
}

type seen struct {
	Name        string            `json:"name"`
	TaskID      string            `json:"task_id"`
	Attempt     int               `json:"attempt"`
	MaxAttempts int               `json:"max_attempts"`
	Deadline    int64             `json:"deadline"`
	Tags        map[string]string `json:"tags"`
	InputType   string            `json:"input_type"`
	Args        []string          `json:"args"`
	Env         int               `json:"env"`
	Initialised bool              `json:"initialised"`
}

func context(ctx guest.Context, _ struct{}) (seen, error) {
	return seen{
		Name: ctx.Name(), TaskID: ctx.TaskID(), Attempt: ctx.Attempt(), MaxAttempts: ctx.MaxAttempts(),
		Deadline: ctx.Deadline().UnixMilli(), Tags: ctx.Tags(), InputType: ctx.InputType(),
		Args: os.Args, Env: len(os.Environ()), Initialised: !atStart.IsZero(),
	}, nil
}

// logs logs its input once at each level.
func logs(ctx guest.Context, in []byte) ([]byte, error) {
	text := string(in)
	ctx.Debug(text, "n", 1)
	ctx.Info(text, "text", "a\"b\n", "list", []int{1, 2})
	ctx.Warn(text)
	ctx.Error(text, "err", errors.New("what went wrong"))
	return nil, nil
}

func prints(ctx guest.Context, _ []byte) ([]byte, error) {
	fmt.Println("to standard output")
	fmt.Fprintln(os.Stderr, "to standard error")
	ctx.Info("to the log")
	fmt.Print("two\nlines, \x1b[31mred\x1b[0m\n\n")
	fmt.Print("in ", "pieces: ü\n")
	fmt.Fprint(os.Stderr, "unfinished")
	return nil, nil
}

// chats logs as many lines as its input says, each of 100 bytes.
func chats(ctx guest.Context, in []byte) ([]byte, error) {
	for i := range number(in) {
		ctx.Info(fmt.Sprintf("%0100d", i))
	}
	fmt.Println("and to standard output")
	return nil, nil
}

// asks asks the host as often as its input says.
func asks(ctx guest.Context, in []byte) ([]byte, error) {
	for range number(in) {
		ctx.Attempt()
	}
	return nil, nil
}

// deadlock blocks as many goroutines as its input says, and its own.
func deadlock(_ guest.Context, in []byte) ([]byte, error) {
	never := make(chan int)
	for range number(in) {
		go func() { <-never }()
	}
	return bytes.Repeat(in, <-never), nil
}

// recurse has large frames, so that the end comes soon.
func recurse(n int) int {
	var frame [2048]byte
	frame[n%len(frame)] = byte(n)
	return recurse(n+1) + int(frame[(n+1)%len(frame)])
}

func main() {}
