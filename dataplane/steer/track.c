// SPDX-License-Identifier: BSD-2-Clause
// The state of a session, from the flags that pass (RFC 9293 3.3.2, seen from the middle).

#include "steer/private.h"

// A reset counts here only if its receiver is sure to take it (RFC 5961 3.2): it bears the very
// number that is expected next. Others are passed on and change nothing.
static void reset_seen(
	struct steer *s, struct steer_flow *f, unsigned direction, const struct steer_packet *p)
{
	// Of a member that has not accepted there is no number yet: what refuses the SYN has been
	// dealt with before (input.c), and the client ignores the rest (RFC 9293 3.10.7.3).
	const bool begun = f->flags & FLOW_SYNACK;
	const bool exact =
		(p->seq == f->next[direction] && (begun || direction == steer_flow_asker(f))) ||
		(begun && p->seq == f->expects[steer_other(direction)]);

	if (!exact || f->state == POSTERN_SESSION_RESET)
		return;
	// Many clients end what they have done so; a member that does it has hardly been asked to.
	if (direction == FROM_MEMBER)
		steer_record_flow(
			s, f, POSTERN_STEP_CLOSE, POSTERN_COUNTER_CLOSE_RESET, POSTERN_SIDE_MEMBER);
	steer_flow_set_state(s, f, POSTERN_SESSION_RESET);
}

// The SYN-ACK. What the SYN said is not needed any more: its place is used anew. One that
// acknowledges something else answers an older connection of the same ports, and is passed on.
static void accepted(struct steer *s, struct steer_flow *f, const struct steer_packet *p)
{
	const unsigned asker = steer_flow_asker(f);

	if (!steer_acknowledges_syn(f, p))
		return;
	if (!(f->flags & FLOW_SYNACK)) {
		f->next[asker] = p->ack;
		f->expects[!asker] = p->ack;
		if (!(f->flags & FLOW_GATEWAY)) {
			f->bytes[FROM_CLIENT] = 0;
			f->bytes[FROM_MEMBER] = 0;
		}
		steer_member_accepted(s, f);
	}
	f->next[!asker] = p->end;
	f->expects[asker] = p->end;
}

// Only who has seen the SYN-ACK can acknowledge it: until then who asks may be forged, and a
// forged session must not become one that nothing evicts.
static void opening(
	struct steer *s, struct steer_flow *f, unsigned direction, const struct steer_packet *p)
{
	const bool syn = p->flags & RTE_TCP_SYN_FLAG;
	const unsigned asker = steer_flow_asker(f);

	if (direction != asker && syn && (p->flags & RTE_TCP_ACK_FLAG)) {
		accepted(s, f, p);
		return;
	}
	if (direction != asker || syn || !(f->flags & FLOW_SYNACK) || p->ack != f->next[!asker])
		return;
	steer_flow_established(s, f);
}

void steer_track(
	struct steer *s, struct steer_flow *f, unsigned direction, const struct steer_packet *p)
{
	f->last_ms = s->now_ms;
	if (p->flags & RTE_TCP_RST_FLAG) {
		reset_seen(s, f, direction, p);
		return;
	}
	if (f->state == POSTERN_SESSION_OPENING)
		opening(s, f, direction, p);
	// Before the member has accepted, and of SYNs, there is nothing to follow: a SYN on a
	// session that stands is challenged by its receiver (RFC 5961 4.2).
	if (!(f->flags & FLOW_SYNACK) || (p->flags & RTE_TCP_SYN_FLAG))
		return;
	if ((p->flags & RTE_TCP_FIN_FLAG) && steer_is_in_stream(f, direction, p->seq) &&
		f->state != POSTERN_SESSION_OPENING)
		steer_flow_set_fin(s, f, direction);
	steer_follow(f, direction, p);
}
