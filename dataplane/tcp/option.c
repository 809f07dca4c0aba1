// SPDX-License-Identifier: BSD-2-Clause
// TCP options: read with any alignment and any nonsense (RFC 9293 3.2, MUST-4 to 7, 64, 68), written
// padded with no-operations.

#include "tcp/private.h"

#include <string.h>

enum {
	KIND_END,
	KIND_NOP,
	KIND_MSS,
	KIND_WSCALE,
	KIND_SACK_OK,
	KIND_SACK,
	KIND_TS = 8
};

#define MSS_SIZE     4u
#define WSCALE_SIZE  3u
#define SACK_OK_SIZE 2u
#define TS_SIZE      10u
#define SACK_EACH    8u

static uint32_t read_32(const uint8_t *at)
{
	uint32_t be;

	memcpy(&be, at, sizeof(be));
	return rte_be_to_cpu_32(be);
}

static uint8_t *write_32(uint8_t *at, uint32_t value)
{
	const uint32_t be = rte_cpu_to_be_32(value);

	memcpy(at, &be, sizeof(be));
	return at + sizeof(be);
}

static void read_sacks(struct tcp_segment *s, const uint8_t *at, unsigned length)
{
	for (unsigned i = 0; i < length / SACK_EACH && i < TCP_SACKS; i++)
		s->sacks[s->n_sacks++] = (struct tcp_range){
			read_32(at + i * SACK_EACH), read_32(at + i * SACK_EACH + 4)};
}

// One option that has a length. One with a length that is not its kind's is ignored. Those of the
// handshake mean nothing elsewhere (RFC 7323 2.2, RFC 9293 MUST-65).
static void read_one(struct tcp_segment *s, const uint8_t *at, unsigned length)
{
	const bool syn = s->flags & TCP_SYN;

	if (at[0] == KIND_MSS && length == MSS_SIZE && syn) {
		s->mss = (uint16_t)(at[2] << 8 | at[3]);
	} else if (at[0] == KIND_WSCALE && length == WSCALE_SIZE && syn) {
		// RFC 7323 2.3: above 14 means 14.
		s->wscale = at[2] > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : at[2];
	} else if (at[0] == KIND_SACK_OK && length == SACK_OK_SIZE && syn) {
		s->sack_ok = true;
	} else if (at[0] == KIND_SACK && length >= 2 + SACK_EACH && (length - 2) % SACK_EACH == 0 &&
		   s->n_sacks == 0) {
		read_sacks(s, at + 2, length - 2);
	} else if (at[0] == KIND_TS && length == TS_SIZE) {
		s->has_ts = true;
		s->ts_value = read_32(at + 2);
		s->ts_echo = read_32(at + 6);
	}
}

bool tcp_options_read(struct tcp_segment *s, const uint8_t *at, unsigned length)
{
	s->wscale = TCP_NO_WSCALE;
	while (length > 0 && at[0] != KIND_END) {
		unsigned size = 1;

		if (at[0] != KIND_NOP) {
			if (length < 2 || at[1] < 2 || at[1] > length)
				return false;
			size = at[1];
			read_one(s, at, size);
		}
		at += size;
		length -= size;
	}
	return true;
}

unsigned tcp_options_length(const struct tcp_out *o)
{
	unsigned n = 0;

	if (o->mss != 0)
		n += MSS_SIZE;
	if (o->wscale != TCP_NO_WSCALE)
		n += 1 + WSCALE_SIZE;
	if (o->has_ts)
		n += (o->sack_ok ? 0 : 2) + TS_SIZE;
	if (o->sack_ok)
		n += SACK_OK_SIZE + (o->has_ts ? 0 : 2);
	if (o->n_sacks > 0)
		n += 2 + 2 + o->n_sacks * SACK_EACH;
	return n;
}

unsigned tcp_options_write(const struct tcp_out *o, uint8_t *at)
{
	const uint8_t *start = at;

	if (o->mss != 0) {
		*at++ = KIND_MSS;
		*at++ = MSS_SIZE;
		*at++ = (uint8_t)(o->mss >> 8);
		*at++ = (uint8_t)o->mss;
	}
	// SACK-permitted stands where a timestamp needs two bytes of padding anyway.
	if (o->has_ts != o->sack_ok) {
		*at++ = KIND_NOP;
		*at++ = KIND_NOP;
	}
	if (o->sack_ok) {
		*at++ = KIND_SACK_OK;
		*at++ = SACK_OK_SIZE;
	}
	if (o->has_ts) {
		*at++ = KIND_TS;
		*at++ = TS_SIZE;
		at = write_32(at, o->ts_value);
		at = write_32(at, o->ts_echo);
	}
	if (o->wscale != TCP_NO_WSCALE) {
		*at++ = KIND_NOP;
		*at++ = KIND_WSCALE;
		*at++ = WSCALE_SIZE;
		*at++ = o->wscale;
	}
	if (o->n_sacks > 0) {
		*at++ = KIND_NOP;
		*at++ = KIND_NOP;
		*at++ = KIND_SACK;
		*at++ = (uint8_t)(2 + o->n_sacks * SACK_EACH);
		for (unsigned i = 0; i < o->n_sacks; i++) {
			at = write_32(at, o->sacks[i].start);
			at = write_32(at, o->sacks[i].end);
		}
	}
	return (unsigned)(at - start);
}
