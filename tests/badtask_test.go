package tests_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const anID = "01890a5d-ac96-774b-bcce-b302099a8057"

// A request that cannot be taken is refused with what to do about it, and
// nothing of it is stored.
func TestBadTasks(t *testing.T) {
	t.Parallel()
	p, c := serve(t, built(t).dataDir(t))
	stored := readFile(t, p.dir)
	require.Zero(t, stored.counts(t).tasks)

	long := strings.Repeat("x", 257)
	manyTags := make(map[string]string)
	for i := range 33 {
		manyTags[fmt.Sprint(i)] = ""
	}
	for name, test := range map[string]struct {
		body         string
		status       int
		code, detail string
	}{
		"nothing":                {``, 400, "bad_request", "required"},
		"not JSON":               {`{"name":`, 400, "bad_request", ""},
		"args not JSON":          {`{"name":"demo.echo","args":{"a":}}`, 400, "bad_request", ""},
		"two values":             {`{"name":"demo.echo"}{"name":"demo.echo"}`, 400, "bad_request", ""},
		"too deep":               {`{"name":"demo.echo","args":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, 400, "bad_request", ""},
		"a list":                 {`[{"name":"demo.echo"}]`, 422, "invalid", ""},
		"no name":                {`{"args":1}`, 422, "invalid", ""},
		"a number for a name":    {`{"name":5}`, 422, "invalid", ""},
		"a name that is none":    {`{"name":"Demo Echo"}`, 422, "invalid", "name"},
		"an unknown member":      {`{"name":"demo.echo","retries":3}`, 422, "invalid", ""},
		"a priority too high":    {`{"name":"demo.echo","priority":11}`, 422, "invalid", ""},
		"half a priority":        {`{"name":"demo.echo","priority":1.5}`, 422, "invalid", ""},
		"an endless priority":    {`{"name":"demo.echo","priority":1e300}`, 422, "invalid", ""},
		"a delay that is none":   {`{"name":"demo.echo","delay":"soon"}`, 422, "invalid", "delay"},
		"a delay below zero":     {`{"name":"demo.echo","delay":"-1s"}`, 422, "invalid", "delay"},
		"a delay of years":       {`{"name":"demo.echo","delay":"20000h"}`, 422, "invalid", "delay must be at most|run_at must be at most"},
		"a time that is none":    {`{"name":"demo.echo","run_at":"2026-02-30T00:00:00Z"}`, 422, "invalid", ""},
		"a time without a zone":  {`{"name":"demo.echo","run_at":"2026-02-03T00:00:00"}`, 422, "invalid", ""},
		"delay and time":         {`{"name":"demo.echo","delay":"1s","run_at":"2026-02-03T00:00:00Z"}`, 422, "invalid", "run_at"},
		"a timeout of nothing":   {`{"name":"demo.echo","timeout":"0.5ms"}`, 422, "invalid", "timeout"},
		"a timeout of hours":     {`{"name":"demo.echo","timeout":"2h"}`, 422, "invalid", "timeout"},
		"a tag that is a number": {`{"name":"demo.echo","tags":{"a":1}}`, 422, "invalid", ""},
		"a tag without a key":    {`{"name":"demo.echo","tags":{"":"x"}}`, 422, "invalid", "tags"},
		"a long tag":             {`{"name":"demo.echo","tags":{"a":"` + long + `"}}`, 422, "invalid", "tags"},
		"a tag with a NUL":       {`{"name":"demo.echo","tags":{"a":"\u0000"}}`, 422, "invalid", "tags"},
		"many tags":              {string(body{Name: "demo.echo", Tags: manyTags}.text()), 422, "invalid", "at most 32"},
		"large args":             {`{"name":"demo.echo","args":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large", "1048576"},
		"a large body":           {`{"name":"demo.echo","args":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "too_large", ""},
		"a schema, a number":     {`{"name":"thumbs.resize","args":{"image":"AA==","width":1e99999}}`, 400, "bad_request", ""},
		"a number for args":      {`{"name":"demo.flaky","args":5}`, 422, "invalid_arguments", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.request(t, "POST", "/v1/tasks", []byte(test.body))
			require.Regexp(t, test.detail, a.problem(t, test.status, test.code).Detail)
		})
	}
	t.Run("args that do not satisfy the schema", func(t *testing.T) {
		a := c.request(t, "POST", "/v1/tasks", []byte(`{"name":"thumbs.resize","args":{"image":"","width":"wide","height":3}}`))
		problems := make(map[string]string)
		for _, e := range a.problem(t, 422, "invalid_arguments").Errors {
			problems[e.Path] = e.Problem
		}
		require.Contains(t, problems["/image"], "minLength")
		require.Contains(t, problems["/width"], "integer")
		require.Contains(t, problems[""], "height")
		require.Len(t, problems, 3)
	})
	t.Run("a long key", func(t *testing.T) {
		c.request(t, "POST", "/v1/tasks", []byte(`{"name":"demo.echo"}`), "Idempotency-Key", long).problem(t, 422, "invalid")
	})
	t.Run("unknown names", func(t *testing.T) {
		for name, near := range map[string][]string{"thumbs.resise": {"thumbs.resize"}, "demo.ech": {"demo.echo"}, "something.else.entirely": nil} {
			p := c.request(t, "POST", "/v1/tasks", body{Name: name}.text()).problem(t, 404, "unknown_task")
			require.Contains(t, p.Detail, name)
			require.Equal(t, near, p.Near)
		}
	})
	require.Zero(t, stored.counts(t).tasks, "nothing of all that is stored")
	require.Zero(t, stored.number(t, "SELECT count(*) FROM idempotency_key"))
	p.stop(t)
}

// Arguments of a definition without a schema may be any JSON.
func TestAnyJSONIsAnArgument(t *testing.T) {
	t.Parallel()
	_, c := serve(t, built(t).dataDir(t))
	for name, args := range map[string]string{
		"a tiny number":           `{"a":[0.1e-400]}`,
		"many digits":             `3.14159265358979323846264338327950288419716939937510582097494459230781640628620899`,
		"null":                    `null`,
		"a string of a NUL":       `"\u0000"`,
		"half a surrogate":        `"\ud800"`,
		"bytes that are no UTF-8": "\"\xff\xfe\"",
		"a key twice":             `{"a":1,"a":2}`,
		"members of the request":  `{"name":"demo.broken","args":{"priority":1e40}}`,
		"the most there may be":   `"` + strings.Repeat("x", 1<<20-2) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			id := c.mustEnqueue(t, body{Name: "demo.echo", Args: json.RawMessage(args)})
			require.Equal(t, "success", c.awaitEnd(t, id).Status)
			result, _ := c.result(t, id)
			require.Equal(t, sha256.Sum256([]byte(args)), sha256.Sum256(result), "%d bytes came back as %d: %.100q", len(args), len(result), result)
		})
	}
}

// What is asked of tasks that are not there, or not so far.
func TestBadLookups(t *testing.T) {
	t.Parallel()
	p, c := serve(t, built(t).dataDir(t))
	waiting := c.mustEnqueue(t, body{Name: "demo.echo", Delay: "1h"})
	failed := c.mustEnqueue(t, body{Name: "demo.broken"})
	for _, rest := range []string{"", "/result", "/logs"} {
		t.Run("task"+rest, func(t *testing.T) {
			c.request(t, "GET", "/v1/tasks/"+anID+rest, nil).problem(t, 404, "not_found")
			for _, id := range []string{"1", strings.ToUpper(anID)[:35] + "g", anID + "0", strings.ReplaceAll(anID, "-", ""), "%00", "..%2f..%2fetc", strings.Repeat("9", 3000)} {
				c.request(t, "GET", "/v1/tasks/"+id+rest, nil).problem(t, 422, "invalid")
			}
		})
	}
	t.Run("result", func(t *testing.T) {
		c.request(t, "GET", "/v1/tasks/"+waiting+"/result", nil).problem(t, 409, "not_finished")
		require.Equal(t, "failed", c.awaitEnd(t, failed).Status)
		p := c.request(t, "GET", "/v1/tasks/"+failed+"/result", nil).problem(t, 409, "task_failed")
		require.Equal(t, "this task is broken, and will be next time", p.Detail)
	})
	t.Run("logs", func(t *testing.T) {
		require.Empty(t, c.logs(t, waiting, 10))
		for _, query := range []string{"after=-1", "after=x", "limit=0", "limit=10001", "limit=1.5", "after=99999999999999999999"} {
			c.request(t, "GET", "/v1/tasks/"+waiting+"/logs?"+query, nil).problem(t, 422, "invalid")
		}
	})
	t.Run("modules", func(t *testing.T) {
		c.request(t, "GET", "/v1/modules/nothing", nil).problem(t, 404, "not_found")
	})
	t.Run("routes", func(t *testing.T) {
		for route, method := range maps.All(map[string]string{
			"/v1/nothing": "GET", "/v1/tasks": "PUT", "/v2/tasks": "GET", "/v1/tasks/" + anID: "DELETE", "/v1/modules": "POST", "/.env": "GET", "/v1/tasks/": "POST",
		}) {
			c.request(t, method, route, nil).problem(t, 404, "not_found")
		}
	})
	p.stop(t)
}
