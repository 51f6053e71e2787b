package host_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
)

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
