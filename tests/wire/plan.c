// SPDX-License-Identifier: BSD-2-Clause
// What a seed says about one connection.

#include "wire/plan.h"

#include <stdio.h>
#include <string.h>

// splitmix64
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint32_t plan_draw(uint64_t *state, uint32_t n)
{
	*state = mix(*state);
	return (uint32_t)((*state >> 32) * n >> 32);
}

struct plan plan_of(uint32_t seed)
{
	uint64_t r = seed * 77ull + 1;
	struct plan p = {
		.seed = seed,
		.instance = plan_draw(&r, PLAN_INSTANCES),
		.v6 = plan_draw(&r, 2),
		.engine_opens = plan_draw(&r, 2),
		.urgent = plan_draw(&r, 8) == 0,
		.rough = plan_draw(&r, 4) == 0,
	};

	for (unsigned side = 0; side < 2; side++) {
		p.bytes[side] = plan_draw(&r, plan_draw(&r, 3) == 0 ? 100000 : 3000);
		p.end_at[side] = plan_draw(&r, plan_draw(&r, 2) == 0 ? 50000 : 1000);
	}
	// Otherwise an engine that sends cookies would never hear of the connection.
	p.bytes[PLAN_KERNEL]++;
	if (p.rough) {
		const unsigned who = plan_draw(&r, 3);

		for (unsigned side = 0; side < 2; side++)
			if (who == side || who == 2)
				p.end[side] = plan_draw(&r, 2) == 0 ? PLAN_RESET : PLAN_LEAVE;
	}
	return p;
}

void plan_kernel_address(uint32_t seed, bool v6, uint8_t *out)
{
	static const uint8_t prefix[16] = {0xfd, 0x64};

	if (v6)
		memcpy(out, prefix, sizeof(prefix));
	uint8_t *low = v6 ? out + 12 : out;

	low[0] = v6 ? 0 : 10;
	low[1] = (uint8_t)(64 | seed >> 16);
	low[2] = (uint8_t)(seed >> 8);
	low[3] = (uint8_t)seed;
}

uint32_t plan_seed_of(bool v6, const uint8_t *kernel_address)
{
	const uint8_t *low = v6 ? kernel_address + 12 : kernel_address;

	return (low[1] & 0x3fu) << 16 | (uint32_t)low[2] << 8 | low[3];
}

void plan_engine_address(unsigned instance, bool v6, uint8_t *out)
{
	static const uint8_t v4_first[4] = {10, 0, 0, 1}, v6_first[16] = {0xfd, 0x0a, [15] = 1};

	memcpy(out, v6 ? v6_first : v4_first, v6 ? 16 : 4);
	out[v6 ? 15 : 3] = (uint8_t)(1 + instance);
}

void plan_stream_begin(struct plan_stream *s)
{
	s->n = 0;
	XXH3_64bits_reset(&s->hash);
}

// The bytes of a stream from any place of it on.
static void make(uint32_t seed, enum plan_side side, uint64_t at, uint8_t *out, size_t n)
{
	for (size_t done = 0; done < n;) {
		const uint64_t word = mix(((uint64_t)seed << 33 | (uint64_t)side << 32) + at / 8);
		const size_t skip = at % 8;
		const size_t part = n - done < 8 - skip ? n - done : 8 - skip;

		memcpy(out + done, (const char *)&word + skip, part);
		done += part;
		at += part;
	}
}

void plan_write(struct plan_stream *s, uint32_t seed, enum plan_side side, void *out, size_t n)
{
	make(seed, side, s->n, out, n);
	XXH3_64bits_update(&s->hash, out, n);
	s->n += n;
}

bool plan_read(
	struct plan_stream *s, uint32_t seed, enum plan_side side, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	bool same = true;

	XXH3_64bits_update(&s->hash, bytes, n);
	while (n > 0) {
		uint8_t wanted[512];
		const size_t part = n < sizeof(wanted) ? n : sizeof(wanted);

		make(seed, side, s->n, wanted, part);
		same &= memcmp(at, wanted, part) == 0;
		s->n += part;
		at += part;
		n -= part;
	}
	return same;
}

void plan_report(uint32_t seed, const char *end, bool good, const struct plan_stream *written,
	const struct plan_stream *read)
{
	printf("{\"seed\": %u, \"end\": \"%s\", \"good\": %s, \"wrote\": %llu, \"wrote_hash\": "
	       "\"%016llx\", \"read\": %llu, \"read_hash\": \"%016llx\"}\n",
		seed, end, good ? "true" : "false", (unsigned long long)written->n,
		(unsigned long long)XXH3_64bits_digest(&written->hash), (unsigned long long)read->n,
		(unsigned long long)XXH3_64bits_digest(&read->hash));
}
