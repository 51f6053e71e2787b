package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var faultProperties = []property{
	{name: "a cable that breaks, lags and is half open at any point", hold: holdCable, fleet: true},
	{name: "ten thousand callers at once", hold: holdManyCallers},
}

// setting reads a number that repeats or lengthens a campaign.
func (w *world) setting(name string, otherwise uint64) uint64 {
	w.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(w, err, name)
	return n
}

// campaign is one that is random, and can be repeated.
func (w *world) campaign(rounds uint64) (random *rand.Rand, seed uint64, n int) {
	w.Helper()
	seed = w.setting("TASKHOST_TEST_SEED", uint64(time.Now().UnixNano()))
	rounds = w.setting("TASKHOST_TEST_ROUNDS", rounds)
	w.Logf("TASKHOST_TEST_SEED=%d TASKHOST_TEST_ROUNDS=%d repeats the choices of this run", seed, rounds)
	return rand.New(rand.NewPCG(seed, 3<<32)), seed, int(rounds)
}

// clients enqueue tasks "a" with keys of their own until each has got its id.
type clients struct {
	mu   sync.Mutex
	acks map[string]task.ID
	runs map[task.ID]int
	busy sync.WaitGroup
}

func (c *clients) handle(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	log.Log(task.Info, "line", nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[exec.Task.ID]++
	return task.Outcome{Result: exec.Args}
}

// begin has them enqueue until stop is closed.
func (c *clients) begin(w *world, store Store, n int, stop <-chan struct{}) {
	for i := range n {
		c.busy.Go(func() {
			for number := 0; ; number++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("%d/%d", i, number)
				id, err := insist(w, store, keyed("a", key, strconv.Quote(key)))
				if err != nil {
					assert.NoError(w, err)
					return
				}
				c.mu.Lock()
				c.acks[key] = id
				c.mu.Unlock()
			}
		})
	}
}

// insist repeats a call until it is answered.
func insist(w *world, store Store, request task.Request) (task.ID, error) {
	deadline := time.Now().Add(2 * patience)
	for {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.Context()), 2*time.Second)
		id, err := store.Enqueue(ctx, request)
		cancel()
		if err == nil || time.Now().After(deadline) {
			return id, err
		}
		<-time.After(5 * time.Millisecond)
	}
}

// faults are what can be wrong with a cable.
var faults = []func(c *Cable, random *rand.Rand){
	func(c *Cable, random *rand.Rand) { c.CutAfter(ToServer, random.IntN(6000)) },
	func(c *Cable, random *rand.Rand) { c.CutAfter(FromServer, random.IntN(3000)) },
	func(c *Cable, random *rand.Rand) { c.CutAfter(FromServer, random.IntN(200)) },
	func(c *Cable, _ *rand.Rand) { c.Cut() },
	func(c *Cable, _ *rand.Rand) { c.Silence() },
	func(c *Cable, _ *rand.Rand) { c.Lose(ToServer) },
	func(c *Cable, _ *rand.Rand) { c.Lose(FromServer) },
	func(c *Cable, random *rand.Rand) { c.Delay(time.Duration(random.IntN(100)) * time.Millisecond) },
	func(c *Cable, random *rand.Rand) {
		c.Delay(time.Duration(random.IntN(20)) * time.Millisecond)
		c.CutAfter(FromServer, random.IntN(3000))
	},
}

// A node and its clients are on one cable, and everything that can be wrong with it is,
// at any byte. What was acknowledged is stored once; every task runs once, since the
// node never died, and ends once.
func holdCable(w *world) {
	random, _, rounds := w.campaign(20)
	store, cable := w.OpenOver(w.T)
	w.opened = append(w.opened, store)
	w.Cleanup(cable.Mend)
	c := &clients{acks: make(map[string]task.ID), runs: make(map[task.ID]int)}
	w.push(w.open(), "m", guest("a"))
	w.start(store, only(task.Wasm, 4), handler(c.handle))
	stop := make(chan struct{})
	c.begin(w, store, 6, stop)
	moment := func(most int) { <-time.After(time.Duration(5+random.IntN(most)) * time.Millisecond) }
	for range rounds {
		moment(150)
		faults[random.IntN(len(faults))](cable, random)
		moment(500)
		cable.Mend()
	}
	close(stop)
	c.busy.Wait()
	ids := make([]task.ID, 0, len(c.acks))
	for _, id := range c.acks {
		ids = append(ids, id)
	}
	w.allSucceed(ids)
	require.NoError(w, store.Stop(w.Context()))
	require.EqualValues(w, len(c.acks), w.tasks(), "one task for each key")
	lost := 0
	for key, id := range c.acks {
		require.Equal(w, 1, c.runs[id], "%s ran as often", key)
		lost += len(w.ended(id)) - 1
	}
	require.Len(w, c.runs, len(c.acks))
	w.Logf("%d faults, %d tasks; claims whose reply was lost: %d", rounds, len(c.acks), lost)
}

// Each caller of ten thousand that call at the same moment gets an id of its own, and
// those that use one key get one id.
func holdManyCallers(w *world) {
	const callers, keys = 10_000, 250
	store := w.open()
	w.push(store, "m", guest("a"))
	ids := make([]task.ID, callers)
	var calling sync.WaitGroup
	begin := make(chan struct{})
	for i := range ids {
		calling.Go(func() {
			<-begin
			request := task.Request{Name: "a"}
			if i%20 == 0 {
				request = keyed("a", fmt.Sprint(i/20%keys), `1`)
			}
			var err error
			ids[i], err = store.Enqueue(w.Context(), request)
			assert.NoError(w, err)
		})
	}
	at := time.Now()
	close(begin)
	calling.Wait()
	w.Logf("%d calls in %v", callers, time.Since(at))
	distinct := make(map[task.ID]bool)
	for _, id := range ids {
		distinct[id] = true
	}
	require.EqualValues(w, len(distinct), w.tasks())
	require.Len(w, distinct, callers-callers/20+keys)
}
