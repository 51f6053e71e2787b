package fuel

import (
	"context"
	"errors"
	"math"

	"github.com/tetratelabs/wazero/api"
)

// Meter is the host's hold on an instance of a module that was rewritten.
type Meter struct {
	start            api.Function
	fuel, left, stop api.MutableGlobal
	budget           int64
}

// unlimited is a budget that no guest uses up.
const unlimited = math.MaxInt64 >> 1

var errNotRewritten = errors.New("the module does not count its work: it was not rewritten")

// Attach takes hold of an instance. Until [Meter.Arm] nothing can run in it.
func Attach(instance api.Module) (*Meter, error) {
	m := &Meter{start: instance.ExportedFunction(exportStart)}
	for name, global := range map[string]*api.MutableGlobal{exportFuel: &m.fuel, exportLeft: &m.left, exportStop: &m.stop} {
		found, ok := instance.ExportedGlobal(name).(api.MutableGlobal)
		if !ok || m.start == nil {
			return nil, errNotRewritten
		}
		*global = found
	}
	return m, nil
}

// Arm gives the instance what it may use from now on: units of work, where 0 is no
// limit, and calls within calls, at most [MaxDepth]. A [Meter.Stop] from before is
// void.
func (m *Meter) Arm(budget int64, depth int) {
	m.budget = budget
	if budget <= 0 || budget > unlimited {
		m.budget = unlimited
	}
	m.stop.Set(0)
	m.Refill(depth)
}

// Refill gives the instance all that it may use once more, and leaves a
// [Meter.Stop] as it is.
func (m *Meter) Refill(depth int) {
	m.fuel.Set(uint64(min(max(depth, 0), MaxDepth)))
	m.left.Set(uint64(m.budget))
}

// Start runs the module's start function, where it has one.
func (m *Meter) Start(ctx context.Context) error {
	_, err := m.start.Call(ctx)
	return err
}

// Stop has the guest trap within its next slice. It may be called from any
// goroutine, while the guest runs and after.
func (m *Meter) Stop() { m.stop.Set(1) }

// Reason is why an instance was made to trap.
type Reason byte

// The reasons.
const (
	// None: it was not.
	None Reason = iota
	// Stopped: [Meter.Stop] was called.
	Stopped
	// OutOfFuel: the budget is used up.
	OutOfFuel
	// TooDeep: calls are nested deeper than allowed.
	TooDeep
)

// Reason is read once the guest has returned. It comes from what the guest cannot
// reach, so that it can't be forged.
func (m *Meter) Reason() Reason {
	counter := int64(m.fuel.Get())
	switch {
	case int64(m.left.Get()) >= 0:
		return None
	case counter&tooDeep != 0:
		return TooDeep
	case counter < 0:
		return OutOfFuel
	default:
		return Stopped
	}
}

// Used is how many units were used. It is read once the guest has returned.
func (m *Meter) Used() int64 {
	left, counter := int64(m.left.Get()), int64(m.fuel.Get())
	if left < 0 {
		left = ^left
	}
	if counter&tooDeep != 0 {
		counter++ // what the depth has borrowed
	}
	return m.budget - left - counter>>depthBits
}
