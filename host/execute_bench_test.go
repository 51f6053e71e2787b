package host_test

import (
	"context"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

// BenchmarkExecute is one attempt from its start to its end, with a deadline: in an
// instance that is used again, and in a new one. In the parallel ones, each processor
// has attempts of its own under way.
func BenchmarkExecute(b *testing.B) {
	const input = `{"item":"a cup of tea","count":3,"price":1.5,"paid":true}`
	m := newModule()
	for _, bench := range []struct {
		name    string
		attempt func(testing.TB) host.Attempt
	}{
		{"go-raw", func(t testing.TB) host.Attempt { return builtAttempt(t, "raw-go", input) }},
		{"go-json", func(t testing.TB) host.Attempt { return builtAttempt(t, "json-go", input) }},
		{"small", m.run(m.output(input), done).attempt},
	} {
		b.Run(bench.name, func(b *testing.B) {
			attempt := bench.attempt(b)
			for _, fresh := range []bool{false, true} {
				attempt.Fresh = fresh
				name := map[bool]string{false: "pooled", true: "fresh"}[fresh]
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						executeOnce(b, attempt)
					}
				})
				b.Run(name+"-parallel", func(b *testing.B) {
					b.ReportAllocs()
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							executeOnce(b, attempt)
						}
					})
				})
			}
		})
	}
}

// builtAttempt is an attempt at the first definition of a guest in testdata.
func builtAttempt(t testing.TB, guest, input string) host.Attempt {
	t.Helper()
	wasm := guestbuild.Build(t, "testdata/"+guest)
	if err := sharedEngine().Prepare(t.Context(), digestOf(wasm), wasm); err != nil {
		t.Fatal(err)
	}
	return host.Attempt{Digest: digestOf(wasm), Name: guest, MaxAttempts: 1, Input: []byte(input), InputType: "application/json"}
}

func executeOnce(b *testing.B, attempt host.Attempt) {
	attempt.Deadline = time.Now().Add(time.Minute)
	ctx, cancel := context.WithDeadline(context.Background(), attempt.Deadline)
	defer cancel()
	if out := sharedEngine().Execute(ctx, attempt, &logged{}); out.Failure != nil {
		b.Errorf("%+v", out.Failure)
	}
}
