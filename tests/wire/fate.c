// SPDX-License-Identifier: BSD-2-Clause
// What becomes of a packet on a bad link, by seed.

#include "wire/fate.h"

#include <rte_ether.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define FLOWS   65536u
#define MILLION 1000000u

bool fate_init(struct fate *f, unsigned direction)
{
	*f = (struct fate){
		.salt = (direction + 1) * 0x9e3779b97f4a7c15ull,
		.nth = calloc(FLOWS, sizeof(f->nth[0])),
		.taken = calloc(FLOWS, sizeof(f->taken[0])),
	};
	return f->nth != NULL && f->taken != NULL;
}

void fate_free(struct fate *f)
{
	free(f->nth);
	free(f->taken);
}

// splitmix64
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static uint64_t draw(uint64_t *state)
{
	*state = mix(*state);
	return *state;
}

static bool chance(uint64_t *state, uint32_t parts)
{
	return draw(state) % MILLION < parts;
}

static uint64_t mix_bytes(uint64_t h, const uint8_t *at, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		h = (h ^ at[i]) * 0x100000001b3ull;
	return mix(h);
}

// The ends of what an IP packet belongs to. False for what links need to work at all.
static bool flow_hash(const struct rte_mbuf *m, uint64_t *hash)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const unsigned type = m->data_len < 34 ? 0 : (unsigned)(frame[12] << 8 | frame[13]);
	unsigned l4;
	uint8_t proto;

	if (type == RTE_ETHER_TYPE_IPV4) {
		l4 = RTE_ETHER_HDR_LEN + (frame[14] & 0xfu) * 4u;
		proto = frame[23];
		*hash = mix_bytes(*hash, frame + 26, 8);
	} else if (type == RTE_ETHER_TYPE_IPV6 && m->data_len >= 58) {
		l4 = RTE_ETHER_HDR_LEN + 40;
		proto = frame[20];
		*hash = mix_bytes(*hash, frame + 22, 32);
		if (proto == IPPROTO_ICMPV6 && frame[l4] >= 133 && frame[l4] <= 137)
			return false;
	} else {
		return false;
	}
	if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP) && m->data_len >= l4 + 4)
		*hash = mix_bytes(*hash, frame + l4, 4);
	return true;
}

// A link of that rate sends one packet after the other. False if this one would wait too long.
static bool take_turn(struct fate *f, const struct fate_settings *s, unsigned length,
	uint64_t now_us, uint64_t *wait_us)
{
	*wait_us = 0;
	if (s->rate_mbit == 0)
		return true;
	const uint64_t start = f->free_us > now_us ? f->free_us : now_us;

	if (start - now_us > s->queue_us)
		return false;
	// 24 bytes of preamble, checksum and gap.
	f->free_us = start + ((length + 24) * 8u + s->rate_mbit - 1) / s->rate_mbit;
	*wait_us = f->free_us - now_us;
	return true;
}

static void spoil(struct fate *f, const struct fate_settings *s, struct rte_mbuf *m, uint64_t *r,
	uint32_t share)
{
	const unsigned l3 = RTE_ETHER_HDR_LEN;

	// One bit: what the checksum of TCP always finds.
	if (chance(r, s->corrupt * share / 4)) {
		uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

		frame[l3 + draw(r) % (m->data_len - l3)] ^= (uint8_t)(1u << draw(r) % 8);
		f->counts.corrupted++;
	}
	if (chance(r, s->truncate * share / 4) && m->data_len > l3 + 1u) {
		rte_pktmbuf_trim(m, (uint16_t)(1 + draw(r) % (m->data_len - l3 - 1u)));
		f->counts.truncated++;
	}
}

static uint64_t delay_of(struct fate *f, const struct fate_settings *s, uint64_t *r, uint32_t share,
	uint64_t wait_us)
{
	uint64_t us = wait_us + s->delay_us;

	if (s->jitter_us > 0)
		us += draw(r) % (s->jitter_us * share / 4 + 1u);
	if (chance(r, s->reorder * share / 4)) {
		us += s->late_us;
		f->counts.late++;
	}
	return us;
}

static bool is_lost(
	struct fate *f, const struct fate_settings *s, uint8_t *taken, uint64_t *r, uint32_t share)
{
	if (*taken > 0) {
		--*taken;
	} else if (chance(r, s->loss * share / 4)) {
		if (s->burst > 1)
			*taken = (uint8_t)(s->burst - 1);
	} else {
		return false;
	}
	f->counts.lost++;
	return true;
}

unsigned fate_of(struct fate *f, const struct fate_settings *s, struct rte_mbuf *m, uint64_t now_us,
	uint64_t delay_us[2])
{
	uint64_t hash = mix(s->seed ^ f->salt), wait_us;

	f->counts.in++;
	if (!take_turn(f, s, m->data_len, now_us, &wait_us)) {
		f->counts.full++;
		return 0;
	}
	if (!flow_hash(m, &hash)) {
		delay_us[0] = wait_us + s->delay_us;
		return 1;
	}
	// In quarters: none, one, or all of it.
	static const uint8_t shares[] = {0, 1, 4, 4};
	const uint32_t share = s->vary ? shares[mix(hash) % 4] : 4;
	const unsigned slot = hash % FLOWS;
	uint64_t r = hash + mix(++f->nth[slot]);

	if (is_lost(f, s, &f->taken[slot], &r, share))
		return 0;
	spoil(f, s, m, &r, share);
	delay_us[0] = delay_of(f, s, &r, share, wait_us);
	if (!chance(&r, s->duplicate * share / 4))
		return 1;
	delay_us[1] = delay_of(f, s, &r, share, wait_us);
	f->counts.duplicated++;
	return 2;
}
