package host_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
)

// BenchmarkExecuteFresh is one attempt from its start to its end, in a new
// instance.
func BenchmarkExecuteFresh(b *testing.B) {
	m := newModule()
	for name, attempt := range map[string]host.Attempt{
		"go":    goAttempt(b, "echo", "a few bytes of input"),
		"small": m.run(m.output("a few bytes of output"), done).attempt(b),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if out := sharedEngine().Execute(context.Background(), attempt, &logged{}); out.Failure != nil {
					b.Fatalf("%+v", out.Failure)
				}
			}
		})
	}
}

// BenchmarkPrepare compiles the Go guest, without kept code.
func BenchmarkPrepare(b *testing.B) {
	wasm := bytes.Clone(goModule(b))
	b.SetBytes(int64(len(wasm)))
	b.ReportAllocs()
	for b.Loop() {
		e, err := host.New(context.Background(), host.Config{})
		require.NoError(b, err)
		require.NoError(b, e.Prepare(context.Background(), "guest", wasm))
		require.NoError(b, e.Close(context.Background()))
	}
}
