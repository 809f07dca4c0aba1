// SPDX-License-Identifier: BSD-2-Clause
// Bytes from one connection to the other. Nothing is kept in between: what the one side has no room for
// stays unread on the other, whose window shuts in time.

#include "relay/private.h"

#include <rte_common.h>

#include <string.h>

#define PIECES 32u

static size_t sum(const struct iovec *iov, unsigned n)
{
	size_t all = 0;

	for (unsigned i = 0; i < n; i++)
		all += iov[i].iov_len;
	return all;
}

// Fills the room with so many of the bytes.
static void move(const struct iovec *from, const struct iovec *to, size_t bytes)
{
	size_t from_at = 0, to_at = 0;

	while (bytes > 0) {
		size_t part = RTE_MIN(from->iov_len - from_at, to->iov_len - to_at);

		part = RTE_MIN(part, bytes);
		memcpy((char *)to->iov_base + to_at, (const char *)from->iov_base + from_at, part);
		from_at += part;
		to_at += part;
		bytes -= part;
		if (from_at == from->iov_len) {
			from++;
			from_at = 0;
		}
		if (to_at == to->iov_len) {
			to++;
			to_at = 0;
		}
	}
}

// False: the other side has no room now, and tells when it has.
static bool header_passes(struct relay *r, struct relay_session *s)
{
	struct tcp_conn *to = s->side[RELAY_MEMBER].conn;
	uint8_t header[RELAY_PROXY_MAX];
	struct iovec room[2];

	if (!s->header_wanted)
		return true;
	const unsigned length = relay_proxy_write(s, header);

	if (tcp_reserve(r->tcp, to, length, room, RTE_DIM(room)) < length)
		return false;
	for (size_t i = 0, at = 0; i < RTE_DIM(room) && at < length; i++) {
		const size_t part = RTE_MIN(room[i].iov_len, length - at);

		memcpy(room[i].iov_base, header + at, part);
		at += part;
	}
	tcp_commit(r->tcp, to, length);
	s->header_wanted = false;
	return true;
}

static void count(struct relay *r, struct relay_session *s, unsigned side, size_t bytes)
{
	struct postern_member_stats *m = &r->members[s->member].stats;
	struct postern_listen_stats *l = &r->listens[s->listen].stats;

	base_add(&s->side[side].bytes, bytes);
	base_add(side == RELAY_CLIENT ? &m->bytes_in : &m->bytes_out, bytes);
	base_add(side == RELAY_CLIENT ? &l->bytes_in : &l->bytes_out, bytes);
}

static void pass(struct relay *r, struct relay_session *s, unsigned side)
{
	struct tcp_conn *from = s->side[side].conn;
	struct tcp_conn *to = s->side[!side].conn;
	struct iovec got[PIECES], room[PIECES];

	if (s->side[side].over || (side == RELAY_CLIENT && !header_passes(r, s)))
		return;
	for (;;) {
		const unsigned n = tcp_peek(r->tcp, from, got, RTE_DIM(got));
		const size_t there = sum(got, n);

		if (there == 0)
			break;
		const size_t taken = tcp_reserve(r->tcp, to, there, room, RTE_DIM(room));

		if (taken == 0)
			return;
		move(got, room, taken);
		tcp_commit(r->tcp, to, taken);
		tcp_consume(r->tcp, from, taken);
		count(r, s, side, taken);
		s->last_us = r->now_us;
	}
	if (tcp_is_finished(from)) {
		tcp_shutdown(r->tcp, to);
		s->side[side].over = true;
		s->last_us = r->now_us;
		relay_arm(r, s);
	}
}

void relay_copy(struct relay *r, struct relay_session *s)
{
	pass(r, s, RELAY_CLIENT);
	pass(r, s, RELAY_MEMBER);
	if (s->side[RELAY_CLIENT].over && s->side[RELAY_MEMBER].over)
		relay_end(r, s, POSTERN_COUNTER_CLOSE_FIN);
}
