package host

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/wasi"
)

// rehearsal is one setting up of a module, with randomness and clocks that are the
// host's to choose.
type rehearsal struct {
	*execution
	instance *instance
	reached  stage
	begun    stage // beyond reached where one has failed, and has left what it did
	clock    int64 // what it has seen of the monotonic clock
	// seen is what it had asked for at the end of each stage.
	seen [warmedUp + 1]request
}

// request is what a module asked for: of the system, and of its task.
type request struct {
	wasi.Draws
	task int
}

// setting is what a rehearsal takes place in.
type setting struct {
	seed [32]byte
	wall time.Time
}

func newSeed() (seed [32]byte) {
	_, _ = crand.Read(seed[:]) // it never fails
	return seed
}

// tick is by how much a rehearsal's monotonic clock moves on each time it is looked
// at.
const tick = int64(time.Microsecond)

// rehearse sets a new instance up as far as a stage, or as far as it goes. It
// returns none where there can be no instance.
func (m *module) rehearse(ctx context.Context, in setting, last stage) (*rehearsal, error) {
	i, err := m.instantiate(ctx, m.first, MaxMemory)
	var host *hostError
	if errors.As(err, &host) {
		return nil, err
	}
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // the executions will say why
	}
	m.first.Note(i.globals)
	r := m.newRehearsal(i, in)
	if !m.command {
		r.run(ctx, initialized, last)
	}
	return r, nil
}

func (m *module) newRehearsal(i *instance, in setting) *rehearsal {
	limits := Limits{Output: maxManifest, Memory: MaxMemory}.WithDefaults()
	r := &rehearsal{execution: newExecution(&Attempt{Digest: m.digest, Limits: limits}, discardCalls{}), instance: i}
	r.wasi.Random = rand.NewChaCha8(in.seed)
	r.wasi.WallClock = func() time.Time { return in.wall.Add(time.Duration(r.clock)) }
	r.wasi.Monotonic = func() int64 { r.clock += tick; return r.clock }
	r.wasi.Sleep = func(d time.Duration) { r.clock += int64(d) }
	return r
}

// run goes from a stage to another, or as far as it can.
func (r *rehearsal) run(ctx context.Context, from, to stage) {
	ctx, done := r.begin(ctx, r.instance)
	defer done()
	defer func() { _ = recover() }() // of a host function: the executions will say so
	for next := from; next <= to; next++ {
		if !r.step(ctx, next) {
			return
		}
		r.reached = next
		r.seen[next] = request{r.wasi.Draws(), r.asked}
	}
}

// step does one stage.
func (r *rehearsal) step(ctx context.Context, next stage) bool {
	if next == warmedUp && !r.isOwn() {
		return false
	}
	r.begun = next
	switch next {
	case initialized:
		return r.instance.initialize(ctx) == nil
	case described:
		_, err := r.instance.call(ctx, abi.ExportDescribe)
		return err == nil && len(r.output) > 0
	case warmedUp:
		for range warmUps {
			if status, err := r.instance.call(ctx, abi.ExportRun, api.EncodeI32(noDefinition)); err != nil || uint32(status) == abi.RunDone {
				return false
			}
		}
	}
	return true
}

// isOwn reports whether the module says that it is made with an SDK that is known.
func (r *rehearsal) isOwn() bool {
	var manifest struct {
		SDK string `json:"sdk"`
	}
	return json.Unmarshal(r.output, &manifest) == nil && strings.HasPrefix(manifest.SDK, ownSDK)
}

func (r *rehearsal) end(ctx context.Context) { _ = r.instance.close(ctx) }
