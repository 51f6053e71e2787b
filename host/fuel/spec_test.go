package fuel_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/host/fuel"
	"github.com/taskhost/taskhost/host/spectest"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// A module that counts its work does what it did.
func TestSpecification(t *testing.T) {
	spectest.Test(t, func(t *testing.T, wasm []byte) (*spectest.Rewritten, error) {
		code, err := rewrite(wasm)
		return &spectest.Rewritten{Code: code, Start: func(ctx context.Context, instance api.Module) error {
			meter, err := fuel.Attach(instance)
			require.NoError(t, err)
			meter.Arm(0, 100_000)
			return meter.Start(ctx)
		}}, err
	})
}

func rewrite(wasm []byte) ([]byte, error) {
	file, err := wasmfile.Read(bytes.Clone(wasm))
	if err != nil {
		return nil, err
	}
	return fuel.Rewrite(file, wasm)
}
