// SPDX-License-Identifier: BSD-2-Clause
// IPv6 extension headers (RFC 8200 4): from the IPv6 header to what it carries, with bounds. Options in
// them pass on unread, as they may (RFC 7045 2.2).

#include "ip/private.h"

// More than any sane packet has; a longer chain is there to be walked.
#define HEADERS_MAX 8u
#define BYTES_MAX   256u

#define HOP_BY_HOP 0
#define ROUTING    43
#define FRAGMENT   44
#define DEST       60

// A source route that is not at its end lets the sender choose a path around the border, and of type 0
// there is none that may pass (RFC 5095).
static bool is_source_route(const uint8_t *header)
{
	return header[2] == 0 || header[3] != 0;
}

enum ip_walk_end ip_walk(const uint8_t *l3, unsigned there, struct ip_walk *w)
{
	const unsigned begin = w->at;

	for (unsigned n = 0;; n++) {
		switch (w->next) {
		case HOP_BY_HOP:
			// Nowhere but first.
			if (w->next_at != IP_WALK_FIRST)
				return IP_WALK_MALFORMED;
			break;
		case ROUTING:
		case DEST:
			break;
		default:
			return IP_WALK_FINE;
		}
		if (n == HEADERS_MAX || w->at + 8u > there)
			return IP_WALK_MALFORMED;
		const unsigned length = (l3[w->at + 1] + 1u) * 8;

		if (w->at + length > there || w->at + length - begin > BYTES_MAX)
			return IP_WALK_MALFORMED;
		if (w->next == ROUTING && is_source_route(&l3[w->at]))
			return IP_WALK_ROUTED;
		w->next = l3[w->at];
		w->next_at = w->at;
		w->at = (uint16_t)(w->at + length);
	}
}

unsigned ip_transport6(const void *l3, unsigned there, uint8_t *proto)
{
	const uint8_t *h = l3;
	struct ip_walk w = ip_walk_begin(h);

	if (ip_walk(h, there, &w) != IP_WALK_FINE)
		return 0;
	if (w.next == FRAGMENT) {
		if (w.at + IP_FRAGMENT6 > there || h[w.at + 2] != 0 || (h[w.at + 3] & ~7u) != 0)
			return 0;
		w = (struct ip_walk){
			.next = h[w.at], .next_at = w.at, .at = (uint16_t)(w.at + IP_FRAGMENT6)};
		if (ip_walk(h, there, &w) != IP_WALK_FINE)
			return 0;
	}
	*proto = w.next;
	return w.at;
}
