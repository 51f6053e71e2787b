//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
)

// tryAttack gives how an attack came out: a kind, and what it says.
func tryAttack(ctx context.Context, p *sandbox.Pool, a attack) (kind, says string) {
	_, err := p.Inspect(ctx, a.name, a.wasm)
	var refusal *host.ModuleError
	switch {
	case errors.As(err, &refusal):
		return refused, refusal.Reason
	case err != nil:
		return "host", err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
	defer cancel()
	out := p.Execute(ctx, host.Attempt{Digest: a.name, Name: "raw", MaxAttempts: 1}, &nowhere{})
	if out.Failure == nil {
		return harmless, string(out.Output)
	}
	return string(out.Failure.Kind), out.Failure.Message
}

// Healthy tasks go on beside every attack, and each attack is refused, stopped, or
// fails in a way that says why.
func TestHostileModules(t *testing.T) {
	p := newPool(t, sandbox.Config{CompileTimeout: 1500 * time.Millisecond, Workers: 4})
	healthy := echo().attempt(t, p)
	requireEcho(t, p, healthy)
	ctx, cancel := context.WithCancel(t.Context())
	var flow sync.WaitGroup
	var took []time.Duration
	var stall time.Duration
	flow.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		last := time.Now()
		for ctx.Err() == nil {
			<-tick.C
			start := time.Now()
			attempt := healthy
			attempt.Input = []byte("hello")
			out := p.Execute(context.Background(), attempt, &nowhere{})
			took = append(took, time.Since(start))
			stall, last = max(stall, time.Since(last)), time.Now()
			if out.Failure != nil || string(out.Output) != "hello" {
				t.Errorf("a healthy task: %+v", out)
			}
		}
	})
	attacks := slices.Concat(decodeBombs(), compileBombs(), declarationAttacks(), runAttacks())
	require.GreaterOrEqual(t, len(attacks), 60)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			start := time.Now()
			kind, says := tryAttack(t.Context(), p, a)
			t.Log(kind, says, time.Since(start))
			if kind != string(host.KindStopped) { // on a busy machine that may come first, and holds it as well
				require.Contains(t, a.want, kind, says)
				require.Contains(t, strings.ToLower(says), a.says)
			}
			require.NotContains(t, says, ".go:")
			require.NotContains(t, says, "/proc/")
			require.True(t, utf8.ValidString(says))
			require.LessOrEqual(t, len(says), 28<<10)
			require.NotContains(t, says, "\x1b")
		})
	}
	cancel()
	flow.Wait()
	require.NotEmpty(t, took)
	slices.Sort(took)
	t.Logf("%d attacks beside %d healthy tasks: p50 %v, p99 %v, longest stall %v", len(attacks), len(took),
		took[len(took)/2], took[len(took)*99/100], stall)
	require.Less(t, stall, patience)
	require.Empty(t, p.Quarantined())
}
