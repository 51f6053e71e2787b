//go:build linux

package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/taskhost/taskhost/host"
)

// Isolations is how many ways to isolate workers are tried here.
func Isolations() int { return len(isolations()) }

// NewIsolated is New with one of them, and no other.
func NewIsolated(ctx context.Context, config Config, index int) (*Pool, error) {
	return newPool(ctx, config, isolations()[index:index+1])
}

// NewUnwalled is New as on a system that has no walls but that of a process.
func NewUnwalled(ctx context.Context, config Config) (*Pool, error) {
	return newPool(ctx, config, []isolation{{}})
}

// ModuleDir is where the pool has a module.
func (p *Pool) ModuleDir(digest string) string { return p.moduleDir(digest) }

// IdleWorkers are the processes that wait for attempts at a module.
func (p *Pool) IdleWorkers(digest string) (pids []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.module(digest).idle {
		pids = append(pids, w.cmd.Process.Pid)
	}
	return pids
}

// IdleEnded reports whether the pool knows that the first idle worker of a module is gone.
func (p *Pool) IdleEnded(digest string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.module(digest).idle[0].ended:
		return true
	default:
		return false
	}
}

// LockDown is what a worker does once its module is loaded.
func LockDown() bool {
	confine(roleRun)
	return len(lockDown()) > 0
}

// Lie is a worker that does what it should until the frame that the lie is about: a lie
// is the kind of the frame, a colon, and what is done in place of an answer.
func Lie(lie string) {
	os.Clearenv()
	signal.Ignore(syscall.SIGUSR1)
	at, what, _ := strings.Cut(lie, ":")
	in, room := bufio.NewReader(os.Stdin), []byte(nil)
	if at == "start" {
		misbehave(what)
	}
	m := newMessage(kindReady)
	m.uint(1)
	m.string("seccomp")
	_ = m.writeTo(os.Stdout)
	for {
		k, f, err := readFrame(in, maxFrame, &room)
		if err != nil {
			return
		}
		if string(k) == at {
			misbehave(what)
		}
		switch k {
		case kindLoad:
			m = newMessage(kindLoaded)
			putError(&m, nil)
			m.bool(false)
			m.uint(1)
			m.string("seccomp")
		case kindInspect:
			m = newMessage(kindInspected)
			putError(&m, nil)
			putInspection(&m, &host.Inspection{})
		default:
			attempt, _ := getAttempt(f)
			m = newMessage(kindOutcome)
			putOutcome(&m, &host.Outcome{Output: attempt.Input})
		}
		_ = m.writeTo(os.Stdout)
	}
}

// misbehave does one thing that no worker should, and then waits to be killed.
func misbehave(what string) {
	write := func(bytes ...byte) { _, _ = os.Stdout.Write(bytes) }
	outcome := func(o host.Outcome) {
		m := newMessage(kindOutcome)
		putOutcome(&m, &o)
		_ = m.writeTo(os.Stdout)
	}
	lines := func(line host.LogLine) {
		m := newMessage(kindLog)
		putLog(&m, &line)
		for m.writeTo(os.Stdout) == nil {
		}
	}
	switch what {
	case "exit":
		os.Exit(3) //nolint:forbidigo // it is a worker
	case "panic":
		panic("a bug of the sandbox at /usr/lib/secret")
	case "out of memory":
		_ = syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: 64 << 20, Max: 64 << 20})
		var all [][]byte
		for {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
			runtime.KeepAlive(all)
		}
	case "hang up":
		_ = os.Stdout.Close()
	case "half a header":
		write(9, 0)
		_ = os.Stdout.Close()
	case "a short frame":
		write(9, 0, 0, 0, 'O', 1)
		_ = os.Stdout.Close()
	case "a long frame":
		write(0xff, 0xff, 0xff, 0xff, 'O')
	case "an empty frame":
		write(0, 0, 0, 0, 0)
	case "another kind":
		write(1, 0, 0, 0, 'Z')
	case "nothing in it":
		write(1, 0, 0, 0, 'O')
	case "ready again":
		write(1, 0, 0, 0, 'H')
	case "a long list":
		write(11, 0, 0, 0, 'H', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0)
	case "more than asked":
		m := newMessage(kindOutcome)
		putOutcome(&m, &host.Outcome{})
		m.string("and more")
		_ = m.writeTo(os.Stdout)
	case "noise":
		for {
			if _, err := os.Stdout.Write(bytes.Repeat([]byte{0xa5}, 64<<10)); err != nil {
				break
			}
		}
	case "noise on standard error":
		for range 1000 {
			_, _ = os.Stderr.Write(bytes.Repeat([]byte("\x1b[2J"), 16<<10))
		}
		os.Exit(1) //nolint:forbidigo // it is a worker
	case "much output":
		outcome(host.Outcome{Output: make([]byte, 20<<20)})
	case "a long type":
		outcome(host.Outcome{OutputType: strings.Repeat("x", 1000)})
	case "another failure":
		outcome(host.Outcome{Failure: &host.Failure{Kind: "fine"}})
	case "crashed":
		outcome(host.Outcome{Failure: &host.Failure{Kind: host.KindCrashed}})
	case "stopped":
		outcome(host.Outcome{Failure: &host.Failure{Kind: host.KindStopped}})
	case "not prepared":
		outcome(host.Outcome{NotPrepared: true})
	case "empty lines":
		lines(host.LogLine{})
	case "long lines":
		lines(host.LogLine{Message: strings.Repeat("x", 1<<20)})
	case "lines without JSON":
		lines(host.LogLine{Fields: []byte("{\"a\":")})
	}
	for { // a select of nothing would be a deadlock to the runtime
		_ = syscall.Pause()
	}
}
