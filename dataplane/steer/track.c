// SPDX-License-Identifier: BSD-2-Clause
// The state of a session, from the flags that pass (RFC 9293 3.3.2, seen from the middle).

#include "steer/private.h"

// The largest window that TCP knows (RFC 7323 2.3): what lies further ahead is not from the sender.
#define MAX_AHEAD (1u << 30)

// How far a reset may lie behind what its sender has sent: one made in answer to a segment bears
// that segment's acknowledgement, and what was under way meanwhile is a window at most.
#define MAX_BEHIND (1u << 16)

static void follow_sequence(struct steer_flow *f, unsigned direction, const struct steer_packet *p)
{
	const bool syn = (p->flags & RTE_TCP_SYN_FLAG) != 0;
	const bool first = syn && f->state == POSTERN_SESSION_OPENING;

	if (first || (!syn && p->end - f->next[direction] < MAX_AHEAD))
		f->next[direction] = p->end;
}

// Whether the receiver may take the reset. Others are passed on and change nothing here.
static bool reset_is_plausible(
	const struct steer_flow *f, unsigned direction, const struct steer_packet *p)
{
	return f->next[direction] - p->seq < MAX_BEHIND;
}

static void reset_seen(
	struct steer *s, struct steer_flow *f, unsigned direction, const struct steer_packet *p)
{
	if (f->state == POSTERN_SESSION_RESET || !reset_is_plausible(f, direction, p))
		return;
	f->flags &= (uint8_t)~FLOW_RESET_BY_MEMBER;
	if (direction == FROM_MEMBER)
		f->flags |= FLOW_RESET_BY_MEMBER;
	steer_flow_set_state(s, f, POSTERN_SESSION_RESET);
}

// Who has sent a reset sends nothing after it. If the very side goes on talking, the reset was
// forged, and its receiver has (we hope) not taken it either.
static void goes_on(struct steer *s, struct steer_flow *f, unsigned direction)
{
	const unsigned by = f->flags & FLOW_RESET_BY_MEMBER ? FROM_MEMBER : FROM_CLIENT;

	if (direction == by)
		steer_flow_set_state(s, f, POSTERN_SESSION_ESTABLISHED);
}

static void established(struct steer *s, struct steer_flow *f)
{
	steer_flow_set_state(s, f, POSTERN_SESSION_ESTABLISHED);
	COUNT(s->counters, SESSION_ESTABLISHED);
	base_add(&s->members[f->member].stats.established, 1);
}

static void opening(
	struct steer *s, struct steer_flow *f, unsigned direction, const struct steer_packet *p)
{
	const uint8_t kind = p->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG);

	if (direction == FROM_MEMBER && kind == (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG))
		steer_member_accepted(s, f);
	else if (direction == FROM_CLIENT && kind == RTE_TCP_ACK_FLAG && (f->flags & FLOW_SYNACK))
		established(s, f);
}

void steer_track(
	struct steer *s, struct steer_flow *f, unsigned direction, const struct steer_packet *p)
{
	f->last_ms = s->now_ms;
	if (p->flags & RTE_TCP_RST_FLAG) {
		reset_seen(s, f, direction, p);
		return;
	}
	if (f->state == POSTERN_SESSION_RESET)
		goes_on(s, f, direction);
	if (f->state == POSTERN_SESSION_OPENING)
		opening(s, f, direction, p);
	follow_sequence(f, direction, p);
	if (p->flags & RTE_TCP_FIN_FLAG) {
		f->flags |= (uint8_t)(1u << direction);
		if (f->state == POSTERN_SESSION_ESTABLISHED)
			steer_flow_set_state(s, f, POSTERN_SESSION_CLOSING);
	}
}
