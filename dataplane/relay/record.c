// SPDX-License-Identifier: BSD-2-Clause
// What goes into the flight recorder. What ends as its two sides wish does not.

#include "relay/private.h"

#include <netinet/in.h>
#include <string.h>

void relay_record(struct relay *r, const struct relay_session *s, enum postern_step step,
	enum postern_counter reason, enum postern_side side)
{
	const uint8_t who = (uint8_t)side;
	const uint32_t quiet_ms = (uint32_t)((r->now_us - s->last_us) / 1000);
	struct postern_record rec = {
		.from = s->client.addr,
		.to = s->local.addr,
		.from_port = s->client.port,
		.to_port = s->local.port,
		.reason = (uint16_t)reason,
		.interface = POSTERN_ID_NONE,
		.listen = s->listen,
		.member = s->member,
		.protocol = IPPROTO_TCP,
		.step = (uint8_t)step,
		.slot = r->first_slot + relay_slot(r, s),
		.generation = s->generation,
	};

	postern_record_add(&rec, POSTERN_FACT_SIDE, &who, sizeof(who));
	postern_record_add(&rec, POSTERN_FACT_QUIET_MS, &quiet_ms, sizeof(quiet_ms));
	if (s->tries > 0)
		postern_record_add(&rec, POSTERN_FACT_ASKED, &s->tries, sizeof(s->tries));
	postern_record_add(&rec, POSTERN_FACT_HELLO, &s->kind, sizeof(s->kind));
	if (s->version != 0)
		postern_record_add(&rec, POSTERN_FACT_VERSION, &s->version, sizeof(s->version));
	// The last, as it may be too long for what is left: then its end is what tells most.
	if (s->name[0] != '\0') {
		const size_t length = strlen(s->name);
		const size_t room = (size_t)POSTERN_FACTS_SIZE - rec.facts_length - 2;
		const size_t cut = length > room ? length - room : 0;

		postern_record_add(&rec, POSTERN_FACT_SERVER_NAME, s->name + cut, length - cut);
	}
	base_record(r->recorder, &rec, r->now_us);
}
