// SPDX-License-Identifier: BSD-2-Clause
// UDP in forward mode. A session is whatever one client port sends to one service, and lasts until
// neither side has sent for the idle time.

#include "steer/private.h"

#include <rte_byteorder.h>

bool steer_udp_read(struct steer *s, struct steer_packet *p)
{
	struct ip_packet *ip = p->ip;
	struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(ip->m, struct rte_udp_hdr *, ip->l4);

	if (ip->l4_length < sizeof(*udp) || ip->l4 + sizeof(*udp) > ip->m->data_len) {
		STEER_DROP(s, p->ip->m, UDP_HEADER);
		return false;
	}
	const uint16_t length = rte_be_to_cpu_16(udp->dgram_len);

	// A source port of zero means that no answer is wanted (RFC 768): nothing here for it. IPv6
	// has no datagrams without a checksum (RFC 8200 8.1).
	if (length < sizeof(*udp) || length > ip->l4_length || udp->dst_port == 0 ||
		udp->src_port == 0 || (ip->family == POSTERN_V6 && udp->dgram_cksum == 0)) {
		STEER_DROP(s, p->ip->m, UDP_HEADER);
		return false;
	}
	p->udp = udp;
	p->prepared = false;
	ip->tuple.sport = udp->src_port;
	ip->tuple.dport = udp->dst_port;
	p->hash = steer_tuple_hash(s, &ip->tuple);
	return true;
}

void steer_udp_in_session(
	struct steer *s, struct steer_flow *f, unsigned direction, struct steer_packet *p)
{
	const bool asked = direction != steer_flow_asker(f);

	f->last_ms = s->now_ms;
	if (asked && f->state == POSTERN_SESSION_OPENING) {
		steer_flow_established(s, f);
	} else if (!asked && f->state == POSTERN_SESSION_ESTABLISHED &&
		   !(f->flags & FLOW_ASSURED)) {
		steer_flow_assure(s, f);
	}
	steer_forward(s, f, direction, p);
}

void steer_udp_stray(struct steer *s, struct steer_packet *p)
{
	if (ip_config_find(s->ip->config, &p->ip->tuple.dst) == NULL) {
		steer_pass_through(s, p);
		return;
	}
	if (!ip_is_acceptable(s->ip, p->ip)) {
		rte_pktmbuf_free(p->ip->m);
		return;
	}
	const uint16_t listen = steer_listen_find(s, &p->ip->tuple);

	if (listen == POSTERN_ID_NONE) {
		steer_record_packet(s, p, POSTERN_STEP_OPEN, POSTERN_COUNTER_REFUSE_PORT_CLOSED,
			listen, POSTERN_ID_NONE);
		ip_error(s->ip, p->ip, IP_ERROR_PORT, 0, POSTERN_COUNTER_REFUSE_PORT_CLOSED);
		return;
	}
	if (p->ip->ttl <= 1) {
		ip_error(s->ip, p->ip, IP_ERROR_TTL, 0, POSTERN_COUNTER_DROP_TTL);
		return;
	}
	struct steer_flow *f = steer_begin(s, p, listen);

	if (f != NULL)
		steer_forward(s, f, FROM_CLIENT, p);
}
