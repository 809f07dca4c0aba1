// SPDX-License-Identifier: BSD-2-Clause

#include "bench/load/flood.h"

#include "bench/load/load.h"

#include <arpa/inet.h>
#include <string.h>

#define FIRST   0x14000000u // 20.0.0.0
#define IP_AT   14u
#define TCP_AT  34u
#define TCP_SUM (TCP_AT + 16)
#define TCP_LEN (FLOOD_FRAME - TCP_AT)

// A SYN with segment size, SACK, timestamp and window scale.
static const uint8_t model[FLOOD_FRAME] = {[12] = 8,
	[IP_AT] = 0x45,
	[IP_AT + 3] = FLOOD_FRAME - IP_AT,
	[IP_AT + 8] = 60,
	[IP_AT + 9] = 6,
	[TCP_AT + 12] = 10 << 4,
	[TCP_AT + 13] = 2,
	[TCP_AT + 14] = 0xfa,
	[TCP_AT + 15] = 0xf0,
	[TCP_AT + 20] = 2,
	4,
	5,
	180,
	4,
	2,
	8,
	10,
	0,
	1,
	2,
	3,
	0,
	0,
	0,
	0,
	1,
	3,
	3,
	7};

unsigned flood_due(struct flood *f)
{
	const uint64_t now_ns = load_now_ns();

	f->due += (double)(now_ns - f->last_ns) * f->rate / 1e9;
	f->last_ns = now_ns;
	const unsigned n = f->due > FLOOD_BURST ? FLOOD_BURST : (unsigned)f->due;

	f->due -= n;
	if (f->due > FLOOD_BURST)
		f->due = FLOOD_BURST;
	return n;
}

static uint32_t sum_of(const uint8_t *at, unsigned size)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < size; i += 2) {
		uint16_t word;

		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static void put_sum(uint8_t *at, uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	const uint16_t folded = (uint16_t)~sum;

	memcpy(at, &folded, sizeof(folded));
}

void flood_write(struct flood *f, uint8_t frame[FLOOD_FRAME])
{
	const uint32_t n = f->at++, mixed = n * 2654435761u;
	const uint32_t src = htonl(FIRST + n % f->spread);
	const uint16_t ports[2] = {htons((uint16_t)(1024 + mixed % 60000u)), htons(f->port)};

	memcpy(frame, model, FLOOD_FRAME);
	memcpy(frame, f->to, sizeof(f->to));
	memcpy(frame + 6, f->from, sizeof(f->from));
	memcpy(frame + IP_AT + 12, &src, sizeof(src));
	memcpy(frame + IP_AT + 16, &f->server, sizeof(f->server));
	put_sum(frame + IP_AT + 10, sum_of(frame + IP_AT, TCP_AT - IP_AT));
	memcpy(frame + TCP_AT, ports, sizeof(ports));
	memcpy(frame + TCP_AT + 4, &mixed, sizeof(mixed));
	// Addresses, protocol and length are summed with it.
	put_sum(frame + TCP_SUM, sum_of(frame + IP_AT + 12, 8) + htons(6) + htons(TCP_LEN) +
					 sum_of(frame + TCP_AT, TCP_LEN));
	f->sent++;
}

bool flood_is_answer(const uint8_t *frame)
{
	return frame[12] == 8 && frame[13] == 0 && frame[30] >= FIRST >> 24 &&
	       frame[30] < (FIRST >> 24) + 4;
}
