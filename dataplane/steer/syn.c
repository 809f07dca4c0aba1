// SPDX-License-Identifier: BSD-2-Clause
// What a SYN offers (RFC 9293 3.2, RFC 7323, RFC 2018), kept so that another member can be asked
// the same without waiting for the client's retransmission.

#include "steer/private.h"

#include <rte_byteorder.h>

#include <netinet/tcp.h>
#include <string.h>

#define LEN_MSS    4
#define LEN_WSCALE 3
#define LEN_SACK   2
#define LEN_TS     10

static void option_read(struct steer_syn *syn, const uint8_t *o)
{
	uint16_t half;
	uint32_t word;

	if (o[0] == TCPOPT_MAXSEG && o[1] == LEN_MSS) {
		memcpy(&half, o + 2, sizeof(half));
		syn->mss = rte_be_to_cpu_16(half);
	} else if (o[0] == TCPOPT_WINDOW && o[1] == LEN_WSCALE) {
		syn->wscale = o[2];
	} else if (o[0] == TCPOPT_SACK_PERMITTED && o[1] == LEN_SACK) {
		syn->options |= SYN_SACK;
	} else if (o[0] == TCPOPT_TIMESTAMP && o[1] == LEN_TS) {
		memcpy(&word, o + 2, sizeof(word));
		syn->ts_value = rte_be_to_cpu_32(word);
		syn->options |= SYN_TS;
	}
}

void steer_syn_read(struct steer_syn *syn, const struct steer_packet *p)
{
	const uint8_t *o = (const uint8_t *)(p->tcp + 1);
	const uint8_t *const end = (const uint8_t *)p->tcp + (p->tcp->data_off >> 4) * 4;

	*syn = (struct steer_syn){
		.wscale = SYN_NO_WSCALE, .window = rte_be_to_cpu_16(p->tcp->rx_win)};
	while (o < end && *o != TCPOPT_EOL) {
		if (*o == TCPOPT_NOP) {
			o++;
			continue;
		}
		// An option without room for itself ends the list (RFC 9293 MUST-7).
		if (end - o < 2 || o[1] < 2 || o[1] > end - o)
			return;
		option_read(syn, o);
		o += o[1];
	}
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	const uint32_t be = rte_cpu_to_be_32(value);

	memcpy(at, &be, sizeof(be));
	return at + sizeof(be);
}

// Writes the options in whole words and returns how many bytes they take: MSS 4, SACK 4,
// timestamps 12, window scale 4, so 24 at most.
static unsigned options_write(uint8_t *at, const struct steer_syn *syn)
{
	uint8_t *o = at;

	if (syn->mss != 0)
		o = put32(o, (uint32_t)TCPOPT_MAXSEG << 24 | LEN_MSS << 16 | syn->mss);
	if (syn->options & SYN_SACK)
		o = put32(o, (uint32_t)TCPOPT_NOP << 24 | TCPOPT_NOP << 16 |
				     TCPOPT_SACK_PERMITTED << 8 | LEN_SACK);
	if (syn->options & SYN_TS) {
		o = put32(o, (uint32_t)TCPOPT_NOP << 24 | TCPOPT_NOP << 16 | TCPOPT_TIMESTAMP << 8 |
				     LEN_TS);
		o = put32(o, syn->ts_value);
		o = put32(o, 0);
	}
	if (syn->wscale != SYN_NO_WSCALE)
		o = put32(o, (uint32_t)TCPOPT_NOP << 24 | TCPOPT_WINDOW << 16 | LEN_WSCALE << 8 |
				     syn->wscale);
	return (unsigned)(o - at);
}

void steer_syn_send(struct steer *s, struct steer_flow *f)
{
	uint8_t options[24];
	const unsigned length = options_write(options, &f->syn);
	const struct steer_member *m = &s->members[f->member];
	struct ip_tuple t;

	steer_flow_tuple_to(s, f, FROM_MEMBER, &t);
	struct rte_mbuf *b =
		steer_segment_new(s, &t, RTE_TCP_SYN_FLAG, f->next[FROM_CLIENT] - 1, 0, length);

	if (b == NULL)
		return;
	struct rte_tcp_hdr *tcp =
		rte_pktmbuf_mtod_offset(b, struct rte_tcp_hdr *, b->l2_len + b->l3_len);

	tcp->rx_win = rte_cpu_to_be_16(f->syn.window);
	memcpy(tcp + 1, options, length);
	f->syn.asked = ip_finish_output(s->ip, b, m->neigh);
}
