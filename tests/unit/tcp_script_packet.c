// SPDX-License-Identifier: BSD-2-Clause
// Packets of a script: as text, as they leave and are compared, as they arrive.

#include "tcp_script_private.h"

#include <rte_tcp.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

// --- segments as text

static uint8_t flags_of(const char *text)
{
	uint8_t flags = 0;

	for (; *text != '\0'; text++) {
		switch (*text) {
		case 'S':
			flags |= RTE_TCP_SYN_FLAG;
			break;
		case 'F':
			flags |= RTE_TCP_FIN_FLAG;
			break;
		case 'R':
			flags |= RTE_TCP_RST_FLAG;
			break;
		case 'P':
			flags |= RTE_TCP_PSH_FLAG;
			break;
		case 'U':
			flags |= RTE_TCP_URG_FLAG;
			break;
		case '.':
			flags |= RTE_TCP_ACK_FLAG;
			break;
		case '-':
			break;
		default:
			script_wrong("flags: %s", text);
		}
	}
	return flags;
}

static void put_bytes(struct options *o, unsigned n, const uint8_t *bytes)
{
	TCP_RIG_CHECK(o->n_bytes + n <= 40);
	memcpy(o->bytes + o->n_bytes, bytes, n);
	o->n_bytes += n;
}

static void put_word(struct options *o, uint32_t v)
{
	put_bytes(o, 4,
		(uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v});
}

static void read_sack(struct options *o, const char *at)
{
	int used = 0;

	while (sscanf(at, " %u:%u%n", &o->sacks[o->n_sacks][0], &o->sacks[o->n_sacks][1], &used) >=
		2) {
		o->n_sacks++;
		at += used;
		if (o->n_sacks == 4)
			break;
	}
	put_bytes(o, 2, (uint8_t[]){5, (uint8_t)(2 + 8 * o->n_sacks)});
	for (unsigned i = 0; i < o->n_sacks; i++) {
		put_word(o, script.p->our_iss + o->sacks[i][0]);
		put_word(o, script.p->our_iss + o->sacks[i][1]);
	}
}

static void read_ts(struct options *o, const char *at)
{
	char value[32], echo[32];

	if (sscanf(at, "%31s %31s", value, echo) != 2)
		script_wrong("ts %s", at);
	o->has_ts = true;
	o->any_value = value[0] == '*';
	o->any_echo = echo[0] == '*';
	o->ts_value = (uint32_t)strtoul(value, NULL, 0);
	o->ts_echo =
		strcmp(echo, "last") == 0 ? script.p->last_ts : (uint32_t)strtoul(echo, NULL, 0);
	put_bytes(o, 2, (uint8_t[]){8, 10});
	put_word(o, o->ts_value);
	put_word(o, o->ts_echo);
}

static void read_options(struct options *o, char *text)
{
	char *save;
	unsigned kind;

	o->given = true;
	for (char *at = strtok_r(text, ",", &save); at != NULL; at = strtok_r(NULL, ",", &save)) {
		while (*at == ' ')
			at++;
		if (sscanf(at, "mss %u", &o->mss) == 1) {
			put_bytes(o, 4, (uint8_t[]){2, 4, (uint8_t)(o->mss >> 8), (uint8_t)o->mss});
		} else if (sscanf(at, "wscale %d", &o->wscale) == 1) {
			put_bytes(o, 3, (uint8_t[]){3, 3, (uint8_t)o->wscale});
		} else if (strcmp(at, "sackOK") == 0) {
			o->sack_ok = true;
			put_bytes(o, 2, (uint8_t[]){4, 2});
		} else if (strncmp(at, "sack ", 5) == 0) {
			read_sack(o, at + 5);
		} else if (strncmp(at, "ts ", 3) == 0) {
			read_ts(o, at + 3);
		} else if (sscanf(at, "kind %u", &kind) == 1) {
			put_bytes(o, 6, (uint8_t[]){(uint8_t)kind, 6, 1, 2, 3, 4});
		} else if (strcmp(at, "nop") == 0) {
			put_bytes(o, 1, (uint8_t[]){1});
		} else if (strcmp(at, "eol") == 0) {
			put_bytes(o, 1, (uint8_t[]){0});
		} else {
			script_wrong("option: %s", at);
		}
	}
}

void script_read_segment(struct line *l, char *text)
{
	char flags[16], *at = text, *open = strchr(text, '<');
	int used = 0;

	*l = (struct line){.o = {.wscale = -1}};
	if (open != NULL) {
		char *close = strchr(open, '>');

		if (close == NULL)
			script_wrong("options without an end");
		*open = *close = '\0';
		read_options(&l->o, open + 1);
	}
	if (sscanf(at, " %15s %u:%u(%u)%n", flags, &l->seq, &l->end, &l->length, &used) != 4)
		script_wrong("segment: %s", text);
	if (l->seq + l->length != l->end)
		script_wrong("%u:%u is not %u bytes", l->seq, l->end, l->length);
	l->flags = flags_of(flags);
	l->window = 65535;
	for (char *word = strtok(at + used, " "); word != NULL; word = strtok(NULL, " ")) {
		if (strcmp(word, "bad-sum") == 0) {
			l->bad_sum = true;
			continue;
		}
		const char *number = strtok(NULL, " ");
		const uint32_t n = number == NULL ? 0 : (uint32_t)strtoul(number, NULL, 0);

		if (number == NULL)
			script_wrong("%s without a number", word);
		if (strcmp(word, "ack") == 0) {
			l->has_ack = true;
			l->ack = n;
		} else if (strcmp(word, "win") == 0) {
			l->has_win = true;
			l->window = n;
		} else if (strcmp(word, "urg") == 0) {
			l->urgent = n;
		} else {
			script_wrong("unknown: %s", word);
		}
	}
}

// --- what leaves

static void read_wire_options(struct options *o, const struct tcp_rig_segment *g)
{
	const uint8_t *at = g->options, *end = at + g->n_options;

	*o = (struct options){.wscale = -1};
	while (at < end && *at != 0) {
		if (*at == 1) {
			at++;
			continue;
		}
		TCP_RIG_CHECK(at + 1 < end && at[1] >= 2 && at + at[1] <= end);
		uint32_t words[8];

		for (unsigned i = 0; i + 2 + 4 <= at[1] && i / 4 < 8; i += 4)
			words[i / 4] = (uint32_t)at[2 + i] << 24 | (uint32_t)at[3 + i] << 16 |
				       (uint32_t)at[4 + i] << 8 | at[5 + i];
		switch (*at) {
		case 2:
			o->mss = (unsigned)(at[2] << 8 | at[3]);
			break;
		case 3:
			o->wscale = at[2];
			break;
		case 4:
			o->sack_ok = true;
			break;
		case 5:
			o->n_sacks = (at[1] - 2u) / 8;
			memcpy(o->sacks, words, o->n_sacks * 8);
			break;
		case 8:
			o->has_ts = true;
			o->ts_value = words[0];
			o->ts_echo = words[1];
			break;
		default:
			script_wrong("the engine has sent option %u", *at);
		}
		at += at[1];
	}
}

static struct peer *peer_of(const struct tcp_rig_segment *g)
{
	const unsigned n = g->dport - 40000u;

	TCP_RIG_CHECK(n < PEERS);
	return &script.peers[n];
}

// Learns what the numbers of a connection count from.
static void learn(struct peer *p, const struct tcp_rig_segment *g, const struct options *o)
{
	if (g->flags & RTE_TCP_SYN_FLAG) {
		p->our_iss = g->seq;
		p->own = g->sport;
		p->has_iss = true;
	}
	if (o->has_ts) {
		if (!p->has_ts)
			p->first_ts = o->ts_value;
		p->has_ts = true;
		p->last_ts = o->ts_value;
	}
}

static void describe(const struct tcp_rig_packet *packet, char *text, size_t size)
{
	struct tcp_rig_segment g;
	struct options o;
	int n;

	if (!tcp_rig_read(packet->bytes, packet->length, &g)) {
		snprintf(text, size, "no TCP segment");
		return;
	}
	read_wire_options(&o, &g);
	const struct peer *p = peer_of(&g);
	const uint32_t seq = g.seq - (p->has_iss ? p->our_iss : g.seq);

	n = snprintf(text, size, "+%.6f > %s%s%s%s%s%s %u:%u(%u) ack %u win %u",
		(double)(packet->at_us - script.from_us) / 1e6, g.flags & 2 ? "S" : "",
		g.flags & 1 ? "F" : "", g.flags & 4 ? "R" : "", g.flags & 8 ? "P" : "",
		g.flags & 32 ? "U" : "", g.flags & 16 ? "." : "", seq, seq + g.length, g.length,
		g.flags & 16 ? g.ack - script.peer_isn : 0, g.window);
	if (o.mss != 0)
		n += snprintf(text + n, size - (size_t)n, " mss %u", o.mss);
	if (o.wscale >= 0)
		n += snprintf(text + n, size - (size_t)n, " wscale %d", o.wscale);
	if (o.sack_ok)
		n += snprintf(text + n, size - (size_t)n, " sackOK");
	if (o.has_ts)
		n += snprintf(text + n, size - (size_t)n, " ts %u %u", o.ts_value - p->first_ts,
			o.ts_echo);
	for (unsigned i = 0; i < o.n_sacks; i++)
		n += snprintf(text + n, size - (size_t)n, " sack %u:%u",
			o.sacks[i][0] - script.peer_isn, o.sacks[i][1] - script.peer_isn);
	snprintf(text + n, size - (size_t)n, " (connection %u)", (unsigned)(p - script.peers));
}

void script_none_left(void)
{
	const struct tcp_rig_packet *p = tcp_rig_take(script.r);
	char text[400];

	if (p == NULL)
		return;
	describe(p, text, sizeof(text));
	script_wrong("this has left: %s", text);
}

static void compare_options(
	const struct options *want, const struct options *is, const struct peer *p)
{
	const uint32_t ms = is->ts_value - p->first_ts;

	if (!want->given) {
		if (is->n_sacks > 0)
			script_wrong("SACK blocks that the script does not name: %u:%u",
				is->sacks[0][0] - script.peer_isn,
				is->sacks[0][1] - script.peer_isn);
		return;
	}
	if (want->mss != is->mss || want->wscale != is->wscale || want->sack_ok != is->sack_ok)
		script_wrong(
			"options: mss %u wscale %d sackOK %d", is->mss, is->wscale, is->sack_ok);
	if (want->has_ts != is->has_ts)
		script_wrong("%s timestamp", is->has_ts ? "a" : "no");
	if (want->has_ts && !want->any_value && ms - want->ts_value + 2 > 4)
		script_wrong("timestamp %u", ms);
	if (want->has_ts && !want->any_echo && is->ts_echo != want->ts_echo)
		script_wrong("timestamp echo %u", is->ts_echo);
	if (want->n_sacks != is->n_sacks)
		script_wrong("%u SACK blocks", is->n_sacks);
	for (unsigned i = 0; i < is->n_sacks; i++)
		if (is->sacks[i][0] - script.peer_isn != want->sacks[i][0] ||
			is->sacks[i][1] - script.peer_isn != want->sacks[i][1])
			script_wrong("SACK block %u is %u:%u", i, is->sacks[i][0] - script.peer_isn,
				is->sacks[i][1] - script.peer_isn);
}

static void compare(const struct line *want, const struct tcp_rig_packet *packet)
{
	struct tcp_rig_segment g;
	struct options o;
	char text[400];

	if (!tcp_rig_read(packet->bytes, packet->length, &g))
		script_wrong("no TCP segment");
	read_wire_options(&o, &g);
	describe(packet, text, sizeof(text));
	if (peer_of(&g) != script.p)
		script_wrong("of another connection: %s", text);
	learn(script.p, &g, &o);
	describe(packet, text, sizeof(text));
	// A reset in answer to what acknowledges nothing has number 0 (RFC 9293 3.10.7.1).
	const bool bare = (g.flags & RTE_TCP_RST_FLAG) && g.seq == 0;
	const uint32_t seq = bare ? 0 : g.seq - script.p->our_iss;

	if (g.flags != want->flags || seq != want->seq || g.length != want->length ||
		(want->has_ack && g.ack - script.peer_isn != want->ack) ||
		(want->has_win && g.window != want->window))
		script_wrong("this has left: %s", text);
	compare_options(&want->o, &o, script.p);
	for (unsigned i = 0; i < g.length; i++)
		if (g.payload[i] != script_pattern(seq - 1 + i))
			script_wrong("byte %u of this is wrong: %s", i, text);
	uint8_t copy[TCP_RIG_FRAME];

	// Headers are what they should be, to the bit.
	memcpy(copy, packet->bytes, packet->length);
	tcp_rig_sum(copy, packet->length);
	if (memcmp(copy, packet->bytes, packet->length) != 0)
		script_wrong("checksums");
}

static void step(uint64_t now)
{
	tcp_rig_time(script.r, now);
	script_settle();
}

// Lets time go by in steps as a worker that is awake would see it; stops when a packet leaves.
// What is longer goes by in larger steps, but for its end.
#define LONG_US 100000000

bool script_wait_until(uint64_t until)
{
	while (script.r->now_us < until) {
		if (script.r->next_out != script.r->n_out)
			return true;
		step(RTE_MIN(script.r->now_us + (until - script.r->now_us > LONG_US ? 50000 : 500),
			until));
	}
	return script.r->next_out != script.r->n_out;
}

void script_expect(char *text, bool timed, uint64_t us)
{
	const uint64_t due = script.from_us + us;
	const struct tcp_rig_packet *p;
	struct line l;
	char found[400];

	script_read_segment(&l, text);
	script_wait_until(timed ? due + LATE_US : script.r->now_us);
	p = tcp_rig_take(script.r);
	if (p == NULL)
		script_wrong("nothing has left");
	if (timed && (p->at_us + 1 < due || p->at_us > due + LATE_US)) {
		describe(p, found, sizeof(found));
		script_wrong("at another time: %s", found);
	}
	compare(&l, p);
	if (timed)
		script.from_us = p->at_us;
}

// --- what arrives

void script_put(const struct line *l)
{
	struct tcp_rig_segment g = {
		.src = script_addr(false),
		.dst = script_addr(true),
		.sport = script.p->port,
		.dport = script.p->own,
		.seq = script.peer_isn + l->seq,
		.ack = l->flags & RTE_TCP_ACK_FLAG ? script.p->our_iss + l->ack : 0,
		.window = (uint16_t)l->window,
		.urgent = (uint16_t)l->urgent,
		.flags = l->flags,
		.n_options = (uint8_t)l->o.n_bytes,
		.length = (uint16_t)l->length,
	};
	uint8_t payload[TCP_RIG_FRAME], packet[TCP_RIG_FRAME + 100];

	memcpy(g.options, l->o.bytes, l->o.n_bytes);
	TCP_RIG_CHECK(l->length <= sizeof(payload));
	for (unsigned i = 0; i < l->length; i++)
		payload[i] = script_pattern(l->seq - 1 + i);
	g.payload = payload;
	const size_t length = tcp_rig_write(&g, packet);

	if (l->bad_sum)
		packet[length - 1] ^= 0x55;
	tcp_rig_put(script.r, packet, length);
	script_settle();
}

void script_put_raw(const char *text)
{
	uint8_t packet[TCP_RIG_FRAME] = {0}, tcp[512];
	size_t n = 0;
	const struct postern_addr src = script_addr(false), dst = script_addr(true);

	for (; *text != '\0'; text++) {
		unsigned byte;

		if (isspace((unsigned char)*text))
			continue;
		if (sscanf(text, "%2x", &byte) != 1 || n == sizeof(tcp))
			script_wrong("raw: %s", text);
		tcp[n++] = (uint8_t)byte;
		text++;
	}
	const uint16_t header = ip_header_write(
		packet, script.v6 ? POSTERN_V6 : POSTERN_V4, &src, &dst, IPPROTO_TCP, (uint16_t)n);

	memcpy(packet + header, tcp, n);
	if (n >= 20) {
		packet[header] = (uint8_t)(script.p->port >> 8);
		packet[header + 1] = (uint8_t)script.p->port;
		packet[header + 2] = (uint8_t)(script.p->own >> 8);
		packet[header + 3] = (uint8_t)script.p->own;
		tcp_rig_sum(packet, header + n);
	}
	tcp_rig_put(script.r, packet, header + n);
	script_settle();
}

void script_put_icmp(const char *text)
{
	const struct postern_addr router = script_addr(false), own = script_addr(true);
	uint8_t packet[256] = {0};
	unsigned type, code, mtu = 0, seq;
	const uint8_t proto = script.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	if (sscanf(text, " too-big %u %u", &mtu, &seq) == 2) {
		type = script.v6 ? 2 : 3;
		code = script.v6 ? 0 : 4;
		mtu = mtu == 0 || !script.v6 ? mtu : mtu + 20;
	} else if (sscanf(text, " %u %u %u", &type, &code, &seq) != 3) {
		script_wrong("icmp%s", text);
	}
	const uint16_t inner = script.v6 ? 40 : 20;
	const uint16_t header = ip_header_write(packet, script.v6 ? POSTERN_V6 : POSTERN_V4,
		&router, &own, proto, (uint16_t)(8 + inner + 8));
	uint8_t *icmp = packet + header, *tcp;

	icmp[0] = (uint8_t)type;
	icmp[1] = (uint8_t)code;
	icmp[6] = (uint8_t)(mtu >> 8);
	icmp[7] = (uint8_t)mtu;
	ip_header_write(
		icmp + 8, script.v6 ? POSTERN_V6 : POSTERN_V4, &own, &router, IPPROTO_TCP, 1480);
	tcp = icmp + 8 + inner;
	seq += script.p->our_iss;
	const uint8_t start[8] = {(uint8_t)(script.p->own >> 8), (uint8_t)script.p->own,
		(uint8_t)(script.p->port >> 8), (uint8_t)script.p->port, (uint8_t)(seq >> 24),
		(uint8_t)(seq >> 16), (uint8_t)(seq >> 8), (uint8_t)seq};

	memcpy(tcp, start, sizeof(start));
	tcp_rig_sum(packet, header + 8u + inner + 8u);
	tcp_rig_put(script.r, packet, header + 8u + inner + 8u);
	script_settle();
}
