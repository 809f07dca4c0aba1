// SPDX-License-Identifier: BSD-2-Clause
// What control reads of a connection while the worker writes it: each field for itself, as it is at that
// moment.

#include "tcp/private.h"

static const char *const states[] = {
	[TCP_CLOSED] = "CLOSED",
	[TCP_SYN_SENT] = "SYN-SENT",
	[TCP_SYN_RECEIVED] = "SYN-RECV",
	[TCP_ESTABLISHED] = "ESTAB",
	[TCP_FIN_WAIT_1] = "FIN-WAIT-1",
	[TCP_FIN_WAIT_2] = "FIN-WAIT-2",
	[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCP_CLOSING] = "CLOSING",
	[TCP_LAST_ACK] = "LAST-ACK",
};

#define LOOK(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

void tcp_conn_info(const struct tcp_conn *c, uint64_t now_us, struct postern_tcp_info *out)
{
	const struct tcp_key *key = &c->entry.key;
	const uint8_t state = LOOK(c->state);
	const uint64_t heard_us = LOOK(c->last_heard_us);

	*out = (struct postern_tcp_info){
		.local = {key->local, rte_be_to_cpu_16(key->lport)},
		.remote = {key->remote, rte_be_to_cpu_16(key->rport)},
		.state = state < RTE_DIM(states) ? states[state] : "?",
		.rtt_us = LOOK(c->srtt_us),
		.rttvar_us = LOOK(c->rttvar_us),
		.rto_us = LOOK(c->rto_us),
		.retransmitted = LOOK(c->retransmitted),
		.lost = LOOK(c->lost),
		.recv_q = LOOK(c->rx_bytes),
		.send_q = LOOK(c->tx_bytes),
		.mss = LOOK(c->mss),
		.cwnd = LOOK(c->cwnd),
		.snd_wnd = LOOK(c->snd_wnd),
		// It may have been heard of since `now` was read.
		.last_heard_ms = now_us > heard_us ? (now_us - heard_us) / 1000 : 0,
	};
}
