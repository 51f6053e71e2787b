package task_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestValidateName(t *testing.T) {
	for _, name := range []string{
		"a", "resize", "thumbs.resize", "a.b.c", "snake_case", "kebab-case", "v2.0", "a1", "a.1", "a._", "a.-",
		strings.Repeat("a", task.MaxNameBytes),
	} {
		require.NoError(t, task.ValidateName(name), name)
	}
	for _, name := range []string{
		"", ".", "a.", ".a", "a..b", "1a", "_a", "-a", "A", "aB", "a b", "a/b", "a\n", "\na", "ä", "a\x00",
		"thumbs:resize", strings.Repeat("a", task.MaxNameBytes+1),
	} {
		requireField(t, task.ValidateName(name), "name")
	}
}

func TestValidatePriority(t *testing.T) {
	for priority := task.MinPriority; priority <= task.MaxPriority; priority++ {
		require.NoError(t, task.ValidatePriority(priority))
	}
	for _, priority := range []int{-1, 0, 11} {
		require.EqualError(t, task.ValidatePriority(priority), fmt.Sprintf("priority must be from 1 (lowest) to 10 (highest), is %d", priority))
	}
}

func TestRequestValidate(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		change func(*task.Request)
		field  string // empty: it is allowed
	}{
		"least":                     {func(*task.Request) {}, ""},
		"bad name":                  {func(r *task.Request) { r.Name = "No Name" }, "name"},
		"priority 1":                {func(r *task.Request) { r.Priority = 1 }, ""},
		"priority -1":               {func(r *task.Request) { r.Priority = -1 }, "priority"},
		"priority 11":               {func(r *task.Request) { r.Priority = 11 }, "priority"},
		"args most":                 {func(r *task.Request) { r.Args = make([]byte, task.MaxArgsBytes) }, ""},
		"args above":                {func(r *task.Request) { r.Args = make([]byte, task.MaxArgsBytes+1) }, "args"},
		"delay":                     {func(r *task.Request) { r.Delay = time.Second }, ""},
		"delay negative":            {func(r *task.Request) { r.Delay = -1 }, "delay"},
		"delay most":                {func(r *task.Request) { r.Delay = task.MaxEnqueueDelay }, ""},
		"delay above":               {func(r *task.Request) { r.Delay = task.MaxEnqueueDelay + 1 }, "delay"},
		"run_at":                    {func(r *task.Request) { r.RunAt = soon }, ""},
		"run_at long ago":           {func(r *task.Request) { r.RunAt = time.Unix(0, 0) }, ""},
		"run_at too far":            {func(r *task.Request) { r.RunAt = time.Now().Add(task.MaxEnqueueDelay + time.Hour) }, "run_at"},
		"run_at at the end of time": {func(r *task.Request) { r.RunAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, "run_at"},
		"delay and run_at":          {func(r *task.Request) { r.Delay, r.RunAt = 1, soon }, "run_at"},
		"timeout least":             {func(r *task.Request) { r.Timeout = time.Millisecond }, ""},
		"timeout too short":         {func(r *task.Request) { r.Timeout = 1 }, "timeout"},
		"timeout negative":          {func(r *task.Request) { r.Timeout = -time.Second }, "timeout"},
		"timeout most":              {func(r *task.Request) { r.Timeout = task.MaxTimeout }, ""},
		"timeout above":             {func(r *task.Request) { r.Timeout = task.MaxTimeout + 1 }, "timeout"},
		"key most":                  {func(r *task.Request) { r.IdempotencyKey = strings.Repeat("k", 256) }, ""},
		"key above":                 {func(r *task.Request) { r.IdempotencyKey = strings.Repeat("k", 257) }, "idempotency_key"},
		"key TTL":                   {func(r *task.Request) { r.IdempotencyKey, r.IdempotencyTTL = "k", time.Hour }, ""},
		"key TTL without key":       {func(r *task.Request) { r.IdempotencyTTL = time.Hour }, "idempotency_ttl"},
		"key TTL negative":          {func(r *task.Request) { r.IdempotencyKey, r.IdempotencyTTL = "k", -1 }, "idempotency_ttl"},
		"expires":                   {func(r *task.Request) { r.ExpiresAfter = time.Second }, ""},
		"expires negative":          {func(r *task.Request) { r.ExpiresAfter = -1 }, "expires_after"},
		"unique":                    {func(r *task.Request) { r.Unique = task.UniqueArgs }, ""},
		"not unique":                {func(r *task.Request) { r.Unique = task.NotUnique }, ""},
		"unique of no kind":         {func(r *task.Request) { r.Unique = "yes" }, "unique"},
		"version":                   {func(r *task.Request) { r.Version = 3 }, ""},
		"version negative":          {func(r *task.Request) { r.Version = -1 }, "version"},
		"args_type above":           {func(r *task.Request) { r.ArgsType = strings.Repeat("k", 257) }, "args_type"},
		"tags most":                 {func(r *task.Request) { r.Tags = manyTags(32) }, ""},
		"tags above":                {func(r *task.Request) { r.Tags = manyTags(33) }, "tags"},
		"tag without key":           {func(r *task.Request) { r.Tags = map[string]string{"": "v"} }, "tags"},
		"tag without value":         {func(r *task.Request) { r.Tags = map[string]string{"k": ""} }, ""},
		"tag key above":             {func(r *task.Request) { r.Tags = map[string]string{strings.Repeat("k", 257): "v"} }, "tags"},
		"tag value above":           {func(r *task.Request) { r.Tags = map[string]string{"k": strings.Repeat("v", 257)} }, "tags"},
		"tag key with NUL":          {func(r *task.Request) { r.Tags = map[string]string{"k\x00": "v"} }, "tags"},
		"tag value with NUL":        {func(r *task.Request) { r.Tags = map[string]string{"k": "\x00v"} }, "tags"},
	} {
		t.Run(name, func(t *testing.T) {
			request := task.Request{Name: "thumbs.resize"}
			test.change(&request)
			requireField(t, request.Validate(), test.field)
		})
	}
}

func manyTags(n int) map[string]string {
	tags := make(map[string]string, n)
	for i := range n {
		tags[fmt.Sprintf("key-%d", i)] = "value"
	}
	return tags
}

func TestArgsTooLargeAreToldApart(t *testing.T) {
	request := task.Request{Name: "a", Args: make([]byte, task.MaxArgsBytes+1)}
	var invalid *task.InvalidError
	require.ErrorAs(t, request.Validate(), &invalid)
	require.True(t, invalid.TooLarge)
	require.EqualError(t, invalid, "args are 16777217 bytes, at most 16777216 are allowed: pass a reference to large data instead of the data")

	request = task.Request{Name: "A"}
	require.ErrorAs(t, request.Validate(), &invalid)
	require.False(t, invalid.TooLarge)
}
