// SPDX-License-Identifier: BSD-2-Clause
// One TCP connection of ours as control sees it; the words are those of ss(8).

#pragma once

#include "postern/addr.h"

#include <stdint.h>

struct postern_tcp_info {
	struct postern_endpoint local;
	struct postern_endpoint remote;
	const char *state; // "ESTAB"
	uint32_t rtt_us;   // smoothed; 0: not measured yet
	uint32_t rttvar_us;
	uint32_t rto_us;
	uint32_t retransmitted; // segments sent again since it began
	uint32_t lost;          // bytes taken for lost, not yet sent again
	uint32_t recv_q;        // bytes that are not read yet
	uint32_t send_q;        // bytes that are not acknowledged yet
	uint32_t mss;
	uint32_t cwnd;          // bytes
	uint32_t snd_wnd;       // bytes that the peer takes
	uint64_t last_heard_ms; // ago
};
