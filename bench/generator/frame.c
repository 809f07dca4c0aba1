// SPDX-License-Identifier: BSD-2-Clause
// Frames as they stand on the link, and the addresses of the generator's world.

#include "bench/generator/generator.h"

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 0xfaf0u

static uint64_t sum_addr(const struct postern_addr *a)
{
	return (uint64_t)a->words[0] + a->words[1] + a->words[2] + a->words[3];
}

static void header_v4(struct rte_ipv4_hdr *h, const struct segment *s, uint16_t tcp_length)
{
	*h = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*h) + tcp_length)),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = s->src.words[3],
		.dst_addr = s->dst.words[3],
	};
	h->hdr_checksum = frame_fold((uint64_t)RTE_BE16(0x4500) + h->total_length +
				     RTE_BE16(RTE_IPV4_HDR_DF_FLAG) +
				     RTE_BE16(64 << 8 | IPPROTO_TCP) + h->src_addr + h->dst_addr);
}

static void header_v6(struct rte_ipv6_hdr *h, const struct segment *s, uint16_t tcp_length)
{
	h->vtc_flow = RTE_BE32(0x60000000u);
	h->payload_len = rte_cpu_to_be_16(tcp_length);
	h->proto = IPPROTO_TCP;
	h->hop_limits = 64;
	memcpy(h->src_addr, s->src.bytes, 16);
	memcpy(h->dst_addr, s->dst.bytes, 16);
}

// What a SYN or its answer brings along: the largest segment.
static const uint32_t mss_option = RTE_BE32(0x02040000u | 1440u);

void frame_tcp(struct generator *g, struct rte_mbuf *m, const struct segment *s)
{
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ether_hdr *eth = (void *)at;
	const unsigned l4 = s->v6 ? 54 : 34;
	struct rte_tcp_hdr *tcp = (void *)(at + l4);
	const bool syn = s->flags & RTE_TCP_SYN_FLAG;
	const unsigned header = syn ? 24 : 20;
	const unsigned frame = s->frame != 0 ? s->frame : l4 + header;
	const uint16_t tcp_length = (uint16_t)(frame - l4);
	const uint16_t offset_flags = rte_cpu_to_be_16((uint16_t)(header << 10 | s->flags));

	eth->dst_addr = g->peer;
	eth->src_addr = g->mac;
	eth->ether_type = s->v6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	if (s->v6)
		header_v6((void *)(at + 14), s, tcp_length);
	else
		header_v4((void *)(at + 14), s, tcp_length);
	tcp->src_port = s->sport;
	tcp->dst_port = s->dport;
	tcp->sent_seq = rte_cpu_to_be_32(s->seq);
	tcp->recv_ack = rte_cpu_to_be_32(s->ack);
	memcpy(&tcp->data_off, &offset_flags, 2);
	tcp->rx_win = RTE_BE16(WINDOW);
	tcp->tcp_urp = 0;
	// Mapped addresses add the same on both sides of a wrong sum and the right one: 0xffff is
	// nothing in one's complement.
	uint64_t sum = sum_addr(&s->src) + sum_addr(&s->dst) + RTE_BE16(IPPROTO_TCP) +
		       rte_cpu_to_be_16(tcp_length) + s->sport + s->dport + tcp->sent_seq +
		       tcp->recv_ack + offset_flags + RTE_BE16(WINDOW);

	if (syn) {
		memcpy(tcp + 1, &mss_option, 4);
		sum += mss_option;
	} else if (s->frame != 0) {
		memcpy(tcp + 1, &s->stamp, 4);
		memcpy((uint8_t *)(tcp + 1) + 4, &s->tag, 2);
		sum += (uint64_t)s->stamp + s->tag;
		// Longer headers may have been there before.
		if (frame >= FRAME_LEAST6 + 16)
			memset((uint8_t *)(tcp + 1) + 6, 0, 20);
	}
	tcp->cksum = frame_fold(sum);
	m->data_len = (uint16_t)frame;
	m->pkt_len = frame;
}

// Everything that does not differ between the data segments of one kind, with its sums.
void frame_kind_make(
	struct generator *g, struct frame_kind *k, bool from_member, bool v6, uint16_t frame)
{
	const struct segment s = {
		.src = from_member ? addr_near(0, v6) : addr_client(0, v6),
		.dst = from_member ? addr_near(0, v6) : addr_service(v6),
		.sport = from_member ? RTE_BE16(MEMBER_PORT) : 0,
		.dport = from_member ? 0 : RTE_BE16(SERVICE_PORT),
		.flags = RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG,
		.v6 = v6,
		.frame = frame,
	};
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->tx_pool);

	memset(k, 0, sizeof(*k));
	if (m == NULL)
		abort();
	frame_tcp(g, m, &s);
	memcpy(k->bytes, rte_pktmbuf_mtod(m, void *), sizeof(k->bytes));
	rte_pktmbuf_free(m);
	k->l4 = v6 ? 54 : 34;
	k->length = frame;
	const struct rte_ipv4_hdr *h4 = (const void *)(k->bytes + 14);
	const struct rte_tcp_hdr *tcp = (const void *)(k->bytes + k->l4);

	// What varies is added to these; addresses from nothing, so the template's own go out.
	k->ip_sum = (uint16_t)~h4->hdr_checksum;
	k->tcp_sum = (uint16_t)~tcp->cksum;
	k->src_at = v6 ? 14 + 8 + 12 : 14 + 12;
	k->dst_at = v6 ? 14 + 24 + 12 : 14 + 16;
	uint32_t src, dst;

	memcpy(&src, k->bytes + k->src_at, 4);
	memcpy(&dst, k->bytes + k->dst_at, 4);
	const uint64_t without = (uint64_t)(uint32_t)~src + (uint32_t)~dst;

	k->ip_sum += without;
	k->tcp_sum += without;
}

bool frame_is_sound(const uint8_t *frame, unsigned length)
{
	const bool v6 = frame[12] == 0x86;
	const struct rte_ipv4_hdr *h4 = (const void *)(frame + 14);
	const struct rte_ipv6_hdr *h6 = (const void *)(frame + 14);

	if (length < (v6 ? 74u : 54u))
		return false;
	if (v6)
		return rte_be_to_cpu_16(h6->payload_len) + 54u <= length &&
		       rte_ipv6_udptcp_cksum_verify(h6, frame + 54) == 0;
	return rte_be_to_cpu_16(h4->total_length) + 14u <= length && rte_ipv4_cksum(h4) == 0 &&
	       rte_ipv4_udptcp_cksum_verify(h4, frame + 34) == 0;
}

static struct postern_addr addr(uint32_t v4, uint32_t net, uint32_t low, bool v6)
{
	if (!v6)
		return postern_addr_from_v4(rte_cpu_to_be_32(v4 + low));
	return (struct postern_addr){.words = {RTE_BE32(0x20010db8u), rte_cpu_to_be_32(net << 16),
					     0, rte_cpu_to_be_32(low)}};
}

struct postern_addr addr_client(uint32_t number, bool v6)
{
	return addr(0xc6120000u, 0x99, number & 0x1ffffu, v6);
}

uint16_t port_client(uint32_t number)
{
	return rte_cpu_to_be_16((uint16_t)(1024 + (number >> 17)));
}

struct postern_addr addr_spoofed(uint32_t number, bool v6)
{
	return addr(0x14000000u, 0x66, number, v6);
}

struct postern_addr addr_near(uint32_t low, bool v6)
{
	if (!v6)
		return postern_addr_from_v4(low);
	return (struct postern_addr){
		.words = {RTE_BE32(0x20010db8u), RTE_BE32(0x00100000u), 0, low}};
}

struct postern_addr addr_service(bool v6)
{
	return addr_near(v6 ? RTE_BE32(0x80u) : RTE_BE32(0x0a000050u), v6);
}
