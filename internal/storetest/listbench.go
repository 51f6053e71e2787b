package storetest

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// listBenchTasks is how many tasks there are unless a variable says so: few, so that
// the benchmark can be run with all others.
const listBenchTasks = 10_000

// ListBenchTasks is how many tasks a benchmark of lists is to have.
func ListBenchTasks(b *testing.B) int {
	b.Helper()
	text := os.Getenv("TASKHOST_BENCH_TASKS")
	if text == "" {
		return listBenchTasks
	}
	n, err := strconv.Atoi(text)
	require.NoError(b, err)
	return n
}

// BenchList measures pages of 50 of a store with tasks n, of which the ith, from 0
// on, was enqueued i seconds after begin, has the tags "customer" c0 to c999, "region"
// r0 to r4 and "all" yes, and one of twenty names, n0 to n19, of which n19 is rare.
// One in a hundred has failed, one in a thousand waits.
func BenchList(b *testing.B, store Lister, begin time.Time, n int) {
	b.Helper()
	middle := begin.Add(time.Duration(n/2) * time.Second)
	hour := task.Filter{CreatedAfter: middle, CreatedBefore: middle.Add(time.Hour)}
	tags := func(tags ...string) map[string]string {
		out := make(map[string]string)
		for i := 0; i < len(tags); i += 2 {
			out[tags[i]] = tags[i+1]
		}
		return out
	}
	for _, test := range []struct {
		name   string
		filter task.Filter
		page   task.Page
	}{
		{"newest", task.Filter{}, task.Page{}},
		{"oldest", task.Filter{}, task.Page{Ascending: true}},
		{"time", hour, task.Page{}},
		{"before", task.Filter{CreatedBefore: middle}, task.Page{}},
		{"state success", task.Filter{Statuses: []task.Status{task.Success}}, task.Page{}},
		{"state failed", task.Filter{Statuses: []task.Status{task.Failed}}, task.Page{}},
		{"state pending", task.Filter{Statuses: []task.Status{task.Pending}}, task.Page{}},
		{"state running", task.Filter{Statuses: []task.Status{task.Running}}, task.Page{}},
		{"states failed, interrupted", task.Filter{Statuses: []task.Status{task.Failed, task.Interrupted}}, task.Page{}},
		{"state failed, before", task.Filter{Statuses: []task.Status{task.Failed}, CreatedBefore: middle}, task.Page{}},
		{"name", task.Filter{Name: "n3"}, task.Page{}},
		{"rare name", task.Filter{Name: "n19"}, task.Page{}},
		{"name and state", task.Filter{Name: "n3", Statuses: []task.Status{task.Failed}}, task.Page{}},
		{"rare name and state", task.Filter{Name: "n19", Statuses: []task.Status{task.Failed}}, task.Page{}},
		{"tag of a thousandth", task.Filter{Tags: tags("customer", "c7")}, task.Page{}},
		{"tag of a fifth", task.Filter{Tags: tags("region", "r3")}, task.Page{}},
		{"tag of all", task.Filter{Tags: tags("all", "yes")}, task.Page{}},
		{"two tags", task.Filter{Tags: tags("all", "yes", "customer", "c8")}, task.Page{}},
		{"tag and state", task.Filter{Tags: tags("region", "r3"), Statuses: []task.Status{task.Failed}}, task.Page{}},
		{"longest", task.Filter{}, task.Page{Sort: task.ByDuration}},
		{"shortest", task.Filter{}, task.Page{Sort: task.ByDuration, Ascending: true}},
		{"longest of a name", task.Filter{Name: "n3"}, task.Page{Sort: task.ByDuration}},
		{"id", task.Filter{IDPrefix: "0"}, task.Page{}},
		{"highest of what waits", task.Filter{Statuses: []task.Status{task.Pending}}, task.Page{Sort: task.ByPriority}},
		{"highest", task.Filter{}, task.Page{Sort: task.ByPriority}},
	} {
		for _, deep := range []bool{false, true} {
			page, name := test.page, test.name
			if deep {
				name += ", tenth page"
				for range 9 {
					list, err := store.Tasks(b.Context(), test.filter, page)
					require.NoError(b, err)
					page.Cursor = list.Next
				}
				if page.Cursor == "" {
					continue // there are not that many
				}
			}
			b.Run(name, func(b *testing.B) { benchPage(b, store, test.filter, page) })
		}
	}
}

func benchPage(b *testing.B, store Lister, filter task.Filter, page task.Page) {
	b.Helper()
	var took []time.Duration
	tasks := 0
	for b.Loop() {
		begin := time.Now()
		list, err := store.Tasks(b.Context(), filter, page)
		took = append(took, time.Since(begin))
		require.NoError(b, err)
		tasks = len(list.Tasks)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(tasks), "tasks")
}

// ListBenchBegin is when the first task of a benchmark was enqueued.
var ListBenchBegin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
