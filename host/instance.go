package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/fuel"
	"github.com/taskhost/taskhost/host/snapshot"
)

// instance is an instance of a module, in which one execution runs at a time.
type instance struct {
	guest   api.Module
	memory  *snapshot.Memory
	image   *snapshot.Image // that it begins from
	globals []api.MutableGlobal
	meter   *fuel.Meter
	entries map[string]api.Function
	resets  uint
}

// refresh is how many executions it is until the functions of an instance are looked
// up again: each keeps a stack, as large as it ever had to be, which may be 100 MB.
// That takes time, so that it is done after each execution that was not small, too.
const refresh = 256

// instantiate makes an instance that begins as an image and may grow to most bytes.
// Nothing has run in it.
func (m *module) instantiate(ctx context.Context, image *snapshot.Image, most int64) (i *instance, err error) {
	i = &instance{image: image}
	most = max(most, int64(image.Size()))
	if i.memory, err = m.engine.space.NewMemory(image, uint64(most)); err != nil {
		return nil, &hostError{err}
	}
	defer func() {
		if p := recover(); p != nil { // wazero has no other way to say that it got no memory
			err = &hostError{fmt.Errorf("make an instance: %v", p)}
		}
		if err != nil {
			i.memory.Free()
		}
	}()
	i.memory.Begin(uint64(most))
	ctx = experimental.WithMemoryAllocator(ctx, i.memory)
	if i.guest, err = m.runtime.InstantiateModule(ctx, m.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions()); err != nil {
		return nil, err
	}
	if i.meter, err = fuel.Attach(i.guest); err == nil {
		i.globals, err = m.image.Globals(i.guest)
	}
	if err != nil {
		return nil, errors.Join(&hostError{err}, i.close(ctx))
	}
	if image != m.first {
		if err := i.reset(); err != nil {
			return nil, errors.Join(&hostError{err}, i.close(ctx))
		}
	}
	return i, nil
}

// call calls an export that takes and returns at most one number.
func (i *instance) call(ctx context.Context, export string, params ...uint64) (uint64, error) {
	f := i.entries[export]
	if f == nil {
		if f = i.guest.ExportedFunction(export); f == nil {
			return 0, nil // it may be left out, or was checked for
		}
		if i.entries == nil {
			i.entries = make(map[string]api.Function)
		}
		i.entries[export] = f
	}
	var stack [1]uint64
	copy(stack[:], params)
	err := f.CallWithStack(ctx, stack[:])
	return stack[0], err
}

// initialize has the module set itself up.
func (i *instance) initialize(ctx context.Context) error {
	if err := i.meter.Start(ctx); err != nil {
		return err
	}
	_, err := i.call(ctx, abi.ExportInitialize)
	return err
}

// reset takes the instance back to its image.
func (i *instance) reset() error {
	if err := i.memory.Reset(i.guest); err != nil {
		return err
	}
	i.image.Set(i.globals)
	if i.resets++; i.resets%refresh == 0 {
		i.entries = nil
	}
	return nil
}

// reusable reports whether an instance is fit to be reset after a call that returned
// an error. One whose stack has grown large is let go as well.
func (i *instance) reusable(err error) bool {
	if err == nil {
		return i.meter.Reason() != fuel.TooDeep
	}
	var bug runtime.Error // in a function of the host
	var panicked *runtimePanic
	return !errors.As(err, &bug) && !errors.As(err, &panicked) && i.meter.Reason() != fuel.TooDeep &&
		!strings.Contains(err.Error(), "stack overflow")
}

// protected survives what wazero panics with beside a trap.
func protected(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &runtimePanic{p}
		}
	}()
	return call()
}

// runtimePanic is a panic of the runtime, after which nobody knows what it has left.
type runtimePanic struct{ cause any }

func (e *runtimePanic) Error() string { return fmt.Sprint(e.cause) }

func (i *instance) close(ctx context.Context) error {
	return i.guest.Close(context.WithoutCancel(ctx))
}
