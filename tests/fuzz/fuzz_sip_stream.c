// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a stream of SIP: read in one piece and in pieces that the bytes themselves choose,
// with the same result; and every good message, sent on, reads as it was meant.

#include "tests/unit/sip_ordinary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Pieces of one byte to 64, from a generator that the input seeds.
static size_t step(void *arg, size_t come)
{
	uint64_t *state = arg;

	(void)come;
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return 1 + (*state >> 33) % 64;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream_events whole, pieces;
	uint64_t state = stream_mix(0, data, size);

	ordinary_check(data, size, &stream_limits);
	stream_read(data, size, stream_all_at_once, NULL, stream_visit_write, &whole);
	stream_read(data, size, step, &state, NULL, &pieces);
	STREAM_CHECK(stream_same(&whole, &pieces));
	return 0;
}
