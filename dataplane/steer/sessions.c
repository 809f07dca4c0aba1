// SPDX-License-Identifier: BSD-2-Clause
// What the control thread reads while the worker writes. Words are read one by one; a generation
// that is odd and the same before and after says that they belong to one session.

#include "steer/private.h"

#include <rte_byteorder.h>

#include <errno.h>
#include <string.h>

uint32_t steer_capacity(const struct steer *s)
{
	return s->limits[QUOTA_SESSIONS];
}

uint32_t steer_flows_capacity(const struct steer *s)
{
	return s->limits[QUOTA_FLOWS];
}

uint32_t steer_in_use(const struct steer *s)
{
	return __atomic_load_n(&s->in_use[QUOTA_SESSIONS], __ATOMIC_RELAXED);
}

uint32_t steer_flows_in_use(const struct steer *s)
{
	return __atomic_load_n(&s->in_use[QUOTA_FLOWS], __ATOMIC_RELAXED);
}

uint32_t steer_high_water(const struct steer *s)
{
	return __atomic_load_n(&s->high_water, __ATOMIC_ACQUIRE);
}

typedef uint64_t __attribute__((may_alias)) word;

static void copy_words(void *to, const void *from, size_t size)
{
	word *t = to;
	const word *f = from;

	for (size_t i = 0; i < size / sizeof(*t); i++)
		t[i] = __atomic_load_n(&f[i], __ATOMIC_RELAXED);
}

static uint64_t bytes(const struct steer_flow *f, unsigned direction)
{
	if (!(f->flags & (FLOW_SYNACK | FLOW_UDP | FLOW_GATEWAY)))
		return 0;
	return (uint64_t)f->bytes_high[direction] << 32 | f->bytes[direction];
}

// What the asked side sees as who asks.
static struct postern_endpoint seen_as(const struct steer *s, const struct steer_flow *f)
{
	struct ip_tuple t;

	if (steer_flow_asker(f) == FROM_MEMBER) {
		steer_flow_tuple(s, f, FROM_CLIENT, &t);
		return (struct postern_endpoint){t.dst, rte_be_to_cpu_16(t.dport)};
	}
	if (f->flags & FLOW_DESTINATION)
		return (struct postern_endpoint){f->client, rte_be_to_cpu_16(f->client_port)};
	return (struct postern_endpoint){s->nats[f->nat], rte_be_to_cpu_16(f->own_port)};
}

static enum postern_session_kind kind_of(const struct steer_flow *f)
{
	if (!(f->flags & FLOW_GATEWAY))
		return POSTERN_SESSION_SERVICE;
	return f->flags & FLOW_INBOUND ? POSTERN_SESSION_INBOUND : POSTERN_SESSION_OUTBOUND;
}

int steer_session_read(
	const struct steer *s, uint32_t slot, uint64_t now_us, struct postern_session *out)
{
	const struct steer_flow *f = &s->flows[slot];
	const uint32_t now_ms = (uint32_t)(now_us / 1000);
	struct steer_flow copy;

	const uint32_t generation = __atomic_load_n(&f->generation, __ATOMIC_ACQUIRE);
	if (generation % 2 == 0)
		return -ENOENT;
	copy_words(&copy, f, sizeof(copy));
	const uint32_t opened = __atomic_load_n(&s->cold[slot].opened, __ATOMIC_RELAXED);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&f->generation, __ATOMIC_RELAXED) != generation)
		return -ENOENT;
	// A session may have begun, or a packet come, since `now` was read.
	const uint32_t age = (uint32_t)(now_us >> OPENED_SHIFT) - opened;
	const uint32_t idle = now_ms - copy.last_ms;

	const uint64_t age_ms = (int32_t)age < 0 ? 0 : ((uint64_t)age << OPENED_SHIFT) / 1000;
	// The two are rounded differently.
	const uint64_t idle_ms = (int32_t)idle < 0 ? 0 : idle;

	*out = (struct postern_session){
		.kind = kind_of(&copy),
		.worker = s->worker,
		.slot = slot,
		.generation = generation,
		.state = copy.state,
		.over = steer_flow_is_over(&copy),
		.client = {copy.client, rte_be_to_cpu_16(copy.client_port)},
		.listen = copy.listen,
		.member = copy.member,
		.translated = seen_as(s, &copy),
		.member_port = copy.flags & FLOW_GATEWAY ? rte_be_to_cpu_16(copy.member_port) : 0,
		.protocol = copy.flags & FLOW_UDP ? IPPROTO_UDP : IPPROTO_TCP,
		.age_ms = age_ms,
		.idle_ms = idle_ms < age_ms ? idle_ms : age_ms,
		.bytes_in = bytes(&copy, FROM_CLIENT),
		.bytes_out = bytes(&copy, FROM_MEMBER),
	};
	return 0;
}

// The two change one after the other; more that end than there are would come out as a huge number.
static void add_sessions(
	const uint32_t *all, const uint32_t *ending, uint32_t *all_sum, uint32_t *ending_sum)
{
	const uint32_t over = __atomic_load_n(ending, __ATOMIC_RELAXED);
	const uint32_t n = __atomic_load_n(all, __ATOMIC_RELAXED);

	*all_sum += n;
	*ending_sum += over < n ? over : n;
}

void steer_member_stats_add(
	const struct steer *s, uint16_t member, struct postern_member_stats *sum)
{
	const struct postern_member_stats *m = &s->members[member].stats;

	sum->opened += base_get(&m->opened);
	sum->established += base_get(&m->established);
	sum->refused += base_get(&m->refused);
	sum->silent += base_get(&m->silent);
	sum->bytes_in += base_get(&m->bytes_in);
	sum->bytes_out += base_get(&m->bytes_out);
	sum->flows += __atomic_load_n(&m->flows, __ATOMIC_RELAXED);
	sum->inbound += __atomic_load_n(&m->inbound, __ATOMIC_RELAXED);
	add_sessions(&m->sessions, &m->ending, &sum->sessions, &sum->ending);
}

void steer_listen_stats_add(
	const struct steer *s, uint16_t listen, struct postern_listen_stats *sum)
{
	const struct postern_listen_stats *l = &s->listens[listen].stats;

	sum->opened += base_get(&l->opened);
	sum->refused += base_get(&l->refused);
	sum->not_admitted += base_get(&l->not_admitted);
	sum->observed += base_get(&l->observed);
	sum->bytes_in += base_get(&l->bytes_in);
	sum->bytes_out += base_get(&l->bytes_out);
	add_sessions(&l->sessions, &l->ending, &sum->sessions, &sum->ending);
}
