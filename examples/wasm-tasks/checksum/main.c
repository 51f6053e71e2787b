// checksum is a task in C. bytes.checksum takes bytes as they are, of whatever
// content type, and gives their length and CRC-32, as zip and PNG have it. To see
// here is that what is worth doing once is done when the guest is initialised: each
// attempt starts with the table filled in. By hand, in the folder above examples:
//
//	clang -O2 --target=wasm32-wasi -mexec-model=reactor -Wl,--stack-first,--strip-debug
//		-I guest-sdk/c -o checksum.wasm examples/wasm-tasks/checksum/main.c
//	taskhost run checksum.wasm --args '"some bytes"'
//
// docs/guests.md says what to install for it.
#include "taskhost.h"

static uint32_t table[256];

__attribute__((constructor)) static void fill(void) {
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
		table[i] = crc;
	}
}

static int checksum(void) {
	taskhost_bytes in = taskhost_input();
	if (in.data == NULL) return taskhost_fail("there is not enough memory for the input");
	uint32_t crc = ~0u;
	for (size_t i = 0; i < in.len; i++) crc = crc >> 8 ^ table[(crc ^ (uint8_t)in.data[i]) & 0xff];
	crc = ~crc;
	if (in.len == 0) taskhost_log(TASKHOST_WARN, "there are no bytes", NULL);

	taskhost_text out = {0};
	taskhost_put(&out, "{\"bytes\":");
	taskhost_put_int(&out, (int64_t)in.len);
	taskhost_put(&out, ",\"crc32\":\"");
	for (int shift = 28; shift >= 0; shift -= 4) taskhost_put_bytes(&out, &"0123456789abcdef"[crc >> shift & 15], 1);
	taskhost_put(&out, "\"}");
	return taskhost_done(out.data, out.len, NULL);
}

TASKHOST_GUEST({
	.name = "bytes.checksum",
	.description = "Gives the length and the CRC-32 of its input.",
	.run = checksum,
})
