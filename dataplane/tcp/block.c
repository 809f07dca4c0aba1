// SPDX-License-Identifier: BSD-2-Clause
// Packet buffers that connections hold, and the three limits on them. A buffer counts as one, however
// few bytes lie in it: that is what a peer costs that sends one byte at a time.

#include "tcp/private.h"

// Bytes to be sent may fill half of each limit. If they could fill all, two ends that both send much
// would both have no room for what the other sends, and wait for each other for ever.
#define SENDING_PART 2u

// Whom we connect to has many clients' connections; still it may not take what is there for all others.
#define CONNECTED_PART 4u

static uint32_t address_limit(const struct tcp *t, const struct tcp_conn *c)
{
	const uint32_t limit = t->settings.address_buffers;

	return c->flags & CONN_ACCEPTED ? limit : RTE_MAX(limit, t->n_blocks / CONNECTED_PART);
}

static bool is_allowed(
	const struct tcp *t, const struct tcp_conn *c, uint32_t part, enum tcp_counter *reason)
{
	*reason = TCP_COUNTER_DROP_LIMIT_CONNECTION;
	if (c->buffers >= t->settings.connection_buffers / part)
		return false;
	*reason = TCP_COUNTER_DROP_LIMIT_ADDRESS;
	if (tcp_peer_at(t, c->peer)->buffers >= address_limit(t, c) / part)
		return false;
	*reason = TCP_COUNTER_DROP_LIMIT_ALL;
	return t->used_blocks < t->n_blocks / part;
}

bool tcp_block_may_send(const struct tcp *t, const struct tcp_conn *c)
{
	enum tcp_counter reason;

	return is_allowed(t, c, SENDING_PART, &reason);
}

bool tcp_block_may_receive(struct tcp *t, const struct tcp_conn *c, bool counts)
{
	enum tcp_counter reason;

	if (is_allowed(t, c, 1, &reason))
		return true;
	if (counts)
		base_add(&t->counters[reason], 1);
	return false;
}

uint32_t tcp_block_new(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	const uint32_t i = t->free_block;

	if (i == TCP_NONE)
		return TCP_NONE;
	struct tcp_block *b = &t->blocks[i];

	t->free_block = b->next;
	t->used_blocks++;
	c->buffers++;
	tcp_peer_at(t, c->peer)->buffers++;
	*b = (struct tcp_block){.m = m, .next = TCP_NONE};
	return i;
}

void tcp_block_free(struct tcp *t, struct tcp_conn *c, uint32_t i)
{
	struct tcp_block *b = &t->blocks[i];

	rte_pktmbuf_free(b->m);
	b->m = NULL;
	b->next = t->free_block;
	t->free_block = i;
	t->used_blocks--;
	c->buffers--;
	tcp_peer_at(t, c->peer)->buffers--;
}

uint16_t tcp_block_room(const struct tcp_block *b)
{
	return b->m == NULL ? 0 : (uint16_t)(b->m->buf_len - b->offset - b->length);
}

void tcp_block_free_list(struct tcp *t, struct tcp_conn *c, uint32_t *head)
{
	while (*head != TCP_NONE) {
		const uint32_t i = *head;

		*head = t->blocks[i].next;
		tcp_block_free(t, c, i);
	}
}
