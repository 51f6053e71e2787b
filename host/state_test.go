package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
)

// fresh is the attempt in a new instance.
func fresh(attempt host.Attempt) host.Attempt {
	attempt.Fresh = true
	return attempt
}

// What is random in a Go program is so in each execution, and what it seeded with a
// constant repeats itself. What a package variable was given at the start by math/rand,
// and the keys of the runtime's hashes, are shared by the executions of one image, as
// the documentation of the guest SDK says.
func TestGoRandomness(t *testing.T) {
	attempt := goAttempt(t, "draws", "")
	origin := host.OriginOf(sharedEngine(), goDigest)
	require.True(t, origin.Initialized, origin.Why)
	require.Empty(t, origin.Why)
	require.Equal(t, 3, origin.Generators, "the runtime's two, and one that was seeded by them")

	const times = 60
	seen := make(map[string]map[string]int)
	draw := func(attempt host.Attempt) map[string]string {
		out, _ := succeed(t, attempt)
		var draws map[string]string
		require.NoError(t, json.Unmarshal(out.Output, &draws))
		return draws
	}
	for range times {
		for name, value := range draw(attempt) {
			if seen[name] == nil {
				seen[name] = make(map[string]int)
			}
			seen[name][value]++
		}
	}
	alone := draw(fresh(attempt))
	for name, values := range seen {
		switch {
		case name == "shared order":
			require.Greater(t, len(values), times/6, "%s: it begins anywhere", name)
		case strings.HasPrefix(name, "shared"):
			require.Len(t, values, 1, name)
			require.NotContains(t, values, alone[name], name)
		case strings.HasPrefix(name, "constant"):
			require.Equal(t, map[string]int{alone[name]: times}, values, name)
		default:
			require.Len(t, values, times, name)
			require.NotContains(t, values, alone[name], name)
		}
	}
	require.Len(t, seen, 15)

	// Another process, or another image, shares nothing with this one.
	e := newEngine(t, host.Config{CacheDir: compiledDir()})
	require.NoError(t, e.Prepare(context.Background(), goDigest, goModule(t)))
	var other map[string]string
	require.NoError(t, json.Unmarshal(e.Execute(context.Background(), attempt, &logged{}).Output, &other))
	for name, values := range seen {
		if !strings.HasPrefix(name, "constant") && name != "shared order" {
			require.NotContains(t, values, other[name], name)
		}
	}
}

// A package variable that is time.Now() is the time of the execution, and clocks go
// on from there.
func TestGoTimes(t *testing.T) {
	attempt := goAttempt(t, "times", "")
	require.GreaterOrEqual(t, host.OriginOf(sharedEngine(), goDigest).Times, 1)
	last := int64(0)
	for _, attempt := range []host.Attempt{attempt, attempt, fresh(attempt), attempt} {
		before := time.Now().UnixNano()
		out, _ := succeed(t, attempt)
		after := time.Now().UnixNano()
		var times struct{ Start, Now, Since int64 }
		require.NoError(t, json.Unmarshal(out.Output, &times))
		require.GreaterOrEqual(t, times.Start, before)
		require.GreaterOrEqual(t, times.Now, times.Start)
		require.LessOrEqual(t, times.Now, after)
		require.Positive(t, times.Since, "the image has seen less of the clock")
		require.Less(t, times.Since, after-before+int64(time.Second))
		require.Greater(t, times.Start, last)
		last = times.Start
	}
}

// What an execution leaves behind is not there for the next, wherever in a Go program
// it is: in variables, maps, channels, goroutines, the environment or the heap.
func TestGoStateIsGone(t *testing.T) {
	attempt := goAttempt(t, "dirty", "100")
	want, _ := succeed(t, fresh(attempt))
	for range 300 { // past the reset that drops all pages
		out, _ := succeed(t, attempt)
		require.Equal(t, string(want.Output), string(out.Output))
	}
}

// The image was made with no task, and knows nothing of the one that it is used for.
func TestImageHasNoTask(t *testing.T) {
	for n := range 5 {
		attempt := goAttempt(t, "environment", strconv.Itoa(n))
		attempt.TaskID, attempt.Tags, attempt.Fresh = "task "+strconv.Itoa(n), map[string]string{"n": strconv.Itoa(n)}, n == 3
		out, _ := succeed(t, attempt)
		require.JSONEq(t, `[["task"],[],0,"task `+strconv.Itoa(n)+`",{"n":"`+strconv.Itoa(n)+`"},"`+strconv.Itoa(n)+`"]`, string(out.Output))
	}
}

// earlyWays are what testdata/early can be made to do at the start, and whether an
// image can be taken after that.
var earlyWays = map[string]bool{
	"draw": true, "now": true, "print": true, "timer": true,
	"crypto": false, "unixnano": false, "nanosecond": false, "thousand": false, "round": false,
	"exit": false,
}

// earlyModules are testdata/early in all ways, compiled without the race detector.
var earlyModules = sync.OnceValues(func() (map[string][]byte, error) {
	file := filepath.Join(workDir(), "early.wasm")
	if err := runGo([]string{"GOOS=wasip1", "GOARCH=wasm"}, "build", "-buildmode=c-shared", "-o", file, "./testdata/early"); err != nil {
		return nil, err
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	modules := make(map[string][]byte)
	var args []string
	for way := range earlyWays {
		const nothing = "how: nothing_at_all_"
		told := "how: " + way + strings.Repeat("_", len(nothing)-len("how: ")-len(way))
		modules[way] = bytes.ReplaceAll(wasm, []byte(nothing), []byte(told))
		file := filepath.Join(workDir(), way+".wasm")
		if err := os.WriteFile(file, modules[way], 0o600); err != nil {
			return nil, err
		}
		args = append(args, "early "+way, file)
	}
	return modules, precompile(args...)
})

// earlyAttempt is an attempt at the first definition of testdata/early.
func earlyAttempt(t *testing.T, e *host.Engine, way string) host.Attempt {
	t.Helper()
	modules, err := earlyModules()
	require.NoError(t, err)
	require.NoError(t, e.Prepare(context.Background(), "early "+way, modules[way]))
	return host.Attempt{Digest: "early " + way, Name: "tell", MaxAttempts: 1, Deadline: time.Now().Add(time.Minute)}
}

// What a program makes of randomness or the time at its start is not in an image.
func TestEarlyDraws(t *testing.T) {
	e := newEngine(t, host.Config{CacheDir: compiledDir()})
	for way, image := range earlyWays {
		t.Run(way, func(t *testing.T) {
			attempt := earlyAttempt(t, e, way)
			origin := host.OriginOf(e, attempt.Digest)
			require.Equal(t, image, origin.Initialized, origin.Why)
			require.True(t, origin.Resets, "it is used again all the same")
			note, err := e.Note(context.Background(), attempt.Digest)
			require.NoError(t, err)
			switch way {
			case "crypto":
				require.Contains(t, note, "it draws random numbers while it initialises")
			case "exit":
			default:
				require.Equal(t, image, note == "")
				require.Equal(t, !image, strings.Contains(note, "it makes something of the time while it initialises"))
			}
			first, second := e.Execute(context.Background(), attempt, &logged{}), e.Execute(context.Background(), attempt, &logged{})
			alone := e.Execute(context.Background(), fresh(attempt), &logged{})
			require.True(t, second.Usage.Pooled)
			if way == "exit" {
				requireFailure(t, host.KindTrap, first)
				require.Equal(t, alone.Failure, second.Failure)
				return
			}
			require.Nil(t, first.Failure)
			require.Nil(t, second.Failure)
			switch way {
			case "crypto", "unixnano", "nanosecond", "round", "now":
				require.NotEqual(t, string(first.Output), string(second.Output))
				require.NotEmpty(t, first.Output)
			case "draw": // shared, and documented
				require.Equal(t, string(first.Output), string(second.Output))
				require.NotEqual(t, string(first.Output), string(alone.Output))
			}
		})
	}
}

// Goroutines and timers of the start go on in each execution, by a clock that goes on.
func TestEarlyTimers(t *testing.T) {
	e := newEngine(t, host.Config{CacheDir: compiledDir()})
	attempt := earlyAttempt(t, e, "timer")
	attempt.Index, attempt.Name = 1, "wait"
	for range 5 {
		out := e.Execute(context.Background(), attempt, &logged{})
		require.Nil(t, out.Failure, "%+v", out.Failure)
		require.Equal(t, "the timer", string(out.Output))
	}
	// The sleep was slept when the image was made, and not by a real clock.
	require.GreaterOrEqual(t, host.OriginOf(e, attempt.Digest).Clock, 50*time.Millisecond)
}

// The time of day that is held against another differs from it in each part, whenever
// that is, so that nothing can be made of a part without being seen.
func TestOtherDay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		now := time.Unix(1.7e9+random.Int64N(2e9), random.Int64N(8e8)).UTC()
		other := now.Add(host.OtherDay)
		for name, part := range map[string]func(time.Time) int64{
			"year": func(at time.Time) int64 { return int64(at.Year()) }, "month": func(at time.Time) int64 { return int64(at.Month()) },
			"day": func(at time.Time) int64 { return int64(at.Day()) }, "weekday": func(at time.Time) int64 { return int64(at.Weekday()) },
			"yearday": func(at time.Time) int64 { return int64(at.YearDay()) }, "hour": func(at time.Time) int64 { return int64(at.Hour()) },
			"minute": func(at time.Time) int64 { return int64(at.Minute()) }, "second": func(at time.Time) int64 { return int64(at.Second()) },
			"nanosecond": func(at time.Time) int64 { return int64(at.Nanosecond()) },
			"two":        func(at time.Time) int64 { return at.Unix() % 2 }, "ten": func(at time.Time) int64 { return at.Unix() % 10 },
			"thousand": func(at time.Time) int64 { return at.Unix() % 1000 }, "half a day": func(at time.Time) int64 { return at.Unix() % 43_200 },
			"milliseconds": func(at time.Time) int64 { return at.UnixMilli() % 1000 }, "microseconds": func(at time.Time) int64 { return at.UnixMicro() % 1000 },
		} {
			require.NotEqual(t, part(now), part(other), "%s of %v and %v", name, now, other)
		}
	}
}
