// The work of ../work in C, with the same names and results.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(#name))) int64_t name(int32_t n)

EXPORT(sieve) {
	uint8_t *composite = calloc((size_t)n + 1, 1);
	int64_t count = 0;
	for (int32_t i = 2; i <= n; i++) {
		if (composite[i]) continue;
		count++;
		for (int64_t j = (int64_t)i * i; j <= n; j += i) composite[j] = 1;
	}
	free(composite);
	return count;
}

static const uint32_t primes[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turn(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void compress(uint32_t state[8], const uint8_t *block) {
	uint32_t w[64], s[8];
	for (int i = 0; i < 16; i++) {
		memcpy(&w[i], block + 4 * i, 4);
		w[i] = __builtin_bswap32(w[i]);
	}
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];
		w[i] = w[i - 16] + w[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
	}
	memcpy(s, state, sizeof s);
	for (int i = 0; i < 64; i++) {
		uint32_t a = s[0], e = s[4];
		uint32_t one = s[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + primes[i] + w[i];
		uint32_t two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
		memmove(s + 1, s, 7 * sizeof *s);
		s[4] += one;
		s[0] = one + two;
	}
	for (int i = 0; i < 8; i++) state[i] += s[i];
}

EXPORT(sha) {
	static uint8_t block[1024 + 64];
	memset(block, 0, sizeof block);
	block[1024] = 0x80; // and the length, 8192 bits, ends the last block
	block[1024 + 62] = 0x20;
	for (; n > 0; n--) {
		uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
		for (size_t i = 0; i < sizeof block; i += 64) compress(state, block + i);
		for (int i = 0; i < 8; i++) state[i] = __builtin_bswap32(state[i]);
		memcpy(block, state, sizeof state);
	}
	uint32_t first;
	memcpy(&first, block, sizeof first);
	return first;
}

static int compare(const void *a, const void *b) {
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

EXPORT(sorted) {
	uint32_t *values = malloc((size_t)n * sizeof *values), state = 1;
	for (int32_t i = 0; i < n; i++) values[i] = state = state * 1664525 + 1013904223;
	qsort(values, (size_t)n, sizeof *values, compare);
	int64_t middle = values[n / 2];
	free(values);
	return middle;
}

EXPORT(fibonacci) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

EXPORT(matrix) {
	size_t size = (size_t)n, all = size * size;
	double *a = malloc(all * sizeof *a), *b = malloc(all * sizeof *b), *c = calloc(all, sizeof *c), total = 0;
	for (size_t i = 0; i < all; i++) a[i] = (double)(i % 7), b[i] = (double)(i % 5);
	for (size_t i = 0; i < size; i++)
		for (size_t k = 0; k < size; k++)
			for (size_t j = 0; j < size; j++) c[i * size + j] += a[i * size + k] * b[k * size + j];
	for (size_t i = 0; i < all; i++) total += c[i];
	free(a), free(b), free(c);
	return (int64_t)total;
}
