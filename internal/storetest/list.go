package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var listProperties = []property{
	{name: "each filter chooses what it says", hold: holdListFilters},
	{name: "pages of each order make the whole", hold: holdListPages},
	{name: "pages stay while tasks come", hold: holdListMoves},
	{name: "what is asked for wrongly is refused", hold: holdListRefuses},
	{name: "a batch that fails leaves no tags", hold: holdListNoTags},
}

// list reads all pages of a filter, and holds them to each other.
func (w *world) list(store Store, filter task.Filter, page ...task.Page) []task.Task {
	w.Helper()
	all := []task.Task{}
	p := task.Page{Limit: 3}
	if len(page) > 0 {
		p = page[0]
	}
	for range 1000 {
		list, err := store.Tasks(w.Context(), filter, p)
		require.NoError(w, err)
		all = append(all, list.Tasks...)
		if p.Cursor = list.Next; p.Cursor == "" {
			return all
		}
		require.Len(w, list.Tasks, p.Limit, "a page that is not the last is full")
	}
	require.Fail(w, "a list without an end")
	return nil
}

func idsOf(tasks []task.Task) []task.ID {
	ids := []task.ID{}
	for i := range tasks {
		ids = append(ids, tasks[i].ID)
	}
	return ids
}

// listed makes tasks of all kinds, and returns them, the newest first.
func (w *world) listed() (Store, []task.Task) {
	w.Helper()
	store := w.open()
	w.push(store, "m", guest("a"), guest("b"))
	w.push(store, "n", guest("c"))
	running := make(chan struct{}, 1)
	w.start(store, map[task.Executor]int{task.Wasm: 1}, handler(func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		switch string(exec.Args) {
		case `"runs"`:
			running <- struct{}{}
			return untilStopped(ctx, exec, log)
		case `"fails"`:
			return task.Outcome{Failure: &task.Failure{Message: "no", Trace: "here", Permanent: true}}
		default:
			w.pass(time.Now().Add(time.Duration(len(exec.Args)) * 100 * time.Microsecond))
			return task.Outcome{Result: []byte("1")}
		}
	}))
	var last task.ID
	for i := range 24 {
		name, tags, args := []string{"a", "b", "c"}[i%3], map[string]string(nil), fmt.Sprintf("%*d", 1+i*7%20, i)
		if i%2 == 0 {
			tags = map[string]string{"even": "yes", "by four": fmt.Sprint(i % 4), "": ""}
			delete(tags, "")
		}
		if i%4 == 1 {
			args = `"fails"`
		}
		last = w.enqueue(store, task.Request{Name: name, Args: []byte(args), Source: []task.Source{task.Manual, task.Child}[i/12], EnqueueOptions: task.EnqueueOptions{Tags: tags, Priority: 1 + i%10}})
	}
	w.eventually(func() bool { return w.number("SELECT count(*) FROM task WHERE ended_at IS NULL") == 0 }, "for all to end")
	w.retry(store, w.list(store, task.Filter{Statuses: []task.Status{task.Failed}})[0].ID)
	cancelled := w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour, Tags: map[string]string{"even": "no"}}})
	w.cancel(store, cancelled)
	w.enqueue(store, task.Request{Name: "a", Args: []byte(`"runs"`)})
	receive(w, running, "the attempt")
	w.enqueue(store, task.Request{Name: "c", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	w.enqueue(store, task.Request{Name: "c"})
	all := w.list(store, task.Filter{})
	require.Len(w, all, 29)
	require.Contains(w, idsOf(all), last)
	return store, all
}

func holdListFilters(w *world) {
	store, all := w.listed()
	for i := range all { // against what is read of each alone
		one := w.task(store, all[i].ID)
		one.Trace, one.WaitingReason = "", ""
		require.Equal(w, *one, all[i])
	}
	created := all[10].CreatedAt
	at := time.UnixMilli(int64(all[10].ID[0])<<40 | int64(all[10].ID[1])<<32 | int64(all[10].ID[2])<<24 | int64(all[10].ID[3])<<16 | int64(all[10].ID[4])<<8 | int64(all[10].ID[5]))
	require.WithinDuration(w, created, at, 100*time.Millisecond)
	for name, test := range map[string]struct {
		filter task.Filter
		holds  func(t *task.Task) bool
	}{
		"all":             {task.Filter{}, func(*task.Task) bool { return true }},
		"a status":        {task.Filter{Statuses: []task.Status{task.Failed}}, func(t *task.Task) bool { return t.Status == task.Failed }},
		"running":         {task.Filter{Statuses: []task.Status{task.Running}}, func(t *task.Task) bool { return t.Status == task.Running }},
		"statuses":        {task.Filter{Statuses: []task.Status{task.Success, task.Pending, task.Running, task.Pending}}, func(t *task.Task) bool { return t.Status != task.Failed && t.Status != task.Cancelled }},
		"cancelled":       {task.Filter{Statuses: []task.Status{task.Cancelled}}, func(t *task.Task) bool { return t.Status == task.Cancelled }},
		"none":            {task.Filter{Statuses: []task.Status{task.Interrupted}}, func(*task.Task) bool { return false }},
		"a name":          {task.Filter{Name: "c"}, func(t *task.Task) bool { return t.Name == "c" }},
		"no name":         {task.Filter{Name: "d"}, func(*task.Task) bool { return false }},
		"name and status": {task.Filter{Name: "a", Statuses: []task.Status{task.Failed, task.Running}}, func(t *task.Task) bool { return t.Name == "a" && (t.Status == task.Failed || t.Status == task.Running) }},
		"a module":        {task.Filter{Module: "n"}, func(t *task.Task) bool { return t.Module.Name == "n" }},
		"a source":        {task.Filter{Sources: []task.Source{task.Retried}}, func(t *task.Task) bool { return t.Source == task.Retried }},
		"sources":         {task.Filter{Sources: []task.Source{task.Child, task.Retried}}, func(t *task.Task) bool { return t.Source != task.Manual }},
		"a tag":           {task.Filter{Tags: map[string]string{"even": "yes"}}, func(t *task.Task) bool { return t.Tags["even"] == "yes" }},
		"tags":            {task.Filter{Tags: map[string]string{"even": "yes", "by four": "2"}}, func(t *task.Task) bool { return t.Tags["by four"] == "2" }},
		"no such tag":     {task.Filter{Tags: map[string]string{"even": "yes", "odd": "x"}}, func(*task.Task) bool { return false }},
		"tag and status": {task.Filter{Tags: map[string]string{"even": "no"}, Statuses: []task.Status{task.Cancelled, task.Running}}, func(t *task.Task) bool {
			return t.Tags["even"] == "no"
		}},
		"tag, name and time": {task.Filter{Tags: map[string]string{"even": "yes"}, Name: "a", CreatedAfter: at}, func(t *task.Task) bool {
			return t.Tags["even"] == "yes" && t.Name == "a" && t.ID.Compare(all[10].ID) >= 0
		}},
		"unresolved":     {task.Filter{Unresolved: true, Statuses: []task.Status{task.Failed}}, func(t *task.Task) bool { return t.Status == task.Failed && t.ResolvedBy == nil }},
		"an id":          {task.Filter{IDPrefix: all[7].ID.String()}, func(t *task.Task) bool { return t.ID == all[7].ID }},
		"part of an id":  {task.Filter{IDPrefix: all[7].ID.String()[:13]}, func(t *task.Task) bool { return t.ID.String()[:13] == all[7].ID.String()[:13] }},
		"created after":  {task.Filter{CreatedAfter: at}, func(t *task.Task) bool { return string(t.ID[:6]) >= string(all[10].ID[:6]) }},
		"created before": {task.Filter{CreatedBefore: at}, func(t *task.Task) bool { return string(t.ID[:6]) < string(all[10].ID[:6]) }},
		"between":        {task.Filter{CreatedAfter: at, CreatedBefore: at.Add(time.Millisecond)}, func(t *task.Task) bool { return string(t.ID[:6]) == string(all[10].ID[:6]) }},
	} {
		want := []task.ID{}
		for i := range all {
			if test.holds(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		require.Equal(w, want, idsOf(w.list(store, test.filter)), name)
		slices.Reverse(want)
		require.Equal(w, want, idsOf(w.list(store, test.filter, task.Page{Limit: 2, Ascending: true})), name)
	}
	w.stopNow(store)
}

func holdListPages(w *world) {
	store, all := w.listed()
	timed := slices.DeleteFunc(slices.Clone(all), func(t task.Task) bool { return t.StartedAt == nil || t.EndedAt == nil })
	require.Greater(w, len(timed), 20)
	for sort, test := range map[task.Sort]struct {
		tasks []task.Task
		key   func(t *task.Task) int64
	}{
		task.ByCreated:  {all, func(*task.Task) int64 { return 0 }},
		"":              {all, func(*task.Task) int64 { return 0 }},
		task.ByPriority: {all, func(t *task.Task) int64 { return int64(t.Priority) }},
		task.ByDuration: {timed, func(t *task.Task) int64 { return int64(t.Duration()) }},
	} {
		want := slices.Clone(test.tasks)
		slices.SortFunc(want, func(a, b task.Task) int {
			if d := test.key(&b) - test.key(&a); d != 0 {
				return int(d)
			}
			return b.ID.Compare(a.ID)
		})
		for _, limit := range []int{1, 4, 29, 200, 0} {
			if limit == 0 {
				list, err := store.Tasks(w.Context(), task.Filter{}, task.Page{Sort: sort})
				require.NoError(w, err)
				require.Equal(w, want, list.Tasks, "a page has room for 50")
				continue
			}
			require.Equal(w, want, w.list(store, task.Filter{}, task.Page{Sort: sort, Limit: limit}), "%s by %d", sort, limit)
		}
		one := slices.DeleteFunc(slices.Clone(want), func(t task.Task) bool { return t.Name != "b" || t.Status != task.Success })
		filter := task.Filter{Name: "b", Statuses: []task.Status{task.Success}}
		require.Equal(w, one, w.list(store, filter, task.Page{Sort: sort, Limit: 2}), "%s of b", sort)
		slices.Reverse(want)
		require.Equal(w, want, w.list(store, task.Filter{}, task.Page{Sort: sort, Limit: 5, Ascending: true}), "%s, ascending", sort)
		tagged := slices.DeleteFunc(slices.Clone(want), func(t task.Task) bool { return t.Tags["even"] != "yes" })
		require.Equal(w, tagged, w.list(store, task.Filter{Tags: map[string]string{"even": "yes"}}, task.Page{Sort: sort, Limit: 5, Ascending: true}), "%s of a tag", sort)
	}
	w.stopNow(store)
}

func holdListMoves(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	ids, err := store.EnqueueMany(w.Context(), batch("a", 10))
	require.NoError(w, err)
	page := task.Page{Limit: 4}
	var seen []task.ID
	for {
		list, err := store.Tasks(w.Context(), task.Filter{}, page)
		require.NoError(w, err)
		seen = append(seen, idsOf(list.Tasks)...)
		w.named(store, "a")
		if page.Cursor = list.Next; page.Cursor == "" {
			break
		}
	}
	slices.Reverse(ids)
	require.Equal(w, ids, seen, "none twice, and none left out")
}

func holdListRefuses(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	list, err := store.Tasks(w.Context(), task.Filter{}, task.Page{})
	require.NoError(w, err)
	require.Equal(w, &task.List{Tasks: []task.Task{}}, list, "in JSON it is a list")
	_, err = store.EnqueueMany(w.Context(), batch("a", 3))
	require.NoError(w, err)
	list, err = store.Tasks(w.Context(), task.Filter{}, task.Page{Limit: 2})
	require.NoError(w, err)
	for name, test := range map[string]struct {
		filter task.Filter
		page   task.Page
		field  string
	}{
		"a page of none":           {page: task.Page{Limit: -1}, field: "limit"},
		"a page too large":         {page: task.Page{Limit: 201}, field: "limit"},
		"another sort":             {page: task.Page{Sort: "name"}, field: "sort"},
		"no cursor of ours":        {page: task.Page{Cursor: "x"}, field: "cursor"},
		"a cursor of another sort": {page: task.Page{Cursor: list.Next, Sort: task.ByPriority}, field: "cursor"},
		"a cursor turned round":    {page: task.Page{Cursor: list.Next, Ascending: true}, field: "cursor"},
		"a status":                 {filter: task.Filter{Statuses: []task.Status{"x'y"}}, field: "status"},
		"a source":                 {filter: task.Filter{Sources: []task.Source{"x'y"}}, field: "source"},
		"an id":                    {filter: task.Filter{IDPrefix: "0190x"}, field: "id_prefix"},
		"a name":                   {filter: task.Filter{Name: "\x00"}, field: "name"},
		"a tag":                    {filter: task.Filter{Tags: map[string]string{"": "a"}}, field: "tags"},
	} {
		_, err := store.Tasks(w.Context(), test.filter, test.page)
		var invalid *task.InvalidError
		require.ErrorAs(w, err, &invalid, name)
		require.Equal(w, test.field, invalid.Field, name)
	}
}

func holdListNoTags(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	tags := map[string]string{"k": "v"}
	_, err := store.EnqueueMany(w.Context(), []task.Request{
		{Name: "a", EnqueueOptions: task.EnqueueOptions{Tags: tags}},
		{Name: "a", EnqueueOptions: task.EnqueueOptions{Tags: tags, IdempotencyKey: "k"}, Args: []byte("1")},
		{Name: "a", EnqueueOptions: task.EnqueueOptions{IdempotencyKey: "k"}, Args: []byte("2")},
	})
	require.Error(w, err)
	require.Zero(w, w.number("SELECT count(*) FROM task_tag"))
	_, err = store.EnqueueMany(w.Context(), []task.Request{
		{Name: "a", EnqueueOptions: task.EnqueueOptions{Tags: tags, IdempotencyKey: "k"}},
		{Name: "a", EnqueueOptions: task.EnqueueOptions{Tags: tags, IdempotencyKey: "k"}},
		{Name: "a", EnqueueOptions: task.EnqueueOptions{Tags: tags}},
	})
	require.NoError(w, err)
	require.EqualValues(w, 2, w.number("SELECT count(*) FROM task_tag"))
}
