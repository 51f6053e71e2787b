/*
 * taskhost.h: tasks in C. It is all of the SDK: include it in one file of a guest.
 *
 *	#include "taskhost.h"
 *
 *	static int shout(void) {
 *		taskhost_bytes in = taskhost_input();
 *		...
 *		return taskhost_done(in.data, in.len, "text/plain");
 *	}
 *
 *	TASKHOST_GUEST({.name = "text.shout", .run = shout, .options = {.retries = 3}})
 *
 *	clang -O2 --target=wasm32-wasi -mexec-model=reactor -Wl,--stack-first,--strip-debug \
 *		-I guest-sdk/c -o shout.wasm shout.c
 *
 * Each attempt starts from the state that the guest has after its constructors, so
 * nothing has to be freed. docs/abi.md is the contract that is wrapped here.
 */
#ifndef TASKHOST_H
#define TASKHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- Declaring tasks ---- */

/* 0 and false mean the host's default. */
typedef struct {
	int32_t retries;      /* how many attempts may follow the first */
	int64_t delay_ms;     /* the wait before the first retry */
	double backoff;       /* multiplies the wait, to 6 decimal places */
	int64_t max_delay_ms; /* the longest wait */
	int32_t priority;     /* 1 (lowest) to 10 (highest) */
	int64_t timeout_ms;   /* bounds one attempt */
	bool requeue_on_interrupt;
	int64_t memory_bytes; /* bounds the guest's memory */
} taskhost_options;

typedef struct {
	const char *name;        /* what is enqueued, such as "text.shout" */
	const char *description; /* a sentence, or NULL */
	const char *args;        /* a JSON Schema for the arguments, or NULL */
	int (*run)(void);        /* ends with one of the functions below */
	taskhost_options options;
} taskhost_definition;

/* Declares the tasks of a guest. It stands once in a guest, outside of functions. */
#define TASKHOST_GUEST(...)                                                             \
	static const taskhost_definition taskhost_definitions[] = {__VA_ARGS__};        \
	enum { taskhost_count = sizeof taskhost_definitions / sizeof *taskhost_definitions }; \
	__attribute__((export_name("taskhost_describe"))) void taskhost_describe(void) { \
		taskhost_manifest(taskhost_definitions, taskhost_count);                \
	}                                                                               \
	__attribute__((export_name("taskhost_run"))) int32_t taskhost_run(uint32_t index) { \
		return index < taskhost_count ? taskhost_definitions[index].run()       \
					      : taskhost_fail_permanent("there is no such definition"); \
	}

/* ---- The host's functions, as they are ---- */

#define TASKHOST_IMPORT(name) __attribute__((import_module("taskhost_v1"), import_name(#name)))
TASKHOST_IMPORT(value_len) int32_t taskhost_v1_value_len(uint32_t key);
TASKHOST_IMPORT(value_read) int32_t taskhost_v1_value_read(uint32_t key, void *ptr, uint32_t cap);
TASKHOST_IMPORT(number) int64_t taskhost_v1_number(uint32_t key);
TASKHOST_IMPORT(output)
void taskhost_v1_output(const void *ptr, uint32_t len, const void *type, uint32_t type_len);
TASKHOST_IMPORT(fail)
void taskhost_v1_fail(uint32_t kind, const void *message, uint32_t message_len, const void *trace, uint32_t trace_len);
TASKHOST_IMPORT(log)
void taskhost_v1_log(uint32_t level, const void *message, uint32_t message_len, const void *fields, uint32_t fields_len);

/* ---- What a task is told ---- */

enum taskhost_value_key { TASKHOST_INPUT, TASKHOST_INPUT_TYPE, TASKHOST_TASK_ID, TASKHOST_TASK_NAME, TASKHOST_TAGS };
enum taskhost_number_key { TASKHOST_ATTEMPT, TASKHOST_MAX_ATTEMPTS, TASKHOST_DEADLINE };

/* Bytes with a NUL after them, which does not count. data is NULL where the host
 * does not know the value, or memory has run out. */
typedef struct {
	char *data;
	size_t len;
} taskhost_bytes;

/* A value, in memory that is the caller's. Tags are key, NUL, value, NUL, and so on. */
static inline taskhost_bytes taskhost_value(uint32_t key) {
	int32_t len = taskhost_v1_value_len(key);
	char *data = len < 0 ? NULL : malloc((size_t)len + 1);
	if (data == NULL) return (taskhost_bytes){NULL, 0};
	taskhost_v1_value_read(key, data, (uint32_t)len);
	data[len] = 0;
	return (taskhost_bytes){data, (size_t)len};
}

static inline taskhost_bytes taskhost_input(void) { return taskhost_value(TASKHOST_INPUT); }
/* Which attempt this is, from 0. */
static inline int64_t taskhost_attempt(void) { return taskhost_v1_number(TASKHOST_ATTEMPT); }
static inline int64_t taskhost_max_attempts(void) { return taskhost_v1_number(TASKHOST_MAX_ATTEMPTS); }
/* When the attempt will be stopped, in milliseconds since 1970. */
static inline int64_t taskhost_deadline(void) { return taskhost_v1_number(TASKHOST_DEADLINE); }

/* ---- Logging ---- */

enum taskhost_level { TASKHOST_DEBUG, TASKHOST_INFO, TASKHOST_WARN, TASKHOST_ERROR };

/* fields is a JSON object, or NULL. */
static inline void taskhost_log(enum taskhost_level level, const char *message, const char *fields) {
	taskhost_v1_log(level, message, (uint32_t)strlen(message), fields, fields ? (uint32_t)strlen(fields) : 0);
}

/* ---- How a task ends: a run function returns what one of these returns ---- */

/* Success. type is a content type, or NULL for JSON. */
static inline int taskhost_done(const void *data, size_t len, const char *type) {
	taskhost_v1_output(data, (uint32_t)len, type, type ? (uint32_t)strlen(type) : 0);
	return 0;
}

static inline int taskhost_failed(uint32_t kind, const char *message, const char *trace) {
	taskhost_v1_fail(kind, message, (uint32_t)strlen(message), trace, (uint32_t)strlen(trace));
	return 1;
}

#define TASKHOST_QUOTED(x) #x
#define TASKHOST_LINE(x) TASKHOST_QUOTED(x)
/* Failure. Another attempt may succeed, or none would. Both tell the line. */
#define taskhost_fail(message) taskhost_failed(0, message, __FILE__ ":" TASKHOST_LINE(__LINE__))
#define taskhost_fail_permanent(message) taskhost_failed(1, message, __FILE__ ":" TASKHOST_LINE(__LINE__))

/* ---- JSON ---- */

/* Text that grows. All zero is empty. */
typedef struct {
	char *data;
	size_t len, cap;
} taskhost_text;

static inline void taskhost_put_bytes(taskhost_text *t, const void *data, size_t len) {
	if (len > t->cap - t->len) {
		t->cap = 2 * t->cap + len + 64;
		t->data = realloc(t->data, t->cap);
		if (t->data == NULL) abort(); /* the attempt fails, and says where */
	}
	if (len > 0) memcpy(t->data + t->len, data, len);
	t->len += len;
}

static inline void taskhost_put(taskhost_text *t, const char *text) { taskhost_put_bytes(t, text, strlen(text)); }

static inline void taskhost_put_int(taskhost_text *t, int64_t n) {
	char digits[20];
	size_t at = sizeof digits;
	uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;
	do digits[--at] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (n < 0) digits[--at] = '-';
	taskhost_put_bytes(t, digits + at, sizeof digits - at);
}

/* Puts text as a JSON string, with its quotes. */
static inline void taskhost_put_string(taskhost_text *t, const char *text, size_t len) {
	taskhost_put(t, "\"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		char escape[6] = {'\\', 'u', '0', '0', (char)('0' + (c >> 4)), "0123456789abcdef"[c & 15]};
		if (c == '"' || c == '\\') taskhost_put(t, "\\");
		taskhost_put_bytes(t, c < ' ' ? escape : (const char *)&text[i], c < ' ' ? sizeof escape : 1);
	}
	taskhost_put(t, "\"");
}

static inline int32_t taskhost_hex4(const char *s) {
	int32_t n = 0;
	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef0123456789ABCDEF", *at = s[i] ? strchr(digits, s[i]) : NULL;
		if (at == NULL) return -1;
		n = n << 4 | (int32_t)((at - digits) & 15);
	}
	return n;
}

static inline void taskhost_put_rune(taskhost_text *t, uint32_t r) {
	char b[4] = {(char)(0xf0 | r >> 18), (char)(0x80 | (r >> 12 & 63)), (char)(0x80 | (r >> 6 & 63)), (char)(0x80 | (r & 63))};
	size_t from = r < 0x80 ? 3 : r < 0x800 ? 2 : r < 0x10000 ? 1 : 0;
	if (from > 0) b[from] = (char)(from == 3 ? r : from == 2 ? 0xc0 | r >> 6 : 0xe0 | r >> 12);
	taskhost_put_bytes(t, b + from, 4 - from);
}

/* Reads JSON that is one string, such as arguments whose schema is
 * {"type":"string"}. The result's data is NULL where the JSON is anything else. */
static inline taskhost_bytes taskhost_string(taskhost_bytes json) {
	const taskhost_bytes none = {NULL, 0};
	const char *p = json.data, *space = " \t\r\n";
	taskhost_text out = {0};
	if (p == NULL) return none;
	p += strspn(p, space);
	if (*p++ != '"') return none;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < ' ') return none; /* the end, too */
		if (*p != '\\') {
			taskhost_put_bytes(&out, p, 1);
			continue;
		}
		const char *names = "\"\\/bfnrt", *values = "\"\\/\b\f\n\r\t", *name = *++p ? strchr(names, *p) : NULL;
		if (name != NULL) {
			taskhost_put_bytes(&out, values + (name - names), 1);
			continue;
		}
		int32_t rune = *p == 'u' ? taskhost_hex4(p + 1) : -1;
		if (rune < 0) return none;
		p += 4;
		if (rune >= 0xd800 && rune < 0xe000) {
			int32_t low = rune < 0xdc00 && p[1] == '\\' && p[2] == 'u' ? taskhost_hex4(p + 3) : -1;
			bool pair = low >= 0xdc00 && low < 0xe000;
			rune = pair ? 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
			if (pair) p += 6;
		}
		taskhost_put_rune(&out, (uint32_t)rune);
	}
	p++;
	if (p + strspn(p, space) != json.data + json.len) return none;
	size_t len = out.len;
	taskhost_put_bytes(&out, "", 1);
	return (taskhost_bytes){out.data, len};
}

/* ---- The manifest ---- */

static inline void taskhost_put_option(taskhost_text *t, const char *name, int64_t n) {
	if (n == 0) return;
	if (t->data[t->len - 1] != '{') taskhost_put(t, ",");
	taskhost_put_string(t, name, strlen(name));
	taskhost_put(t, ":");
	taskhost_put_int(t, n);
}

static inline void taskhost_put_options(taskhost_text *t, const taskhost_options *o) {
	taskhost_put(t, ",\"options\":{");
	taskhost_put_option(t, "retries", o->retries);
	taskhost_put_option(t, "delay_ms", o->delay_ms);
	int64_t millionths = (int64_t)(o->backoff * 1e6 + 0.5);
	if (millionths != 0) {
		char digits[] = ".000000";
		for (int i = 6, rest = (int)(millionths % 1000000); i > 0; i--, rest /= 10) digits[i] = (char)('0' + rest % 10);
		taskhost_put(t, t->data[t->len - 1] == '{' ? "\"backoff\":" : ",\"backoff\":");
		taskhost_put_int(t, millionths / 1000000);
		taskhost_put(t, digits);
	}
	taskhost_put_option(t, "max_delay_ms", o->max_delay_ms);
	taskhost_put_option(t, "priority", o->priority);
	taskhost_put_option(t, "timeout_ms", o->timeout_ms);
	if (o->requeue_on_interrupt)
		taskhost_put(t, t->data[t->len - 1] == '{' ? "\"requeue_on_interrupt\":true" : ",\"requeue_on_interrupt\":true");
	taskhost_put_option(t, "memory_bytes", o->memory_bytes);
	taskhost_put(t, "}");
}

static inline void taskhost_manifest(const taskhost_definition *definitions, size_t count) {
	taskhost_text t = {0};
	for (size_t i = 0; i < count; i++) {
		const taskhost_definition *d = &definitions[i];
		taskhost_put(&t, i == 0 ? "{\"sdk\":\"c/1\",\"definitions\":[{\"name\":" : ",{\"name\":");
		taskhost_put_string(&t, d->name, strlen(d->name));
		if (d->description) {
			taskhost_put(&t, ",\"description\":");
			taskhost_put_string(&t, d->description, strlen(d->description));
		}
		if (d->args) {
			taskhost_put(&t, ",\"args\":");
			taskhost_put(&t, d->args);
		}
		taskhost_put_options(&t, &d->options);
		taskhost_put(&t, "}");
	}
	taskhost_put(&t, "]}");
	taskhost_v1_output(t.data, (uint32_t)t.len, NULL, 0);
}

#endif
