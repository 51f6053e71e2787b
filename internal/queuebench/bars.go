package queuebench

// Bar is what the design asks of a case.
type Bar struct {
	Store string `json:"store"`
	Case  string `json:"case"`
	// Field is that of the [Result] that it is about, as in JSON.
	Field string `json:"field"`
	// Least or Most bound the value; the other one is nil.
	Least *float64 `json:"least"`
	Most  *float64 `json:"most"`
	// Value is what was measured.
	Value float64 `json:"value"`
	Met   bool    `json:"met"`
}

// bars are those of the design, for two processors and DefaultSlots slots.
var bars = []Bar{
	{Store: "postgres", Case: "work", Field: "per_second", Least: new(10_000.0)},
	{Store: "postgres", Case: "work", Field: "ratio_to_river", Least: new(0.7)},
	{Store: "postgres", Case: "latency", Field: "p50_ms", Most: new(3.0)},
	{Store: "postgres", Case: "latency_tx", Field: "p50_ms", Most: new(3.0)},
	{Store: "sqlite", Case: "work", Field: "per_second", Least: new(5_000.0)},
	{Store: "sqlite", Case: "work", Field: "ratio_to_river", Least: new(1.0)},
	{Store: "sqlite", Case: "latency", Field: "p50_ms", Most: new(3.0)},
	{Store: "sqlite", Case: "latency_tx", Field: "p50_ms", Most: new(15.0)},
}

// held compares a result with the bar.
func (b Bar) held(r *Result) Bar {
	value := map[string]*float64{"per_second": r.PerSecond, "ratio_to_river": r.Ratio, "p50_ms": r.P50}[b.Field]
	if value == nil {
		return b
	}
	b.Value = *value
	b.Met = (b.Least == nil || b.Value >= *b.Least) && (b.Most == nil || b.Value <= *b.Most)
	return b
}
