package tests_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/examples/inputs"
)

// expected is a task to enqueue and all that has to come of it.
type expected struct {
	body     body
	status   string
	attempts int
	cause    string
	err      string
	result   []byte
	logs     []expectedLine
}

type expectedLine struct {
	attempt        int
	level, message string
	fields         string // JSON
}

// expectEcho gives back the bytes that it was given, whatever JSON they are.
func expectEcho(args string) expected {
	return expected{
		body: body{Name: "demo.echo", Args: json.RawMessage(args)}, status: "success", attempts: 1, result: []byte(args),
		logs: []expectedLine{{1, "info", "echo", fmt.Sprintf(`{"bytes":%d,"lines":%d}`, len(args), strings.Count(args, "\n"))}},
	}
}

// echoArgs are texts that a codec on the way would change.
func echoArgs(i int) string {
	return []string{
		`{"n":%d,"float":1.50,"big":12345678901234567890,"exp":1E+2}`,
		`[ %d ,` + "\n\t" + `"spaces and lines stay"` + "\n" + ` ]`,
		`{"z":%d,"a":1,"a":2,"":null}`,
		`"%d \u0000 \ud83d\ude00 \/ <b>&amp;</b> ünïcode 😀"`,
		`%d`,
		`{"deep":[[[[[[[[[[[[[[[[%d]]]]]]]]]]]]]]]]}`,
	}[i%6]
}

// expectFlaky fails so many times and then succeeds, as far as its four
// attempts go.
func expectFlaky(failTimes int) expected {
	e := expected{
		body:   body{Name: "demo.flaky", Args: json.RawMessage(fmt.Sprintf(`{"fail_times":%d}`, failTimes))},
		status: "success", attempts: failTimes + 1, result: fmt.Appendf(nil, `{"attempts":%d}`, failTimes+1),
	}
	if failTimes > 3 {
		e.status, e.attempts, e.result = "failed", 4, nil
		e.cause, e.err = "error", fmt.Sprintf("attempt 4 of %d that fail", failTimes)
	}
	for attempt := range min(failTimes, 4) {
		e.logs = append(e.logs, expectedLine{attempt + 1, "warn", "failing", fmt.Sprintf(`{"attempt":%d,"fail_times":%d}`, attempt, failTimes)})
	}
	return e
}

// expectBroken is not tried again, although it has retries left.
func expectBroken() expected {
	return expected{
		body: body{Name: "demo.broken"}, status: "failed", attempts: 1,
		cause: "error", err: "this task is broken, and will be next time",
	}
}

// expectReport sums a table up in another way than the task does: line by line
// and with nothing of encoding/csv.
func expectReport(seed int64, rows int) expected {
	table := string(inputs.Sales(seed, rows))
	type total struct {
		Name         string `json:"name"`
		Units        int64  `json:"units"`
		RevenueCents int64  `json:"revenue_cents"`
	}
	sums := [2]map[string]*total{{}, {}}
	for line := range strings.SplitSeq(strings.TrimSuffix(table, "\n"), "\n") {
		row := strings.Split(line, ",")
		if row[0] == "date" {
			continue
		}
		units, _ := strconv.ParseInt(row[3], 10, 64)
		cents, _ := strconv.ParseInt(strings.Replace(row[4], ".", "", 1), 10, 64) // always two decimals
		for i, name := range row[1:3] {
			if sums[i][name] == nil {
				sums[i][name] = &total{Name: name}
			}
			sums[i][name].Units += units
			sums[i][name].RevenueCents += units * cents
		}
	}
	var report struct {
		Rows     int      `json:"rows"`
		Regions  []*total `json:"regions"`
		Products []*total `json:"products"`
	}
	report.Rows = rows
	for i, list := range []*[]*total{&report.Regions, &report.Products} {
		for _, name := range slices.Sorted(maps.Keys(sums[i])) {
			*list = append(*list, sums[i][name])
		}
	}
	e := expected{
		body:   body{Name: "reports.sales", Args: mustJSON(map[string]string{"csv": table})},
		status: "success", attempts: 1, result: mustJSON(report),
	}
	for read := 2500; read <= rows; read += 2500 {
		e.logs = append(e.logs, expectedLine{1, "info", "reading", fmt.Sprintf(`{"rows":%d}`, read)})
	}
	e.logs = append(e.logs, expectedLine{
		1, "info", "read",
		fmt.Sprintf(`{"rows":%d,"regions":%d,"products":%d}`, rows, len(report.Regions), len(report.Products)),
	})
	return e
}

func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // of a type that always marshals
	}
	return text
}

// check holds what became of a task against what was to.
func (e expected) check(t *testing.T, c *client, id string) taskView {
	t.Helper()
	v := c.awaitEnd(t, id)
	require.Equal(t, e.status, v.Status, "%+v", v)
	require.Equal(t, e.body.Name, v.Name)
	require.Equal(t, e.attempts, v.Attempt, "%+v", v)
	require.Equal(t, e.attempts-1, v.RetriesUsed)
	require.Equal(t, e.err, v.Error)
	require.Equal(t, e.cause, v.Cause)
	require.Equal(t, "wasm", v.Executor)
	require.Equal(t, "manual", v.Source)
	require.Equal(t, len(e.body.Args), v.ArgsBytes+missingArgs(e), "args_bytes")
	require.Equal(t, len(e.result), v.ResultBytes)
	require.Zero(t, v.Crashes)
	require.Nil(t, v.Next)
	require.False(t, v.Started.Before(v.Created))
	require.False(t, v.Ended.Before(*v.Started))
	require.InDelta(t, v.Ended.Sub(*v.Started).Seconds(), *v.Duration, 1e-9)
	if e.status == "success" {
		result, contentType := c.result(t, id)
		require.Equal(t, string(e.result), string(result))
		require.Equal(t, "application/json", contentType)
	} else {
		p := c.request(t, "GET", "/v1/tasks/"+id+"/result", nil).problem(t, 409, "task_failed")
		require.Equal(t, e.err, p.Detail)
	}
	e.checkLogs(t, c.logs(t, id, 2))
	return v
}

// missingArgs is how much longer args are as they are kept, where there were
// none and the definition has a schema: {} then stands for them.
func missingArgs(e expected) int {
	if e.body.Name == "demo.broken" {
		return -len("{}")
	}
	return 0
}

func (e expected) checkLogs(t *testing.T, lines []logLine) {
	t.Helper()
	require.Len(t, lines, len(e.logs), "%+v", lines)
	var seq int64
	for i, line := range lines {
		require.Greater(t, line.Seq, seq)
		seq = line.Seq
		require.Equal(t, e.logs[i].attempt, line.Attempt)
		require.Equal(t, e.logs[i].level, line.Level)
		require.Equal(t, e.logs[i].message, line.Message)
		require.JSONEq(t, e.logs[i].fields, string(bytes.TrimSpace(line.Fields)))
		if i > 0 {
			require.False(t, line.Time.Before(lines[i-1].Time))
		}
	}
}
