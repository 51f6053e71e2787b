// Takes the time when it is initialised, and makes numbers from it: two attempts
// have the same ones where they share that state, or begin in the same second.
#include <stdlib.h>
#include <time.h>

#include "taskhost.h"

__attribute__((constructor)) static void init(void) { srand((unsigned)time(NULL)); }

static int numbers(void) {
	taskhost_text t = {0};
	for (int i = 0; i < 3; i++) {
		taskhost_put(&t, i == 0 ? "[" : ",");
		taskhost_put_int(&t, rand());
	}
	taskhost_put(&t, "]");
	return taskhost_done(t.data, t.len, NULL);
}

TASKHOST_GUEST({.name = "rand", .run = numbers})
