package riverstore

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		calls := make(chan string, 100)
		w := newWakes(func(queue string) { calls <- queue + " " + time.Since(start).String() })
		pass := func(d time.Duration) (woken []string) {
			waitFor(t.Context(), d)
			synctest.Wait() // for those who are woken at this moment too
			for len(calls) > 0 {
				woken = append(woken, <-calls)
			}
			return woken
		}
		at := func(queue string, after time.Duration) { w.at(queue, start.Add(after)) }
		at("a", 50*time.Millisecond)
		at("a", 20*time.Millisecond) // an earlier one
		at("b", 30*time.Millisecond)
		for i := range time.Duration(1000) { // as good as one moment
			at("a", 80*time.Millisecond+i*time.Microsecond)
		}
		at("a", 2*time.Hour)
		woken := pass(time.Second)
		require.Equal(t, []string{"a 21ms", "b 31ms", "a 51ms", "a 81ms"}, woken[:4])
		require.LessOrEqual(t, len(woken), 5)

		at("a", time.Second) // in the past by now
		require.Equal(t, []string{"a 1.001s", "a 2h0m0.001s"}, pass(2*time.Hour))

		at("a", 5*time.Hour)
		w.stop()
		at("b", 5*time.Hour)
		require.Empty(t, pass(5*time.Hour))
	})
}
