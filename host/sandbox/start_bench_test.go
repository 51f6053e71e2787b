//go:build linux

package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

// BenchmarkStart is a worker until it is ready, and BenchmarkLoad one until it has run
// a Go module that was compiled before.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p, err := sandbox.New(context.Background(), sandbox.Config{})
		if err != nil {
			b.Fatal(err)
		}
		_ = p.Close(context.Background())
	}
}

func BenchmarkLoad(b *testing.B) {
	p := newPool(b, sandbox.Config{MaxRuns: 1})
	wasm := guestbuild.Build(b, "../testdata/raw-go")
	require.NoError(b, p.Prepare(b.Context(), "go", wasm))
	for b.Loop() {
		if out := p.Execute(context.Background(), host.Attempt{Digest: "go", Name: "raw"}, &nowhere{}); out.Failure != nil {
			b.Fatal(out.Failure)
		}
	}
}

// BenchmarkMemory is what a worker has of memory with a small module, which is what
// any has, and with a Go module.
func BenchmarkMemory(b *testing.B) {
	p := newPool(b, sandbox.Config{})
	for name, wasm := range map[string][]byte{"small": echo().bytes(), "go": guestbuild.Build(b, "../testdata/raw-go")} {
		b.Run(name, func(b *testing.B) {
			require.NoError(b, p.Prepare(b.Context(), name, wasm))
			for b.Loop() {
				p.Execute(context.Background(), host.Attempt{Digest: name, Name: "raw"}, &nowhere{})
			}
			path := fmt.Sprintf("/proc/%d/smaps_rollup", p.IdleWorkers(name)[0])
			text, err := os.ReadFile(path) //nolint:gosec // of the system
			require.NoError(b, err)
			for line := range strings.Lines(string(text)) {
				fields := strings.Fields(line)
				if fields[0] == "Rss:" || fields[0] == "Pss:" {
					kib, err := strconv.ParseFloat(fields[1], 64)
					require.NoError(b, err)
					b.ReportMetric(kib/1024, fields[0]+"MiB")
				}
			}
		})
	}
}
