// SPDX-License-Identifier: BSD-2-Clause
// Packets that leave in pieces: those that are larger than the interface carries, and those that came
// in pieces. What leaves is copied, a buffer a fragment, so that ports need no chains.

#include "ip/private.h"

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <netinet/in.h>
#include <string.h>

#define OPTION_END    0
#define OPTION_NOP    1
#define OPTION_COPIED 0x80u // RFC 791 3.1: it belongs into every fragment

#define HOP_BY_HOP 0
#define FRAGMENT   44

// How a packet is cut.
struct cut {
	struct ip_layer *ip;
	struct rte_mbuf *m;
	uint16_t interface;
	uint16_t headers; // bytes before the payload, from the frame's first, as in the packet
	uint16_t extra;   // bytes that each fragment's headers have more
	uint32_t payload; // bytes
	uint16_t each;    // bytes of payload in each fragment but the last, a multiple of eight
	uint32_t id;
};

bool ip_is_too_big(const struct ip_layer *ip, const struct ip_packet *p, uint16_t neigh)
{
	const struct rte_mbuf *m = p->m;
	const uint32_t mtu = ip_interface_mtu(ip, ip_neigh_interface(ip, neigh));
	const struct rte_ipv4_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, IP_OFFSET);

	if (likely(m->pkt_len <= mtu + IP_OFFSET))
		return false;
	// What came in fragments leaves in such of the same size.
	if ((m->ol_flags & RTE_MBUF_F_TX_UDP_SEG) && m->tso_segsz <= mtu)
		return false;
	return p->family == POSTERN_V6 ||
	       (h->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) != 0;
}

// A checksum that was left to the port goes over the whole packet, so no port can make it now.
static void checksum_finish(struct rte_mbuf *m)
{
	const void *l3 = rte_pktmbuf_mtod_offset(m, const void *, IP_OFFSET);
	const uint16_t l4 = (uint16_t)(m->l2_len + m->l3_len);
	const uint64_t kind = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	const size_t at = kind == RTE_MBUF_F_TX_UDP_CKSUM
				  ? offsetof(struct rte_udp_hdr, dgram_cksum)
				  : offsetof(struct rte_tcp_hdr, cksum);
	uint8_t *field = rte_pktmbuf_mtod_offset(m, uint8_t *, l4 + at);

	if (kind == 0)
		return;
	memset(field, 0, sizeof(uint16_t));
	const uint16_t sum = rte_ipv4_udptcp_cksum_mbuf(m, l3, l4);

	memcpy(field, &sum, sizeof(sum));
}

// Copies a part of a packet, which may lie in several segments.
static void copy(void *to, const struct rte_mbuf *m, uint32_t from, uint32_t length)
{
	const void *lies = rte_pktmbuf_read(m, from, length, to);

	if (lies != to)
		memcpy(to, lies, length);
}

// An empty frame with the headers of the packet; NULL when buffers have run out (counted).
static struct rte_mbuf *frame_new(const struct cut *c, uint16_t payload)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(c->ip->pool);

	if (m == NULL) {
		COUNT(c->ip->counters, DROP_NO_BUFFER);
		return NULL;
	}
	copy(rte_pktmbuf_append(m, (uint16_t)(c->headers + c->extra + payload)), c->m, 0,
		c->headers);
	return m;
}

// Options that belong into the first fragment alone become nothing.
static void options_clear(struct rte_ipv4_hdr *h, unsigned header)
{
	uint8_t *o = (uint8_t *)(h + 1);
	uint8_t *const end = (uint8_t *)h + header;

	while (o < end && *o != OPTION_END) {
		// Input has seen that lengths are right.
		const unsigned length = *o == OPTION_NOP ? 1 : o[1];

		if (!(*o & OPTION_COPIED))
			memset(o, OPTION_NOP, length);
		o += length;
	}
}

static void header4(const struct cut *c, void *l3, uint32_t offset, uint16_t length, bool more)
{
	struct rte_ipv4_hdr *h = l3;
	const unsigned header = c->headers - (unsigned)IP_OFFSET;

	if (offset > 0)
		options_clear(h, header);
	h->packet_id = (uint16_t)c->id;
	h->total_length = rte_cpu_to_be_16((uint16_t)(header + length));
	h->fragment_offset =
		(uint16_t)((h->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) |
			   rte_cpu_to_be_16(
				   (uint16_t)(offset / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0))));
	h->hdr_checksum = 0;
	h->hdr_checksum = rte_ipv4_cksum(h);
}

static void header6(const struct cut *c, uint8_t *l3, uint32_t offset, uint16_t length, bool more)
{
	struct rte_ipv6_hdr *h = (void *)l3;
	const unsigned before = c->headers - (unsigned)IP_OFFSET;
	// The field that names what comes behind: the hop-by-hop header's, if there is one.
	uint8_t *next = before > sizeof(*h) ? &l3[sizeof(*h)] : &h->proto;
	const struct rte_ipv6_fragment_ext fragment = {
		.next_header = *next,
		.frag_data = rte_cpu_to_be_16((uint16_t)(offset | more)),
		.id = c->id,
	};

	*next = FRAGMENT;
	memcpy(l3 + before, &fragment, sizeof(fragment));
	h->payload_len =
		rte_cpu_to_be_16((uint16_t)(before - sizeof(*h) + sizeof(fragment) + length));
}

static void cut_up(const struct cut *c, bool v4)
{
	for (uint32_t at = 0; at < c->payload; at += c->each) {
		const uint16_t length = (uint16_t)RTE_MIN(c->each, c->payload - at);
		const bool more = at + length < c->payload;
		struct rte_mbuf *m = frame_new(c, length);

		if (m == NULL)
			return;
		uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, IP_OFFSET);

		if (v4)
			header4(c, l3, at, length, more);
		else
			header6(c, l3, at, length, more);
		copy(rte_pktmbuf_mtod_offset(m, void *, c->headers + c->extra), c->m,
			c->headers + at, length);
		port_tx_push(&c->ip->tx[c->interface], m, c->ip->counters);
	}
	COUNT(c->ip->counters, FRAGMENTED);
}

static bool send_whole(struct ip_layer *ip, uint16_t interface, struct rte_mbuf *m)
{
	const struct cut c = {
		.ip = ip, .m = m, .interface = interface, .headers = (uint16_t)m->pkt_len};
	struct rte_mbuf *copied = frame_new(&c, 0);

	rte_pktmbuf_free(m);
	if (copied == NULL)
		return false;
	port_tx_push(&ip->tx[interface], copied, ip->counters);
	return true;
}

// The most that a frame of ours may hold, from its first byte.
static uint32_t frame_limit(const struct ip_layer *ip, const struct rte_mbuf *m, uint16_t interface)
{
	const uint32_t room = rte_pktmbuf_data_room_size(ip->pool) - RTE_PKTMBUF_HEADROOM;
	uint32_t limit = ip_interface_mtu(ip, interface);

	if (m->ol_flags & RTE_MBUF_F_TX_UDP_SEG)
		limit = RTE_MIN(limit, (uint32_t)m->tso_segsz);
	return RTE_MIN(limit + IP_OFFSET, room);
}

bool ip_split(struct ip_layer *ip, struct rte_mbuf *m, uint16_t interface, bool v4)
{
	const uint32_t limit = frame_limit(ip, m, interface);
	const struct rte_ipv4_hdr *h4 =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, IP_OFFSET);
	const uint8_t *l3 = (const uint8_t *)h4;
	const bool came_so = m->ol_flags & RTE_MBUF_F_TX_UDP_SEG;
	const bool may_cut =
		came_so || (v4 && !(h4->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)));
	struct cut c = {.ip = ip, .m = m, .interface = interface};

	if (v4)
		checksum_finish(m);
	if (m->pkt_len <= limit)
		return send_whole(ip, interface, m);
	if (v4) {
		c.headers = (uint16_t)(IP_OFFSET + (h4->version_ihl & 0xfu) * 4);
	} else {
		c.headers = IP_OFFSET + sizeof(struct rte_ipv6_hdr);
		if (l3[6] == HOP_BY_HOP)
			c.headers = (uint16_t)(c.headers + (l3[41] + 1) * 8);
		c.extra = IP_FRAGMENT6;
	}
	if (!may_cut || limit < c.headers + c.extra + 8u) {
		IP_DROP(ip, m, TOO_BIG);
		return false;
	}
	c.payload = m->pkt_len - c.headers;
	c.each = (uint16_t)((limit - c.headers - c.extra) & ~7u);
	c.id = ip_fragment_id(ip);
	cut_up(&c, v4);
	rte_pktmbuf_free(m);
	return true;
}
