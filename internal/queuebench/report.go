package queuebench

import (
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// Report is what was found.
type Report struct {
	Results     []Result    `json:"results"`
	Bars        []Bar       `json:"bars"`
	Environment Environment `json:"environment"`
}

// Result is what was found in one case. What does not apply to it is nil: every
// field is there in JSON.
type Result struct {
	Store string `json:"store"`
	Case  string `json:"case"`
	// PerSecond is how many tasks, in the best run.
	PerSecond *float64 `json:"per_second"`
	// P50 and P99 are of calls, or of the times from an enqueue to the start, over
	// all runs. In milliseconds.
	P50 *float64 `json:"p50_ms"`
	P99 *float64 `json:"p99_ms"`
	// Ratio is how many times as fast as bare River: of the rates, or else of the
	// medians. Above 1 is faster.
	Ratio *float64 `json:"ratio_to_river"`
	// The same of bare River.
	RiverPerSecond *float64 `json:"river_per_second"`
	RiverP50       *float64 `json:"river_p50_ms"`
	RiverP99       *float64 `json:"river_p99_ms"`
}

// Environment is where it was found.
type Environment struct {
	CPUs     int    `json:"cpus"`
	Go       string `json:"go_version"`
	Platform string `json:"platform"`
	River    string `json:"river_version"`
	// Store is postgres or sqlite. The version of the other is nil.
	Store    string  `json:"store"`
	Postgres *string `json:"postgres_version"`
	SQLite   *string `json:"sqlite_version"`
	// Durable is false for a server that may lose what it has committed.
	Durable bool      `json:"durable"`
	Encrypt bool      `json:"encrypted"`
	Tasks   int       `json:"tasks"`
	Slots   int       `json:"slots"`
	Runs    int       `json:"runs"`
	Date    time.Time `json:"date"`
}

func environment(c *Config) *Environment {
	return &Environment{
		CPUs: runtime.GOMAXPROCS(0), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, River: riverVersion(),
		Durable: true, Encrypt: c.Encrypt, Tasks: c.Tasks, Slots: c.Slots, Runs: c.Runs, Date: time.Now().UTC().Truncate(time.Second),
	}
}

// riverVersion is the module's, empty in a build that does not say.
func riverVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range info.Deps {
		if module.Path == "github.com/riverqueue/river" {
			return module.Version
		}
	}
	return ""
}

// sample is what one measurement found.
type sample struct {
	rate  float64 // tasks a second, 0 where that is not measured
	times []time.Duration
}

// tally is what the runs found together.
type tally struct {
	best  float64
	times []time.Duration
}

func (t *tally) add(s sample) {
	t.best = max(t.best, s.rate)
	t.times = append(t.times, s.times...)
}

func (t *tally) rate() *float64 { return some(t.best, 1) }

// percentile is in milliseconds.
func (t *tally) percentile(p int) *float64 {
	if len(t.times) == 0 {
		return nil
	}
	slices.Sort(t.times)
	at := (len(t.times)*p + 99) / 100 // rounded up
	return some(float64(t.times[max(at, 1)-1])/float64(time.Millisecond), 1000)
}

// some returns nil for nothing, and rounds to a fraction of one.
func some(value, fraction float64) *float64 {
	if value <= 0 {
		return nil
	}
	value = math.Round(value*fraction) / fraction
	return &value
}

func quotient(a, b *float64) *float64 {
	if a == nil || b == nil || *b == 0 {
		return nil
	}
	return some(*a / *b, 100)
}

func (b *bench) report(env *Environment) *Report {
	r := &Report{Environment: *env, Results: []Result{}, Bars: []Bar{}}
	for _, cases := range b.groups {
		for _, c := range cases {
			r.Results = append(r.Results, b.found[c.name].result(env.Store, c.name))
		}
	}
	for _, bar := range bars {
		if bar.Store != env.Store || (bar.Case == "work" && env.Slots != DefaultSlots) {
			continue
		}
		for i := range r.Results {
			if r.Results[i].Case == bar.Case {
				r.Bars = append(r.Bars, bar.held(&r.Results[i]))
			}
		}
	}
	return r
}

func (p *pair) result(store, name string) Result {
	r := Result{
		Store: store, Case: name,
		PerSecond: p.ours.rate(), P50: p.ours.percentile(50), P99: p.ours.percentile(99),
		RiverPerSecond: p.bare.rate(), RiverP50: p.bare.percentile(50), RiverP99: p.bare.percentile(99),
	}
	if r.PerSecond != nil {
		r.Ratio = quotient(r.PerSecond, r.RiverPerSecond)
	} else {
		r.Ratio = quotient(r.RiverP50, r.P50)
	}
	return r
}
