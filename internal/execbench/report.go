package execbench

import (
	"math"
	"runtime"
	"runtime/debug"
	"time"
)

// Report is what was found.
type Report struct {
	Results []Result `json:"results"`
	// Missing are the rows that cannot be measured on this machine.
	Missing []Missing `json:"missing"`
	// IdleKiB is [Idle.KiB], and IdleOwnKiB is [Idle.OwnKiB]. They are nil where
	// they were not measured.
	IdleKiB    *float64 `json:"idle_kib"`
	IdleOwnKiB *float64 `json:"idle_own_kib"`
	// FuelGeomean and CloseOnDoneGeomean are the geometric means of the ratios of
	// the guests that compute. They are nil where there are none.
	FuelGeomean        *float64 `json:"fuel_geomean"`
	CloseOnDoneGeomean *float64 `json:"close_on_done_geomean"`
	Bars               []Bar    `json:"bars"`
	Machine            Machine  `json:"machine"`
	// Interrupted says that it ended early: some was measured for less time, or not
	// at all.
	Interrupted bool `json:"interrupted"`
}

// Result is a row: one guest, executed in one way.
type Result struct {
	Guest string `json:"guest"`
	Mode  string `json:"mode"`
	// P50 and P99 are of single executions, in microseconds.
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
	// PerSecond is how many executions, in the best of some rounds.
	PerSecond  float64 `json:"per_second"`
	Goroutines int     `json:"goroutines"`
	// Ratio is how many times as long it takes, in the median, as the same guest in
	// process; where a mode has a program of its own, as the first guest. Of guests
	// that compute, it is of the fastest times, and to what nothing can stop. It is
	// nil where that was not measured.
	Ratio *float64 `json:"ratio"`
	// Growth is how many times as many executions a second there are as with one
	// goroutine. It is nil where that is not measured too.
	Growth *float64 `json:"growth"`
}

// Missing is a row that there is not.
type Missing struct {
	Guest  string `json:"guest"`
	Mode   string `json:"mode"`
	Reason string `json:"reason"`
}

// Idle is the memory that idle instances hold, of the Go guest, in the mean.
type Idle struct {
	Instances int
	// KiB counts a page in each instance that shares it; OwnKiB once in all.
	KiB, OwnKiB float64
}

// Machine is where it was found.
type Machine struct {
	CPUs     int       `json:"cpus"`
	Go       string    `json:"go_version"`
	Platform string    `json:"platform"`
	Wazero   string    `json:"wazero_version"`
	Python   *string   `json:"python_version"`
	Seconds  float64   `json:"seconds"` // for each row
	Date     time.Time `json:"date"`
}

func (b *bench) machine() Machine {
	m := Machine{
		CPUs: runtime.GOMAXPROCS(0), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Wazero: wazeroVersion(), Seconds: b.config.Duration.Seconds(), Date: time.Now().UTC().Truncate(time.Second),
	}
	if b.python != "" {
		m.Python = &b.python
	}
	return m
}

// wazeroVersion is the module's, empty in a build that does not say.
func wazeroVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range info.Deps {
		if module.Path == "github.com/tetratelabs/wazero" {
			return module.Version
		}
	}
	return ""
}

func (b *bench) report() *Report {
	r := &Report{
		Results: []Result{}, Missing: []Missing{}, Bars: []Bar{}, Machine: b.machine(), Interrupted: b.interrupted,
		FuelGeomean: b.geomean(1), CloseOnDoneGeomean: b.geomean(2),
	}
	if b.idle != nil {
		r.IdleKiB, r.IdleOwnKiB = &b.idle.KiB, &b.idle.OwnKiB
	}
	for _, c := range b.cells {
		switch {
		case c.missing != nil:
			r.miss(c.guest.name, c.mode.name, c.missing)
		case c.times.total > 0:
			r.Results = append(r.Results, b.result(c))
		}
	}
	for _, m := range b.cpu {
		for _, c := range m.cases {
			r.addCPU(m, c)
		}
	}
	r.addBars()
	return r
}

func (r *Report) miss(guest, mode string, reason error) {
	last := len(r.Missing) - 1
	missing := Missing{guest, mode, reason.Error()}
	if last < 0 || r.Missing[last] != missing { // once for all numbers of goroutines
		r.Missing = append(r.Missing, missing)
	}
}

func (b *bench) result(c *cell) Result {
	out := newResult(c.guest.name, c.mode.name, &c.times)
	out.PerSecond, out.Goroutines = rate(c.best), c.goroutines
	if base := b.base(c); base != nil {
		out.Ratio = quotient(float64(c.times.percentile(50)), float64(base.times.percentile(50)))
	}
	if one := b.find1(c); one != nil {
		out.Growth = quotient(c.best, one.best)
	}
	return out
}

func newResult(guest, mode string, times *histogram) Result {
	return Result{Guest: guest, Mode: mode, P50: micros(times.percentile(50)), P99: micros(times.percentile(99))}
}

// base is the row that a row is compared with.
func (b *bench) base(c *cell) *cell {
	for _, other := range b.cells {
		same := other.guest == c.guest || c.mode.instead != nil
		if same && other.mode.name == inProcess && other.goroutines == c.goroutines && other.times.total > 0 {
			return other
		}
	}
	return nil
}

// find1 is the same row with one goroutine, nil for that row itself.
func (b *bench) find1(c *cell) *cell {
	for _, other := range b.cells {
		if other.guest == c.guest && other.mode == c.mode && other.goroutines == 1 && c.goroutines != 1 && other.times.total > 0 {
			return other
		}
	}
	return nil
}

func (r *Report) addCPU(m *cpuModule, c *cpuCase) {
	for i, way := range cpuWays {
		times := &c.times[i]
		switch {
		case m.missing != nil:
			r.miss(m.rowName(c), way.name, m.missing)
		case times.total > 0:
			row := newResult(m.rowName(c), way.name, times)
			row.PerSecond, row.Goroutines = rate(1/times.least.Seconds()), 1
			row.Ratio = new(round(c.ratio(i), 100))
			r.Results = append(r.Results, row)
		}
	}
}

func micros(d time.Duration) float64 { return round(float64(d)/float64(time.Microsecond), 100) }

// rate is whole, where that says enough.
func rate(perSecond float64) float64 {
	if perSecond < 100 {
		return round(perSecond, 100)
	}
	return math.Round(perSecond)
}

// round rounds to a fraction of one.
func round(value, fraction float64) float64 { return math.Round(value*fraction) / fraction }

func quotient(a, b float64) *float64 {
	if b == 0 {
		return nil
	}
	return new(round(a/b, 100))
}
