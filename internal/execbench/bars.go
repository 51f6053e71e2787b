package execbench

// Bar is what the design asks of a row, or of all.
type Bar struct {
	// Guest and Mode are those of the row, empty where it is about all.
	Guest string `json:"guest"`
	Mode  string `json:"mode"`
	// Field is that of the [Result] or else of the [Report], as in JSON.
	Field string `json:"field"`
	// Least or Most bound the value; the other one is nil.
	Least *float64 `json:"least"`
	Most  *float64 `json:"most"`
	// Value is what was measured.
	Value float64 `json:"value"`
	Met   bool    `json:"met"`
}

// bars are those of the design, for two processors and one execution at a time.
func bars() []Bar {
	return []Bar{
		{Guest: goRaw, Mode: inProcess, Field: "p50_us", Most: new(15.0)},
		{Guest: goRaw, Mode: "plain-wazero", Field: "ratio", Least: new(100.0)},
		{Guest: "python", Mode: "python-pool", Field: "ratio", Least: new(5.0)},
		{Guest: goJSON, Mode: inProcess, Field: "p50_us", Most: new(45.0)},
		{Guest: cRaw, Mode: inProcess, Field: "p50_us", Most: new(5.0)},
		{Guest: rustRaw, Mode: inProcess, Field: "p50_us", Most: new(5.0)},
		{Guest: assemblyScript, Mode: inProcess, Field: "p50_us", Most: new(5.0)},
		{Guest: goRaw, Mode: inProcess, Field: "growth", Least: new(1.7)},
		{Field: "idle_kib", Most: new(1024.0)},
		{Field: "fuel_geomean", Most: new(1.15)},
	}
}

// addBars holds the report against the bars, as far as it is about them.
func (r *Report) addBars() {
	for _, bar := range bars() {
		if value := r.value(&bar); value != nil {
			bar.Value = *value
			bar.Met = (bar.Least == nil || bar.Value >= *bar.Least) && (bar.Most == nil || bar.Value <= *bar.Most)
			r.Bars = append(r.Bars, bar)
		}
	}
}

// value is what a bar is about, nil where it was not measured.
func (r *Report) value(bar *Bar) *float64 {
	switch bar.Field {
	case "idle_kib":
		return r.IdleKiB
	case "fuel_geomean":
		return r.FuelGeomean
	}
	goroutines := 1
	if bar.Field == "growth" {
		goroutines = 2
	}
	for i := range r.Results {
		row := &r.Results[i]
		if row.Guest == bar.Guest && row.Mode == bar.Mode && row.Goroutines == goroutines {
			return map[string]*float64{"p50_us": &row.P50, "ratio": row.Ratio, "growth": row.Growth}[bar.Field]
		}
	}
	return nil
}
