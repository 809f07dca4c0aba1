// SPDX-License-Identifier: BSD-2-Clause
// The instance: its memory, its turn.

#include "tcp/private.h"

#include <string.h>

// Wheels tick every 1024 microseconds.
#define TICK_SHIFT 10

// Connections that want room, looked at in a turn.
#define ROOM_LOOKS 64

static const char *const reasons[TCP_REASON_COUNT] = {
#define X(name, text) [TCP_REASON_##name] = (text),
	TCP_REASONS(X)
#undef X
};

const char *tcp_reason_text(enum tcp_reason reason)
{
	return reasons[reason];
}

const char *tcp_counter_name(enum tcp_counter c)
{
	return postern_counter_name((enum postern_counter)(POSTERN_COUNTER_TCP_SEGMENTS_IN + c));
}

bool tcp_has(const struct tcp *t, const struct ip_tuple *tuple)
{
	const struct tcp_key key = {.local = tuple->dst,
		.remote = tuple->src,
		.lport = tuple->dport,
		.rport = tuple->sport};
	const uint32_t hash = tcp_table_hash(t, &key);

	return tcp_table_find(&t->conns, &key, hash) != NULL ||
	       tcp_table_find(&t->halves, &key, hash) != NULL ||
	       tcp_table_find(&t->waits, &key, hash) != NULL;
}

bool tcp_wants(const struct tcp *t, const struct ip_packet *p)
{
	struct ip_tuple tuple = p->tuple;
	uint16_t ports[2];

	if (p->l4_length < sizeof(ports) || p->l4 + sizeof(ports) > p->m->data_len)
		return false;
	memcpy(ports, rte_pktmbuf_mtod_offset(p->m, const void *, p->l4), sizeof(ports));
	tuple.sport = ports[0];
	tuple.dport = ports[1];
	const struct tcp_key key = {.local = tuple.dst, .lport = tuple.dport};

	return tcp_listener_find(t, &key) != NULL || tcp_has(t, &tuple);
}

struct tcp_settings tcp_settings_default(void)
{
	return (struct tcp_settings){
		.receive_buffer = 128 << 10,
		.send_buffer = 128 << 10,
		.rto_min = 200,
		.rto_max = 60000,
		.rto_initial = 1000,
		.ack_delay = 40,
		.give_up = 120000,
		.connect_timeout = 180000,
		.syn_ack_timeout = 63000,
		.time_wait = 60000,
		.fin_wait = 60000,
		.zero_window = 300000,
		.keepalive = 0,
		.keepalive_interval = 75000,
		.keepalive_probes = 9,
		// The send buffer in segments of 1 KB fills the half that it may have.
		.connection_buffers = 256,
		.address_buffers = 4096,
		.address_connections = 4096,
		.address_half_open = 256,
		.cookies_from = 1024,
		.port_first = 1024,
		.port_last = UINT16_MAX,
		.timestamps = true,
		.sack = true,
		.window_scale = true,
		.nagle = false,
	};
}

static size_t instance_size(void)
{
	return (sizeof(struct tcp) + 63) & ~(size_t)63;
}

size_t tcp_memory(const struct tcp_setup *s)
{
	return instance_size() + tcp_table_size(s->connections, sizeof(struct tcp_conn)) +
	       tcp_table_size(s->half_open, sizeof(struct tcp_half)) +
	       tcp_table_size(s->time_wait, sizeof(struct tcp_wait)) +
	       tcp_table_size(s->connections + s->half_open, sizeof(struct tcp_peer)) +
	       tcp_table_size(s->listeners, sizeof(struct tcp_listener)) +
	       s->buffers * sizeof(struct tcp_block);
}

// Five keys out of one secret, each by a hash of its number.
static void keys_make(struct tcp *t, const struct tcp_setup *s)
{
	struct base_siphash_key *const keys[] = {
		&t->isn_key, &t->ts_key, &t->cookie_key, &t->random_key};
	uint8_t text[sizeof(s->secret) + 1];

	memcpy(text, s->secret, sizeof(s->secret));
	for (unsigned i = 0; i < RTE_DIM(keys); i++) {
		memcpy(keys[i]->k, s->secret + i * sizeof(keys[i]->k), sizeof(keys[i]->k));
	}
	for (unsigned i = 0; i < BASE_SECRET_SIZE / 8; i++) {
		text[sizeof(s->secret)] = (uint8_t)i;
		const uint64_t word = base_siphash(&t->random_key, text, sizeof(text));

		memcpy(t->table_secret.bytes + i * 8u, &word, sizeof(word));
	}
}

static void blocks_init(struct tcp *t, char *memory, uint32_t n)
{
	t->blocks = (struct tcp_block *)(void *)memory;
	t->n_blocks = n;
	t->free_block = n == 0 ? TCP_NONE : 0;
	for (uint32_t i = 0; i < n; i++)
		t->blocks[i].next = i + 1 < n ? i + 1 : TCP_NONE;
}

struct tcp *tcp_init(void *memory, const struct tcp_setup *s)
{
	struct tcp *t = memory;
	char *at = (char *)memory + instance_size();

	t->now_us = s->now_us;
	t->settings = s->settings;
	t->settings.cookies_from = RTE_MIN(s->settings.cookies_from, s->half_open);
	t->link = s->link;
	t->user = s->user;
	t->pool = s->pool;
	at = tcp_table_init(&t->conns, at, s->connections, sizeof(struct tcp_conn));
	at = tcp_table_init(&t->halves, at, s->half_open, sizeof(struct tcp_half));
	at = tcp_table_init(&t->waits, at, s->time_wait, sizeof(struct tcp_wait));
	at = tcp_table_init(&t->peers, at, s->connections + s->half_open, sizeof(struct tcp_peer));
	at = tcp_table_init(&t->listeners, at, s->listeners, sizeof(struct tcp_listener));
	blocks_init(t, at, s->buffers);
	base_wheel_init(&t->conn_wheel, t->conns.entries + offsetof(struct tcp_entry, timer),
		t->conns.stride, TICK_SHIFT, s->now_us);
	base_wheel_init(&t->half_wheel, t->halves.entries + offsetof(struct tcp_entry, timer),
		t->halves.stride, TICK_SHIFT, s->now_us);
	base_wheel_init(&t->wait_wheel, t->waits.entries + offsetof(struct tcp_entry, timer),
		t->waits.stride, TICK_SHIFT, s->now_us);
	for (unsigned i = 0; i < LISTS; i++)
		t->lists[i].head = t->lists[i].tail = TCP_NONE;
	t->oldest_wait = t->newest_wait = TCP_NONE;
	keys_make(t, s);
	return t;
}

void tcp_fini(struct tcp *t)
{
	for (uint32_t i = 0; i < t->conns.capacity; i++) {
		struct tcp_conn *c = tcp_conn_at(t, i);

		if (c->entry.taken)
			tcp_conn_free(t, c);
	}
	for (uint32_t i = 0; i < t->halves.capacity; i++) {
		struct tcp_half *h = tcp_table_at(&t->halves, i);

		if (h->entry.taken)
			tcp_half_free(t, h);
	}
}

void tcp_time(struct tcp *t, uint64_t now_us)
{
	t->now_us = now_us;
}

void tcp_poll(struct tcp *t, unsigned budget)
{
	unsigned left = budget;
	uint32_t i;

	while ((i = base_wheel_expire(&t->conn_wheel, t->now_us, &left)) != BASE_WHEEL_NONE)
		tcp_timer_fire(t, tcp_conn_at(t, i));
	left = budget;
	while ((i = base_wheel_expire(&t->half_wheel, t->now_us, &left)) != BASE_WHEEL_NONE)
		tcp_half_fire(t, tcp_table_at(&t->halves, i));
	left = budget;
	while ((i = base_wheel_expire(&t->wait_wheel, t->now_us, &left)) != BASE_WHEEL_NONE)
		tcp_wait_free(t, tcp_table_at(&t->waits, i));
}

unsigned tcp_events(struct tcp *t, struct tcp_event *out, unsigned n)
{
	unsigned i = 0;

	while (i < n && t->lists[LIST_READY].head != TCP_NONE) {
		struct tcp_conn *c = tcp_conn_at(t, t->lists[LIST_READY].head);

		tcp_list_remove(t, c, LIST_READY);
		out[i++] = (struct tcp_event){.conn = c, .user = c->user, .what = c->events};
		c->events = 0;
	}
	return i;
}

// Back-pressure ends when a user's bytes have room again, whatever gave it: an acknowledgement, or
// another connection of the same address, or of any.
static void tell_room(struct tcp *t)
{
	for (unsigned i = 0; i < ROOM_LOOKS && t->lists[LIST_ROOM].head != TCP_NONE; i++) {
		struct tcp_conn *c = tcp_conn_at(t, t->lists[LIST_ROOM].head);

		tcp_list_remove(t, c, LIST_ROOM);
		if (c->tx_bytes < t->settings.send_buffer && tcp_block_may_send(t, c))
			tcp_conn_tell(t, c, TCP_EVENT_WRITABLE);
		else
			tcp_list_add(t, c, LIST_ROOM);
	}
}

void tcp_flush(struct tcp *t)
{
	while (t->lists[LIST_DIRTY].head != TCP_NONE) {
		struct tcp_conn *c = tcp_conn_at(t, t->lists[LIST_DIRTY].head);

		tcp_list_remove(t, c, LIST_DIRTY);
		tcp_block_free_list(t, c, &c->spare);
		c->tail_room = 0;
		if (c->state == TCP_CLOSED) {
			if (c->flags & CONN_RELEASED)
				tcp_conn_free(t, c);
			continue;
		}
		tcp_output(t, c);
	}
	tell_room(t);
}

struct tcp_use tcp_use(const struct tcp *t)
{
	return (struct tcp_use){
		.connections = __atomic_load_n(&t->conns.used, __ATOMIC_RELAXED),
		.half_open = __atomic_load_n(&t->halves.used, __ATOMIC_RELAXED),
		.time_wait = __atomic_load_n(&t->waits.used, __ATOMIC_RELAXED),
		.buffers = __atomic_load_n(&t->used_blocks, __ATOMIC_RELAXED),
		.addresses = __atomic_load_n(&t->peers.used, __ATOMIC_RELAXED),
	};
}

uint64_t tcp_count(const struct tcp *t, enum tcp_counter c)
{
	return base_get(&t->counters[c]);
}
