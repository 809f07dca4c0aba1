// SPDX-License-Identifier: BSD-2-Clause
// What the control thread reads while the worker writes. Words are read one by one; a generation that is
// odd and the same before and after says that they belong to one session.

#include "relay/private.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias)) word;

static void copy_words(void *to, const void *from, size_t size)
{
	word *t = to;
	const word *f = from;

	for (size_t i = 0; i < size / sizeof(*t); i++)
		t[i] = __atomic_load_n(&f[i], __ATOMIC_RELAXED);
}

_Static_assert(sizeof(struct relay_session) % sizeof(word) == 0, "copied in words");
_Static_assert(sizeof(struct relay_seen) % sizeof(word) == 0, "copied in words");

uint32_t relay_capacity(const struct relay *r)
{
	return r->capacity;
}

uint32_t relay_in_use(const struct relay *r)
{
	return __atomic_load_n(&r->in_use, __ATOMIC_RELAXED);
}

uint32_t relay_high_water(const struct relay *r)
{
	return __atomic_load_n(&r->high_water, __ATOMIC_ACQUIRE);
}

static uint64_t ms_ago(uint64_t now_us, uint64_t then_us)
{
	// It may have happened since `now` was read.
	return now_us > then_us ? (now_us - then_us) / 1000 : 0;
}

static enum postern_session_state state_of(const struct relay_session *s)
{
	if (s->phase != RELAY_COPYING)
		return POSTERN_SESSION_OPENING;
	return s->side[RELAY_CLIENT].over || s->side[RELAY_MEMBER].over
		       ? POSTERN_SESSION_CLOSING
		       : POSTERN_SESSION_ESTABLISHED;
}

static void info_fill(
	const struct relay_session *s, uint64_t now_us, struct postern_relay_info *out)
{
	memset(out, 0, sizeof(*out));
	if (s->side[RELAY_CLIENT].conn != NULL)
		tcp_conn_info(s->side[RELAY_CLIENT].conn, now_us, &out->client);
	if (s->side[RELAY_MEMBER].conn != NULL) {
		tcp_conn_info(s->side[RELAY_MEMBER].conn, now_us, &out->member);
		out->has_member = true;
	}
	out->has_hello = s->phase != RELAY_HELLO;
	out->kind = s->kind;
	out->asked = s->tries;
	out->version = s->version;
	memcpy(out->name, s->name, sizeof(out->name));
	memcpy(out->alpn, s->alpn, sizeof(out->alpn));
	memcpy(out->ja4, s->ja4, sizeof(out->ja4));
}

int relay_session_read(const struct relay *r, uint32_t slot, uint64_t now_us,
	struct postern_session *out, struct postern_relay_info *info)
{
	const struct relay_session *s = &r->sessions[slot];
	struct relay_session copy;

	const uint32_t generation = __atomic_load_n(&s->generation, __ATOMIC_ACQUIRE);
	if (generation % 2 == 0)
		return -ENOENT;
	copy_words(&copy, s, sizeof(copy));
	if (info != NULL)
		info_fill(&copy, now_us, info);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&s->generation, __ATOMIC_RELAXED) != generation)
		return -ENOENT;
	*out = (struct postern_session){
		.kind = POSTERN_SESSION_RELAY,
		.worker = r->worker,
		.slot = r->first_slot + slot,
		.generation = generation,
		.state = state_of(&copy),
		.client = copy.client,
		.listen = copy.listen,
		.member = copy.member,
		.translated = copy.translated,
		.protocol = IPPROTO_TCP,
		.age_ms = ms_ago(now_us, copy.opened_us),
		.idle_ms = ms_ago(now_us, copy.last_us),
		.bytes_in = copy.side[RELAY_CLIENT].bytes,
		.bytes_out = copy.side[RELAY_MEMBER].bytes,
	};
	return 0;
}

void relay_member_stats_add(
	const struct relay *r, uint16_t member, struct postern_member_stats *sum)
{
	const struct postern_member_stats *m = &r->members[member].stats;

	sum->opened += base_get(&m->opened);
	sum->established += base_get(&m->established);
	sum->refused += base_get(&m->refused);
	sum->silent += base_get(&m->silent);
	sum->bytes_in += base_get(&m->bytes_in);
	sum->bytes_out += base_get(&m->bytes_out);
	sum->sessions += __atomic_load_n(&m->sessions, __ATOMIC_RELAXED);
}

void relay_listen_stats_add(
	const struct relay *r, uint16_t listen, struct postern_listen_stats *sum)
{
	const struct postern_listen_stats *l = &r->listens[listen].stats;

	sum->opened += base_get(&l->opened);
	sum->refused += base_get(&l->refused);
	sum->not_admitted += base_get(&l->not_admitted);
	sum->observed += base_get(&l->observed);
	sum->bytes_in += base_get(&l->bytes_in);
	sum->bytes_out += base_get(&l->bytes_out);
	sum->sessions += __atomic_load_n(&l->sessions, __ATOMIC_RELAXED);
}

int relay_seen_read(
	const struct relay *r, uint32_t at, uint64_t now_us, struct postern_hello_seen *out)
{
	const struct relay_seen *e = &r->seen[at];
	struct relay_seen copy;

	const uint32_t version = __atomic_load_n(&e->version, __ATOMIC_ACQUIRE);
	if (version == 0 || version % 2 != 0)
		return -ENOENT;
	copy_words(&copy, e, sizeof(copy));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&e->version, __ATOMIC_RELAXED) != version)
		return -ENOENT;
	*out = copy.seen;
	out->first_ms = ms_ago(now_us, copy.first_us);
	out->last_ms = ms_ago(now_us, copy.last_us);
	return 0;
}
