// Draws randomness when it is initialised (token), and in an attempt (entropy).
#include <unistd.h>

#include "taskhost.h"

static uint64_t token;

static uint64_t draw(void) {
	uint64_t n;
	if (getentropy(&n, sizeof n) != 0) abort();
	return n;
}

__attribute__((constructor)) static void init(void) { token = draw(); }

static int done(uint64_t n) {
	taskhost_text t = {0};
	taskhost_put(&t, "\"");
	for (int shift = 60; shift >= 0; shift -= 4) taskhost_put_bytes(&t, &"0123456789abcdef"[n >> shift & 15], 1);
	taskhost_put(&t, "\"");
	return taskhost_done(t.data, t.len, NULL);
}

static int tell(void) { return done(token); }
static int entropy(void) { return done(draw()); }

TASKHOST_GUEST({.name = "token", .run = tell}, {.name = "entropy", .run = entropy})
