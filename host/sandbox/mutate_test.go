//go:build linux

package sandbox_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

// mutationsVar asks TestMutations for another number of modules that are checked, such
// as 1000000.
const mutationsVar = "TASKHOST_TEST_MUTATIONS"

// mutate damages a module in one to four places, as a disk, or somebody, would.
func mutate(r *rand.Rand, wasm []byte) []byte {
	out := append([]byte{}, wasm...)
	for range 1 + r.IntN(4) {
		at := 8 + r.IntN(len(out)-8)
		switch r.IntN(6) {
		case 0:
			out[at] ^= 1 << r.IntN(8)
		case 1:
			out[at] = byte(r.Uint32())
		case 2: // the largest number
			copy(out[at:], []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
		case 3: // a piece less
			end := min(len(out), at+1+r.IntN(16))
			if len(out)-(end-at) > 9 {
				out = append(out[:at], out[end:]...)
			}
		case 4: // a piece twice
			end := min(len(out), at+1+r.IntN(16))
			out = append(out[:end:end], out[at:]...)
		default:
			if at+4 <= len(out) {
				binary.LittleEndian.PutUint32(out[at:], r.Uint32())
			}
		}
	}
	return out
}

func mutants(t testing.TB) [][]byte {
	t.Helper()
	return [][]byte{newModule(done).bytes(), echo().bytes(), guestbuild.Build(t, "../testdata/raw-c")}
}

// TestMutations damages guests: whatever comes of it is refused, or it is compiled and
// run in a worker, which may die and takes nobody with it.
func TestMutations(t *testing.T) {
	checks, inspections := 2_000, 60
	if n, err := strconv.Atoi(os.Getenv(mutationsVar)); err == nil {
		checks = n
	}
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // nothing is secret
	guests := mutants(t)
	p := newPool(t, sandbox.Config{CompileTimeout: 5 * time.Second})
	start, passed, inspected := time.Now(), 0, 0
	var longest time.Duration
	for i := range checks {
		wasm := mutate(r, guests[i%len(guests)])
		began := time.Now()
		err := host.Check(wasm)
		longest = max(longest, time.Since(began))
		if err != nil {
			var refusal *host.ModuleError
			require.ErrorAs(t, err, &refusal, "module %d", i)
			continue
		}
		if passed++; inspected < inspections {
			inspected++
			inspectMutant(t, p, fmt.Sprintf("mutant-%d", i), wasm)
		}
	}
	t.Logf("%d checked in %v, the longest %v; %d passed, %d of them were compiled; workers: %+v", checks, time.Since(start), longest, passed, inspected, p.Stats())
}

// inspectMutant has a worker compile a module and run it. Nothing is certain of it but
// that this process goes on, and that what comes back is an answer.
func inspectMutant(t testing.TB, p *sandbox.Pool, digest string, wasm []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := p.Inspect(ctx, digest, wasm)
	if err != nil {
		var refusal *host.ModuleError
		require.ErrorAs(t, err, &refusal)
		return
	}
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	p.Execute(ctx, host.Attempt{Digest: digest, Name: "raw", Input: []byte("x")}, &nowhere{})
}

// FuzzMutants looks for a module that passes the check and then ends more than its
// worker.
func FuzzMutants(f *testing.F) {
	for _, wasm := range mutants(f) {
		f.Add(wasm)
	}
	p := newPool(f, sandbox.Config{CompileTimeout: 5 * time.Second})
	n := 0
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if host.Check(wasm) == nil {
			n++
			inspectMutant(t, p, fmt.Sprintf("fuzzed-%d", n), wasm)
		}
	})
}
