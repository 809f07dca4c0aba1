// SPDX-License-Identifier: BSD-2-Clause
// Tables of fixed capacity, found by both ends of a connection. Buckets are twice the entries at
// least, and the hash is keyed, so chains stay short whoever chooses the addresses.

#include "tcp/private.h"

#include <string.h>

static uint32_t buckets_for(uint32_t capacity)
{
	uint32_t n = 16;

	while (n < capacity * 2u)
		n *= 2;
	return n;
}

static size_t aligned(size_t size)
{
	return (size + 63) & ~(size_t)63;
}

size_t tcp_table_size(uint32_t capacity, size_t stride)
{
	return aligned((size_t)capacity * stride) +
	       aligned(buckets_for(capacity) * sizeof(uint32_t));
}

char *tcp_table_init(struct tcp_table *t, char *memory, uint32_t capacity, size_t stride)
{
	const uint32_t n = buckets_for(capacity);

	*t = (struct tcp_table){
		.entries = memory,
		.buckets = (uint32_t *)(void *)(memory + aligned((size_t)capacity * stride)),
		.stride = stride,
		.capacity = capacity,
		.free = capacity == 0 ? TCP_NONE : 0,
		.mask = n - 1,
	};
	for (uint32_t i = 0; i < n; i++)
		t->buckets[i] = TCP_NONE;
	for (uint32_t i = 0; i < capacity; i++) {
		struct tcp_entry *e = tcp_table_at(t, i);

		e->next = i + 1 < capacity ? i + 1 : TCP_NONE;
	}
	return memory + tcp_table_size(capacity, stride);
}

uint32_t tcp_table_hash(const struct tcp *t, const struct tcp_key *key)
{
	return (uint32_t)base_hash_keyed(&t->table_secret, key, TCP_KEY_SIZE);
}

void *tcp_table_find(const struct tcp_table *t, const struct tcp_key *key, uint32_t hash)
{
	for (uint32_t i = t->buckets[hash & t->mask]; i != TCP_NONE;) {
		struct tcp_entry *e = tcp_table_at(t, i);

		if (e->hash == hash && memcmp(&e->key, key, TCP_KEY_SIZE) == 0)
			return e;
		i = e->next;
	}
	return NULL;
}

void *tcp_table_take(struct tcp_table *t)
{
	if (t->free == TCP_NONE)
		return NULL;
	struct tcp_entry *e = tcp_table_at(t, t->free);

	t->free = e->next;
	t->used++;
	memset(e, 0, t->stride);
	e->next = TCP_NONE;
	e->taken = true;
	return e;
}

void tcp_table_link(struct tcp_table *t, struct tcp_entry *e, uint32_t hash)
{
	uint32_t *bucket = &t->buckets[hash & t->mask];

	e->hash = hash;
	e->next = *bucket;
	e->linked = true;
	*bucket = tcp_table_index(t, e);
}

void tcp_table_unlink(struct tcp_table *t, struct tcp_entry *e)
{
	const uint32_t index = tcp_table_index(t, e);
	uint32_t *at = &t->buckets[e->hash & t->mask];

	if (!e->linked)
		return;
	while (*at != index)
		at = &((struct tcp_entry *)tcp_table_at(t, *at))->next;
	*at = e->next;
	e->linked = false;
}

void tcp_table_give(struct tcp_table *t, struct tcp_entry *e)
{
	tcp_table_unlink(t, e);
	e->taken = false;
	e->next = t->free;
	t->free = tcp_table_index(t, e);
	t->used--;
}
