package execbench

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/taskhost/taskhost/abi"
)

// plainCall is what one execution on plain wazero gets, and what came of it.
type plainCall struct {
	guest  *guest
	output []byte
	failed string
}

type plainKey struct{}

// openPlain is what an embedder of wazero writes who wants a clean state: the module
// as it came from its compiler, a new instance for each execution, and host functions
// without limits. With interruptible, wazero looks at the context; without, nothing
// can stop a guest.
func openPlain(interruptible bool) opener {
	return func(ctx context.Context, _ *bench, g *guest) (_ *subject, err error) {
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(interruptible))
		defer func() {
			if err != nil {
				err = errors.Join(err, r.Close(context.WithoutCancel(ctx)))
			}
		}()
		if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
			return nil, err
		}
		if err := plainHost(ctx, r); err != nil {
			return nil, err
		}
		compiled, err := r.CompileModule(ctx, g.wasm)
		if err != nil {
			return nil, err
		}
		s := calling(func(ctx context.Context) error {
			if !interruptible {
				return plainExecution(context.WithoutCancel(ctx), r, compiled, g)
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return plainExecution(ctx, r, compiled, g)
		})
		s.close = r.Close
		return s, nil
	}
}

func plainExecution(ctx context.Context, r wazero.Runtime, compiled wazero.CompiledModule, g *guest) (err error) {
	call := &plainCall{guest: g}
	ctx = context.WithValue(ctx, plainKey{}, call)
	config := wazero.NewModuleConfig().WithName("").WithArgs("task").
		WithSysWalltime().WithSysNanotime().WithSysNanosleep().WithRandSource(rand.Reader)
	if g.command {
		var output bytes.Buffer
		config = config.WithStartFunctions("_start").WithStdin(bytes.NewReader(g.input)).WithStdout(&output)
		instance, err := r.InstantiateModule(ctx, compiled, config) // which runs it
		if err != nil {
			return err
		}
		return errors.Join(g.check(output.Bytes()), instance.Close(ctx))
	}
	instance, err := r.InstantiateModule(ctx, compiled, config.WithStartFunctions(abi.ExportInitialize).WithStdout(io.Discard))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, instance.Close(ctx)) }()
	status, err := instance.ExportedFunction(abi.ExportRun).Call(ctx, api.EncodeI32(int32(g.index)))
	if err != nil {
		return err
	}
	if status[0] != abi.RunDone {
		return fmt.Errorf("the guest failed: %s", call.failed)
	}
	return g.check(call.output)
}

// plainHost registers the functions of the contract, each as short as it can be.
func plainHost(ctx context.Context, r wazero.Runtime) error {
	bodies := map[string]api.GoModuleFunc{
		"value_len": func(ctx context.Context, _ api.Module, stack []uint64) {
			stack[0] = uint64(len(plainValue(ctx, stack[0])))
		},
		"value_read": func(ctx context.Context, mod api.Module, stack []uint64) {
			value := plainValue(ctx, stack[0])
			value = value[:min(len(value), int(uint32(stack[2])))]
			mod.Memory().Write(uint32(stack[1]), value)
			stack[0] = uint64(len(value))
		},
		"number": func(_ context.Context, _ api.Module, stack []uint64) {
			stack[0] = map[uint64]uint64{
				abi.NumberMaxAttempts: 1, abi.NumberDeadline: uint64(time.Now().Add(timeout).UnixMilli()),
			}[stack[0]&math.MaxUint32]
		},
		"output": func(ctx context.Context, mod api.Module, stack []uint64) {
			ctx.Value(plainKey{}).(*plainCall).output = plainBytes(mod, stack[0], stack[1])
		},
		"fail": func(ctx context.Context, mod api.Module, stack []uint64) {
			ctx.Value(plainKey{}).(*plainCall).failed = string(plainBytes(mod, stack[1], stack[2]))
		},
		"log": func(context.Context, api.Module, []uint64) {},
	}
	builder := r.NewHostModuleBuilder(abi.Module)
	for _, f := range abi.Imports() {
		var params []api.ValueType
		for _, p := range f.Params {
			params = append(params, plainTypes(p.Type)...)
		}
		builder.NewFunctionBuilder().WithGoModuleFunction(bodies[f.Name], params, plainTypes(f.Results...)).Export(f.Name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// plainValue is a value of the task: there are no tags, and the id is of no interest.
func plainValue(ctx context.Context, key uint64) []byte {
	g := ctx.Value(plainKey{}).(*plainCall).guest
	switch key & math.MaxUint32 {
	case abi.ValueInput:
		return g.input
	case abi.ValueInputType:
		return []byte(abi.ContentJSON)
	case abi.ValueTaskName:
		return []byte(g.definition)
	default:
		return nil
	}
}

func plainBytes(mod api.Module, ptr, length uint64) []byte {
	view, _ := mod.Memory().Read(uint32(ptr), uint32(length))
	return bytes.Clone(view)
}

func plainTypes(types ...abi.Type) (out []api.ValueType) {
	for _, t := range types {
		if t == abi.I64 {
			out = append(out, api.ValueTypeI64)
		} else {
			out = append(out, api.ValueTypeI32)
		}
	}
	return out
}
