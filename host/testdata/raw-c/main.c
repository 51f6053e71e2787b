// A guest that does nothing but take its input and give it back, for measuring
// what the host adds to that.
#include "taskhost.h"

static int raw(void) {
	taskhost_bytes in = taskhost_input();
	return taskhost_done(in.data, in.len, NULL);
}

TASKHOST_GUEST({.name = "raw", .run = raw})
