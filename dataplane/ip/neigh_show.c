// SPDX-License-Identifier: BSD-2-Clause
// The neighbour table as others see it: copies for the control thread, and its wish to ask anew.

#include "base/arena.h"
#include "ip/private.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <string.h>

#define FLUSH_PER_TURN 16u // slots looked at; each may be a question to the link

_Static_assert(sizeof(struct ip_flush) % 4 == 0, "as the ring wants its elements");

typedef uint64_t __attribute__((may_alias)) word;

int ip_neigh_copies_init(struct ip_layer *ip)
{
	ip->neigh_copies = base_arena_map(IP_NEIGH_SLOTS * sizeof(*ip->neigh_copies));
	return ip->neigh_copies != NULL ? 0 : -ENOMEM;
}

void ip_neigh_copies_fini(struct ip_layer *ip)
{
	base_arena_unmap(ip->neigh_copies, IP_NEIGH_SLOTS * sizeof(*ip->neigh_copies));
	ip->neigh_copies = NULL;
}

void ip_neigh_show(struct ip_layer *ip, uint16_t slot, const struct ip_neigh_copy *now)
{
	struct ip_neigh_copy *c = &ip->neigh_copies[slot];
	const uint32_t version = c->version;
	const word *from = (const word *)now;
	word *to = (word *)c;

	// The first word is the version, and users, which change by themselves.
	__atomic_store_n(&c->version, version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (unsigned i = 1; i < sizeof(*c) / sizeof(*to); i++)
		__atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
	if (now->state == POSTERN_NEIGHBOUR_NONE)
		ip_neigh_show_users(ip, slot, 0);
	__atomic_store_n(&c->version, version + 2, __ATOMIC_RELEASE);
	if (slot >= ip->neigh_high)
		__atomic_store_n(&ip->neigh_high, slot + 1u, __ATOMIC_RELEASE);
}

uint32_t ip_neigh_high_water(const struct ip_layer *ip)
{
	return __atomic_load_n(&ip->neigh_high, __ATOMIC_ACQUIRE);
}

int ip_neigh_read(
	const struct ip_layer *ip, uint32_t slot, uint64_t now_us, struct postern_neighbour *out)
{
	const struct ip_neigh_copy *c = &ip->neigh_copies[slot];
	const uint32_t version = __atomic_load_n(&c->version, __ATOMIC_ACQUIRE);
	const word *from = (const word *)c;
	struct ip_neigh_copy copy;

	if (version % 2 != 0)
		return -ENOENT;
	for (unsigned i = 0; i < sizeof(copy) / sizeof(*from); i++)
		((word *)&copy)[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&c->version, __ATOMIC_RELAXED) != version ||
		copy.state == POSTERN_NEIGHBOUR_NONE)
		return -ENOENT;
	*out = (struct postern_neighbour){
		.addr = copy.addr,
		.interface = copy.interface,
		.state = copy.state,
		.known = copy.heard_us != 0 && copy.state != POSTERN_NEIGHBOUR_FAILED &&
			 copy.state != POSTERN_NEIGHBOUR_RESOLVING,
		.for_client = copy.for_client,
		// It may have spoken since `now` was read.
		.heard_ms = now_us > copy.heard_us ? (now_us - copy.heard_us) / 1000 : 0,
		.users = copy.users,
	};
	memcpy(out->mac, copy.mac, sizeof(out->mac));
	return 0;
}

static bool is_meant(const struct ip_flush *f, const struct ip_neigh_copy *c)
{
	return c->state != POSTERN_NEIGHBOUR_NONE &&
	       (f->interface == POSTERN_INTERFACE_ANY || f->interface == c->interface) &&
	       (f->all || postern_addr_equal(&f->addr, &c->addr));
}

void ip_neigh_flush_some(struct ip_layer *ip)
{
	if (!ip->flushing) {
		if (ip->flushes == NULL || rte_ring_empty(ip->flushes) ||
			rte_ring_sc_dequeue_elem(ip->flushes, &ip->flush, sizeof(ip->flush)) != 0)
			return;
		ip->flush_at = 0;
		ip->flushing = true;
	}
	for (unsigned i = 0; i < FLUSH_PER_TURN; i++) {
		if (ip->flush_at >= ip->neigh_high) {
			ip->flushing = false;
			return;
		}
		const uint16_t slot = (uint16_t)ip->flush_at++;

		if (is_meant(&ip->flush, &ip->neigh_copies[slot]))
			ip_neigh_doubt(ip, slot);
	}
}
