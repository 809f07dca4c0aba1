// SPDX-License-Identifier: BSD-2-Clause
// What goes into the flight recorder. What ends as its two sides wish does not.

#include "steer/private.h"

#include <rte_byteorder.h>

struct postern_record steer_record_of(const struct steer_packet *p, enum postern_step step,
	enum postern_counter reason, uint16_t listen, uint16_t member)
{
	const struct ip_tuple *t = &p->ip->tuple;

	return (struct postern_record){
		.from = t->src,
		.to = t->dst,
		.from_port = rte_be_to_cpu_16(t->sport),
		.to_port = rte_be_to_cpu_16(t->dport),
		.reason = (uint16_t)reason,
		.interface = p->ip->interface,
		.listen = listen,
		.member = member,
		.protocol = (uint8_t)t->proto,
		.step = (uint8_t)step,
	};
}

void steer_record_packet(struct steer *s, const struct steer_packet *p, enum postern_step step,
	enum postern_counter reason, uint16_t listen, uint16_t member)
{
	const struct postern_record r = steer_record_of(p, step, reason, listen, member);

	base_record(s->recorder, &r, s->ip->now_us);
}

void steer_record_flood(struct steer *s, const struct steer_packet *p, unsigned n)
{
	const struct postern_record r = steer_record_of(p, POSTERN_STEP_OPEN,
		POSTERN_COUNTER_DROP_FLOOD, steer_listen_find(s, &p->ip->tuple), POSTERN_ID_NONE);

	base_record_all(s->recorder, &r, n, s->ip->now_us);
}

void steer_record_flow(struct steer *s, const struct steer_flow *f, enum postern_step step,
	enum postern_counter reason, enum postern_side side)
{
	const uint8_t who = (uint8_t)side;
	const uint32_t quiet_ms = s->now_ms - f->last_ms;
	const unsigned asker = steer_flow_asker(f);
	struct ip_tuple t;

	steer_flow_tuple(s, f, asker, &t);
	struct postern_record r = {
		.from = t.src,
		.to = t.dst,
		.from_port = rte_be_to_cpu_16(t.sport),
		.to_port = rte_be_to_cpu_16(t.dport),
		.reason = (uint16_t)reason,
		.interface = asker == FROM_CLIENT ? ip_neigh_interface(s->ip, f->neigh)
						  : s->members[f->member].interface,
		.listen = f->listen,
		.member = f->member,
		.protocol = (uint8_t)t.proto,
		.step = (uint8_t)step,
		.slot = steer_slot(s, f),
		.generation = f->generation % 2 != 0 ? f->generation : 0,
	};

	postern_record_add(&r, POSTERN_FACT_SIDE, &who, sizeof(who));
	postern_record_add(&r, POSTERN_FACT_QUIET_MS, &quiet_ms, sizeof(quiet_ms));
	// What the SYN said is kept until the member has accepted.
	if (!(f->flags & (FLOW_SYNACK | FLOW_UDP | FLOW_GATEWAY)) && f->syn.tries > 0)
		postern_record_add(&r, POSTERN_FACT_ASKED, &f->syn.tries, sizeof(f->syn.tries));
	base_record(s->recorder, &r, s->ip->now_us);
}
