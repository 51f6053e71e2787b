// A guest that uses all of taskhost.h. Its siblings in other languages do the same,
// and one test is held against all of them.
#include <assert.h>

#include "taskhost.h"

static int echo(void) {
	taskhost_bytes in = taskhost_input();
	return taskhost_done(in.data, in.len, taskhost_value(TASKHOST_INPUT_TYPE).data);
}

static void put_value(taskhost_text *t, const char *name, uint32_t key) {
	taskhost_bytes value = taskhost_value(key);
	taskhost_put(t, name);
	taskhost_put_string(t, value.data, value.len);
}

static void put_number(taskhost_text *t, const char *name, int64_t n) {
	taskhost_put(t, name);
	taskhost_put_int(t, n);
}

static int context(void) {
	taskhost_text t = {0};
	put_value(&t, "{\"type\":", TASKHOST_INPUT_TYPE);
	put_value(&t, ",\"id\":", TASKHOST_TASK_ID);
	put_value(&t, ",\"name\":", TASKHOST_TASK_NAME);
	put_number(&t, ",\"attempt\":", taskhost_attempt());
	put_number(&t, ",\"max_attempts\":", taskhost_max_attempts());
	put_number(&t, ",\"deadline\":", taskhost_deadline());
	taskhost_put(&t, ",\"tags\":{");
	taskhost_bytes tags = taskhost_value(TASKHOST_TAGS);
	for (const char *at = tags.data; at < tags.data + tags.len;) {
		taskhost_put(&t, at == tags.data ? "" : ",");
		taskhost_put_string(&t, at, strlen(at));
		at += strlen(at) + 1;
		taskhost_put(&t, ":");
		taskhost_put_string(&t, at, strlen(at));
		at += strlen(at) + 1;
	}
	taskhost_put(&t, "},\"unknown\":");
	taskhost_put(&t, taskhost_value(99).data == NULL && taskhost_v1_number(99) == -1 ? "true}" : "false}");
	return taskhost_done(t.data, t.len, NULL);
}

static int logs(void) {
	taskhost_log(TASKHOST_DEBUG, "at debug", NULL);
	taskhost_log(TASKHOST_INFO, "at info", "{\"n\":1}");
	taskhost_log(TASKHOST_WARN, "at warn", NULL);
	taskhost_log(TASKHOST_ERROR, "ät error", NULL);
	return taskhost_done(NULL, 0, NULL);
}

static int string(void) {
	taskhost_bytes text = taskhost_string(taskhost_input());
	if (text.data == NULL) return taskhost_fail_permanent("the input is no JSON string");
	taskhost_text t = {0};
	taskhost_put_string(&t, text.data, text.len);
	return taskhost_done(t.data, t.len, NULL);
}

static int failing(void) { return taskhost_fail(taskhost_input().data); }
static int permanent(void) { return taskhost_fail_permanent(taskhost_input().data); }

static int panics(void) {
	assert(taskhost_input().len == 0);
	return taskhost_done(NULL, 0, NULL);
}

static int down(int n) {
	if (n == 0) return 0;
	int rest = down(n - 1);
	__asm__ volatile("" : "+r"(rest)); // or the compiler makes a loop of it
	return rest + 1;
}

static int deep(void) {
	taskhost_text t = {0};
	taskhost_put_int(&t, down(atoi(taskhost_input().data)));
	return taskhost_done(t.data, t.len, NULL);
}

TASKHOST_GUEST(
	{.name = "echo", .run = echo},
	{
		.name = "context",
		.description = "Says \"all\" that it is told.",
		.args = "{\"type\":\"object\"}",
		.run = context,
		.options = {
			.retries = 3,
			.delay_ms = 1500,
			.backoff = 1.25,
			.max_delay_ms = 60000,
			.priority = 7,
			.timeout_ms = 30000,
			.requeue_on_interrupt = true,
			.memory_bytes = 33554432,
		},
	},
	{.name = "logs", .run = logs},
	{.name = "string", .run = string},
	{.name = "fail", .run = failing},
	{.name = "fail.permanent", .run = permanent},
	{.name = "panic", .run = panics},
	{.name = "deep", .run = deep})
