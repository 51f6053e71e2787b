//go:build linux

package sandbox_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

// BenchmarkExecute is an attempt through a worker that has its module loaded.
func BenchmarkExecute(b *testing.B) {
	p := newPool(b, sandbox.Config{})
	for _, guest := range []string{"raw-go", "raw-c"} {
		b.Run(guest, func(b *testing.B) {
			_, err := p.Inspect(b.Context(), guest, guestbuild.Build(b, "../testdata/"+guest))
			require.NoError(b, err)
			attempt := host.Attempt{Digest: guest, Name: "raw", Input: []byte("a few bytes")}
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if out := p.Execute(context.Background(), attempt, &nowhere{}); out.Failure != nil {
					b.Fatal(out.Failure)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
		})
	}
}
