// SPDX-License-Identifier: BSD-2-Clause
// Plays one script of packets: reads it line by line, turns the clock, puts packets in and compares what
// comes out.

#include "tcp_script.h"

#include <rte_tcp.h>

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PEERS     32
#define LINE_MAX_ 1024
#define LATE_US   2048
#define PORT      5061

struct peer {
	uint16_t port; // of the peer
	uint16_t own;  // of the engine
	uint32_t our_iss;
	uint32_t first_ts;
	uint32_t last_ts;
	bool has_iss;
	bool has_ts;
	struct tcp_conn *c;
	uint32_t events;
	size_t written, read;
};

struct options {
	bool given;
	unsigned mss; // 0: none
	int wscale;   // -1: none
	bool sack_ok;
	bool has_ts;
	bool any_value, any_echo;
	uint32_t ts_value, ts_echo;
	unsigned n_sacks;
	uint32_t sacks[4][2];
	uint8_t bytes[64]; // as they lie on the wire
	unsigned n_bytes;
};

struct line {
	uint8_t flags;
	uint32_t seq, end, length;
	bool has_ack, has_win, bad_sum;
	uint32_t ack;
	uint32_t window;
	uint32_t urgent;
	struct options o;
};

static struct {
	const char *path;
	unsigned number;
	bool v6;
	bool skip;
	struct tcp_rig *r;
	struct tcp_rig_options options;
	uint32_t peer_isn;
	unsigned cuts;
	bool no_route;
	struct peer peers[PEERS];
	struct peer *p;
	enum tcp_admission admission;
	uint64_t from_us; // where the time of a line begins
	char place[400];
} s;

const char *tcp_script_place(void)
{
	snprintf(s.place, sizeof(s.place), "%s:%u (%s)", s.path, s.number, s.v6 ? "v6" : "v4");
	return s.place;
}

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void wrong(const char *format, ...)
{
	char text[800];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tcp_script_wrong(text);
}

static struct postern_addr addr(bool own)
{
	struct postern_addr a;

	postern_addr_parse(s.v6 ? (own ? "2001:db8:1::20" : "2001:db8:99::1")
				: (own ? "203.0.113.20" : "198.18.0.1"),
		&a);
	return a;
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

static enum tcp_admission admit(void *context, void *listener, const struct postern_endpoint *local,
	const struct postern_endpoint *remote)
{
	(void)context;
	TCP_RIG_CHECK(listener == &s && local->port == PORT && remote->port >= 40000);
	return s.admission;
}

// --- events

static void collect(void)
{
	struct tcp_event events[8];
	unsigned n;

	while ((n = tcp_events(s.r->t, events, 8)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			struct peer *p = events[i].user;

			if (events[i].what & TCP_EVENT_ACCEPTED) {
				const struct postern_endpoint e = tcp_conn_remote(events[i].conn);

				TCP_RIG_CHECK(events[i].user == &s);
				p = &s.peers[e.port - 40000];
				p->c = events[i].conn;
				tcp_conn_set_user(p->c, p);
			}
			TCP_RIG_CHECK(p->c == events[i].conn);
			p->events |= events[i].what;
		}
	}
}

static void settle(void)
{
	tcp_flush(s.r->t);
	collect();
	tcp_rig_check(s.r);
}

static void begin(void)
{
	if (s.r != NULL)
		return;
	s.options.mtu = (uint16_t)((s.options.mtu != 0 ? s.options.mtu : 1500) + (s.v6 ? 20 : 0));
	s.options.user = (struct tcp_user){&s, admit};
	s.options.secret = 0x35;
	s.r = tcp_rig_new(&s.options);
	s.r->cuts = s.cuts;
	s.r->no_route = s.no_route ? -ENETUNREACH : 0;
	s.from_us = s.r->now_us;
}

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
			wrong("flags: %s", text);
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
		put_word(o, s.p->our_iss + o->sacks[i][0]);
		put_word(o, s.p->our_iss + o->sacks[i][1]);
	}
}

static void read_ts(struct options *o, const char *at)
{
	char value[32], echo[32];

	if (sscanf(at, "%31s %31s", value, echo) != 2)
		wrong("ts %s", at);
	o->has_ts = true;
	o->any_value = value[0] == '*';
	o->any_echo = echo[0] == '*';
	o->ts_value = (uint32_t)strtoul(value, NULL, 0);
	o->ts_echo = strcmp(echo, "last") == 0 ? s.p->last_ts : (uint32_t)strtoul(echo, NULL, 0);
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
			wrong("option: %s", at);
		}
	}
}

static void read_segment(struct line *l, char *text)
{
	char flags[16], *at = text, *open = strchr(text, '<');
	int used = 0;

	*l = (struct line){.o = {.wscale = -1}};
	if (open != NULL) {
		char *close = strchr(open, '>');

		if (close == NULL)
			wrong("options without an end");
		*open = *close = '\0';
		read_options(&l->o, open + 1);
	}
	if (sscanf(at, " %15s %u:%u(%u)%n", flags, &l->seq, &l->end, &l->length, &used) != 4)
		wrong("segment: %s", text);
	if (l->seq + l->length != l->end)
		wrong("%u:%u is not %u bytes", l->seq, l->end, l->length);
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
			wrong("%s without a number", word);
		if (strcmp(word, "ack") == 0) {
			l->has_ack = true;
			l->ack = n;
		} else if (strcmp(word, "win") == 0) {
			l->has_win = true;
			l->window = n;
		} else if (strcmp(word, "urg") == 0) {
			l->urgent = n;
		} else {
			wrong("unknown: %s", word);
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
			wrong("the engine has sent option %u", *at);
		}
		at += at[1];
	}
}

static struct peer *peer_of(const struct tcp_rig_segment *g)
{
	const unsigned n = g->dport - 40000u;

	TCP_RIG_CHECK(n < PEERS);
	return &s.peers[n];
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
		(double)(packet->at_us - s.from_us) / 1e6, g.flags & 2 ? "S" : "",
		g.flags & 1 ? "F" : "", g.flags & 4 ? "R" : "", g.flags & 8 ? "P" : "",
		g.flags & 32 ? "U" : "", g.flags & 16 ? "." : "", seq, seq + g.length, g.length,
		g.flags & 16 ? g.ack - s.peer_isn : 0, g.window);
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
		n += snprintf(text + n, size - (size_t)n, " sack %u:%u", o.sacks[i][0] - s.peer_isn,
			o.sacks[i][1] - s.peer_isn);
	snprintf(text + n, size - (size_t)n, " (connection %u)", (unsigned)(p - s.peers));
}

static void none_left(void)
{
	const struct tcp_rig_packet *p = tcp_rig_take(s.r);
	char text[400];

	if (p == NULL)
		return;
	describe(p, text, sizeof(text));
	wrong("this has left: %s", text);
}

static void compare_options(
	const struct options *want, const struct options *is, const struct peer *p)
{
	const uint32_t ms = is->ts_value - p->first_ts;

	if (!want->given) {
		if (is->n_sacks > 0)
			wrong("SACK blocks that the script does not name: %u:%u",
				is->sacks[0][0] - s.peer_isn, is->sacks[0][1] - s.peer_isn);
		return;
	}
	if (want->mss != is->mss || want->wscale != is->wscale || want->sack_ok != is->sack_ok)
		wrong("options: mss %u wscale %d sackOK %d", is->mss, is->wscale, is->sack_ok);
	if (want->has_ts != is->has_ts)
		wrong("%s timestamp", is->has_ts ? "a" : "no");
	if (want->has_ts && !want->any_value && ms - want->ts_value + 2 > 4)
		wrong("timestamp %u", ms);
	if (want->has_ts && !want->any_echo && is->ts_echo != want->ts_echo)
		wrong("timestamp echo %u", is->ts_echo);
	if (want->n_sacks != is->n_sacks)
		wrong("%u SACK blocks", is->n_sacks);
	for (unsigned i = 0; i < is->n_sacks; i++)
		if (is->sacks[i][0] - s.peer_isn != want->sacks[i][0] ||
			is->sacks[i][1] - s.peer_isn != want->sacks[i][1])
			wrong("SACK block %u is %u:%u", i, is->sacks[i][0] - s.peer_isn,
				is->sacks[i][1] - s.peer_isn);
}

static void compare(const struct line *want, const struct tcp_rig_packet *packet)
{
	struct tcp_rig_segment g;
	struct options o;
	char text[400];

	if (!tcp_rig_read(packet->bytes, packet->length, &g))
		wrong("no TCP segment");
	read_wire_options(&o, &g);
	describe(packet, text, sizeof(text));
	if (peer_of(&g) != s.p)
		wrong("of another connection: %s", text);
	learn(s.p, &g, &o);
	describe(packet, text, sizeof(text));
	// A reset in answer to what acknowledges nothing has number 0 (RFC 9293 3.10.7.1).
	const bool bare = (g.flags & RTE_TCP_RST_FLAG) && g.seq == 0;
	const uint32_t seq = bare ? 0 : g.seq - s.p->our_iss;

	if (g.flags != want->flags || seq != want->seq || g.length != want->length ||
		(want->has_ack && g.ack - s.peer_isn != want->ack) ||
		(want->has_win && g.window != want->window))
		wrong("this has left: %s", text);
	compare_options(&want->o, &o, s.p);
	for (unsigned i = 0; i < g.length; i++)
		if (g.payload[i] != pattern(seq - 1 + i))
			wrong("byte %u of this is wrong: %s", i, text);
	uint8_t copy[TCP_RIG_FRAME];

	// Headers are what they should be, to the bit.
	memcpy(copy, packet->bytes, packet->length);
	tcp_rig_sum(copy, packet->length);
	if (memcmp(copy, packet->bytes, packet->length) != 0)
		wrong("checksums");
}

static void step(uint64_t now)
{
	tcp_rig_time(s.r, now);
	settle();
}

// Lets time go by in steps as a worker that is awake would see it; stops when a packet leaves.
static bool wait_until(uint64_t until)
{
	while (s.r->now_us < until) {
		if (s.r->next_out != s.r->n_out)
			return true;
		step(RTE_MIN(s.r->now_us + 500, until));
	}
	return s.r->next_out != s.r->n_out;
}

static void expect(char *text, bool timed, uint64_t us)
{
	const uint64_t due = s.from_us + us;
	const struct tcp_rig_packet *p;
	struct line l;
	char found[400];

	read_segment(&l, text);
	wait_until(timed ? due + LATE_US : s.r->now_us);
	p = tcp_rig_take(s.r);
	if (p == NULL)
		wrong("nothing has left");
	if (timed && (p->at_us + 1 < due || p->at_us > due + LATE_US)) {
		describe(p, found, sizeof(found));
		wrong("at another time: %s", found);
	}
	compare(&l, p);
	if (timed)
		s.from_us = p->at_us;
}

// --- what arrives

static void put(const struct line *l)
{
	struct tcp_rig_segment g = {
		.src = addr(false),
		.dst = addr(true),
		.sport = s.p->port,
		.dport = s.p->own,
		.seq = s.peer_isn + l->seq,
		.ack = l->flags & RTE_TCP_ACK_FLAG ? s.p->our_iss + l->ack : 0,
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
		payload[i] = pattern(l->seq - 1 + i);
	g.payload = payload;
	const size_t length = tcp_rig_write(&g, packet);

	if (l->bad_sum)
		packet[length - 1] ^= 0x55;
	tcp_rig_put(s.r, packet, length);
	settle();
}

static void put_raw(const char *text)
{
	uint8_t packet[TCP_RIG_FRAME] = {0}, tcp[512];
	size_t n = 0;
	const struct postern_addr src = addr(false), dst = addr(true);

	for (; *text != '\0'; text++) {
		unsigned byte;

		if (isspace((unsigned char)*text))
			continue;
		if (sscanf(text, "%2x", &byte) != 1 || n == sizeof(tcp))
			wrong("raw: %s", text);
		tcp[n++] = (uint8_t)byte;
		text++;
	}
	const uint16_t header = ip_header_write(
		packet, s.v6 ? POSTERN_V6 : POSTERN_V4, &src, &dst, IPPROTO_TCP, (uint16_t)n);

	memcpy(packet + header, tcp, n);
	if (n >= 20) {
		packet[header] = (uint8_t)(s.p->port >> 8);
		packet[header + 1] = (uint8_t)s.p->port;
		packet[header + 2] = (uint8_t)(s.p->own >> 8);
		packet[header + 3] = (uint8_t)s.p->own;
		tcp_rig_sum(packet, header + n);
	}
	tcp_rig_put(s.r, packet, header + n);
	settle();
}

static void put_icmp(const char *text)
{
	const struct postern_addr router = addr(false), own = addr(true);
	uint8_t packet[256] = {0};
	unsigned type, code, mtu = 0, seq;
	const uint8_t proto = s.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	if (sscanf(text, " too-big %u %u", &mtu, &seq) == 2) {
		type = s.v6 ? 2 : 3;
		code = s.v6 ? 0 : 4;
		mtu = mtu == 0 || !s.v6 ? mtu : mtu + 20;
	} else if (sscanf(text, " %u %u %u", &type, &code, &seq) != 3) {
		wrong("icmp%s", text);
	}
	const uint16_t inner = s.v6 ? 40 : 20;
	const uint16_t header = ip_header_write(packet, s.v6 ? POSTERN_V6 : POSTERN_V4, &router,
		&own, proto, (uint16_t)(8 + inner + 8));
	uint8_t *icmp = packet + header, *tcp;

	icmp[0] = (uint8_t)type;
	icmp[1] = (uint8_t)code;
	icmp[6] = (uint8_t)(mtu >> 8);
	icmp[7] = (uint8_t)mtu;
	ip_header_write(icmp + 8, s.v6 ? POSTERN_V6 : POSTERN_V4, &own, &router, IPPROTO_TCP, 1480);
	tcp = icmp + 8 + inner;
	seq += s.p->our_iss;
	const uint8_t start[8] = {(uint8_t)(s.p->own >> 8), (uint8_t)s.p->own,
		(uint8_t)(s.p->port >> 8), (uint8_t)s.p->port, (uint8_t)(seq >> 24),
		(uint8_t)(seq >> 16), (uint8_t)(seq >> 8), (uint8_t)seq};

	memcpy(tcp, start, sizeof(start));
	tcp_rig_sum(packet, header + 8u + inner + 8u);
	tcp_rig_put(s.r, packet, header + 8u + inner + 8u);
	settle();
}

// --- the user

static void user_write(const char *text)
{
	unsigned n, taken;
	const int fields = sscanf(text, "%u = %u", &n, &taken);
	uint8_t *bytes;
	size_t done;

	if (fields < 1)
		wrong("write %s", text);
	bytes = malloc(n + 1u);
	TCP_RIG_CHECK(bytes != NULL);
	for (unsigned i = 0; i < n; i++)
		bytes[i] = pattern(s.p->written + i);
	done = tcp_write(s.r->t, s.p->c, bytes, n);
	free(bytes);
	s.p->written += done;
	if (done != (fields == 2 ? taken : n))
		wrong("%zu bytes were taken", done);
}

static void user_read(unsigned n)
{
	struct iovec iov[4];
	unsigned left = n;

	while (left > 0) {
		const unsigned pieces = tcp_peek(s.r->t, s.p->c, iov, 4);
		size_t used = 0;

		if (pieces == 0)
			wrong("%u bytes are missing", left);
		for (unsigned i = 0; i < pieces && left > 0; i++) {
			const unsigned part = (unsigned)RTE_MIN((size_t)left, iov[i].iov_len);

			for (unsigned k = 0; k < part; k++)
				if (((uint8_t *)iov[i].iov_base)[k] != pattern(s.p->read + k))
					wrong("byte %zu read is wrong", s.p->read + k);
			s.p->read += part;
			used += part;
			left -= part;
		}
		tcp_consume(s.r->t, s.p->c, used);
	}
}

static void expect_events(const char *text)
{
	static const char *const names[] = {
		"accepted", "connected", "readable", "writable", "fin", "urgent", "soft", "closed"};
	uint32_t want = 0;
	char word[32];
	int used;

	for (; sscanf(text, " %31s%n", word, &used) == 1; text += used) {
		unsigned i = 0;

		if (strcmp(word, "none") == 0)
			continue;
		while (i < RTE_DIM(names) && strcmp(word, names[i]) != 0)
			i++;
		if (i == RTE_DIM(names))
			wrong("event %s", word);
		want |= 1u << i;
	}
	if (s.p->events != want)
		wrong("events are 0x%x, not 0x%x", s.p->events, want);
	s.p->events = 0;
}

static void expect_count(const char *text)
{
	char name[64];
	unsigned n;

	if (sscanf(text, "%63s %u", name, &n) != 2)
		wrong("count %s", text);
	for (unsigned i = 0; i < TCP_COUNTER_COUNT; i++) {
		if (strcmp(tcp_counter_name(i) + strlen("tcp-"), name) != 0)
			continue;
		if (tcp_count(s.r->t, i) != n)
			wrong("%s is %lu", name, (unsigned long)tcp_count(s.r->t, i));
		return;
	}
	wrong("no counter %s", name);
}

static void expect_use(const char *text)
{
	const struct tcp_use u = tcp_use(s.r->t);
	const struct {
		const char *name;
		uint32_t is;
	} uses[] = {{"connections", u.connections}, {"half", u.half_open}, {"wait", u.time_wait},
		{"buffers", u.buffers}, {"addresses", u.addresses}};
	char name[32];
	unsigned n;
	int used;

	for (; sscanf(text, " %31s %u%n", name, &n, &used) == 2; text += used) {
		unsigned i = 0;

		while (i < RTE_DIM(uses) && strcmp(name, uses[i].name) != 0)
			i++;
		if (i == RTE_DIM(uses))
			wrong("use %s", name);
		if (uses[i].is != n)
			wrong("%s: %u", name, uses[i].is);
	}
}

static void expect_reason(const char *text)
{
	static const char *const names[] = {
#define X(name, text) #name,
		TCP_REASONS(X)
#undef X
	};
	const char *is = names[tcp_conn_reason(s.p->c)];

	if (strcasecmp(is, text) != 0)
		wrong("closed because: %s", is);
}

static void set(const char *text)
{
	struct tcp_settings *t = &s.options.settings;
	char name[40];
	unsigned n;
#define NAME(field)                                                                                \
	if (strcmp(name, #field) == 0) {                                                           \
		t->field = (typeof(t->field))n;                                                    \
		return;                                                                            \
	}
#define TABLE(field)                                                                               \
	if (strcmp(name, #field) == 0) {                                                           \
		s.options.field = n;                                                               \
		return;                                                                            \
	}

	if (sscanf(text, "%39s %u", name, &n) != 2)
		wrong("set %s", text);
	NAME(receive_buffer)
	NAME(send_buffer)
	NAME(rto_min)
	NAME(rto_max)
	NAME(rto_initial)
	NAME(ack_delay)
	NAME(give_up)
	NAME(connect_timeout)
	NAME(syn_ack_timeout)
	NAME(time_wait)
	NAME(fin_wait)
	NAME(zero_window)
	NAME(keepalive)
	NAME(keepalive_interval)
	NAME(keepalive_probes)
	NAME(connection_buffers)
	NAME(address_buffers)
	NAME(address_connections)
	NAME(address_half_open)
	NAME(cookies_from)
	NAME(timestamps)
	NAME(sack)
	NAME(window_scale)
	NAME(nagle)
	TABLE(connections)
	TABLE(half_open)
	if (strcmp(name, "time_wait_entries") == 0)
		s.options.time_wait = n;
	else if (strcmp(name, "buffers") == 0)
		s.options.buffers = n;
	else
		wrong("set %s", name);
}

static void user_connect(const char *text)
{
	const struct postern_addr local = addr(true);
	const struct postern_endpoint remote = {addr(false), s.p->port};
	const int rc = tcp_connect(s.r->t, &local, &remote, (uint32_t)atoi(text), s.p, &s.p->c);

	if (rc != 0)
		wrong("connect: %s", strerror(-rc));
}

static void listen_at(bool on)
{
	const struct postern_endpoint e = {addr(true), PORT};

	if (on)
		TCP_RIG_CHECK(tcp_listen(s.r->t, &e, &s) == 0);
	else
		TCP_RIG_CHECK(tcp_unlisten(s.r->t, &e) == 0);
}

static bool prepare(const char *word, const char *rest)
{
	if (strcmp(word, "set") == 0) {
		set(rest);
	} else if (strcmp(word, "mtu") == 0) {
		s.options.mtu = (uint16_t)atoi(rest);
	} else if (strcmp(word, "peer-isn") == 0) {
		s.peer_isn = (uint32_t)strtoul(rest, NULL, 0);
	} else if (strcmp(word, "start") == 0) {
		s.options.start_us = strtoull(rest, NULL, 0);
	} else if (strcmp(word, "cuts") == 0) {
		s.cuts = (unsigned)atoi(rest);
	} else if (strcmp(word, "no-route") == 0) {
		s.no_route = true;
	} else if (strcmp(word, "only") == 0) {
		s.skip = (strcmp(rest, "v6") == 0) != s.v6;
	} else {
		return false;
	}
	if (s.r != NULL)
		wrong("%s comes too late", word);
	return true;
}

static bool look(const char *word, const char *rest)
{
	const unsigned n = (unsigned)strtoul(rest, NULL, 0);

	if (strcmp(word, "event") == 0)
		expect_events(rest);
	else if (strcmp(word, "reason") == 0)
		expect_reason(rest);
	else if (strcmp(word, "count") == 0)
		expect_count(rest);
	else if (strcmp(word, "use") == 0)
		expect_use(rest);
	else if (strcmp(word, "readable") == 0 && tcp_readable(s.p->c) != n)
		wrong("readable %zu", tcp_readable(s.p->c));
	else if (strcmp(word, "urgent") == 0 && tcp_urgent(s.p->c) != n)
		wrong("urgent %u", tcp_urgent(s.p->c));
	else if (strcmp(word, "unacked") == 0 && tcp_unacknowledged(s.p->c) != n)
		wrong("unacked %zu", tcp_unacknowledged(s.p->c));
	else if (strcmp(word, "soft") == 0 && tcp_conn_soft_error(s.p->c) != n)
		wrong("soft 0x%x", tcp_conn_soft_error(s.p->c));
	else
		return strcmp(word, "readable") == 0 || strcmp(word, "urgent") == 0 ||
		       strcmp(word, "unacked") == 0 || strcmp(word, "soft") == 0;
	return true;
}

static void user_reserve(unsigned n)
{
	struct iovec iov[8];

	tcp_reserve(s.r->t, s.p->c, n, iov, 8);
}

// Several of these in a row are one turn: what they have written leaves at the next other line.
static bool is_user_turn(const char *word)
{
	return strcmp(word, "write") == 0 || strcmp(word, "shutdown") == 0 ||
	       strcmp(word, "release") == 0;
}

static void act(const char *word, const char *rest)
{
	struct tcp *t = s.r->t;

	if (strcmp(word, "listen") == 0)
		listen_at(true);
	else if (strcmp(word, "unlisten") == 0)
		listen_at(false);
	else if (strcmp(word, "connect") == 0)
		user_connect(rest);
	else if (strcmp(word, "write") == 0)
		user_write(rest);
	else if (strcmp(word, "reserve") == 0)
		user_reserve((unsigned)atoi(rest));
	else if (strcmp(word, "read") == 0)
		user_read((unsigned)atoi(rest));
	else if (strcmp(word, "shutdown") == 0)
		tcp_shutdown(t, s.p->c);
	else if (strcmp(word, "abort") == 0)
		tcp_abort(t, s.p->c);
	else if (strcmp(word, "release") == 0)
		tcp_release(t, s.p->c);
	else if (strcmp(word, "nagle") == 0)
		tcp_conn_set_nagle(s.p->c, strcmp(rest, "on") == 0);
	else if (strcmp(word, "let-go") == 0)
		tcp_rig_let_go(s.r);
	else if (strcmp(word, "admit") == 0)
		s.admission = strcmp(rest, "yes") == 0  ? TCP_ADMIT
			      : strcmp(rest, "no") == 0 ? TCP_REFUSE
							: TCP_IGNORE;
	else if (strcmp(word, "icmp") == 0)
		put_icmp(rest);
	else if (strcmp(word, "quiet") != 0)
		wrong("unknown: %s", word);
	if (!is_user_turn(word))
		settle();
}

static void play_line(char *text)
{
	char word[32] = "";
	struct line l;
	bool timed = false;
	uint64_t us = 0;
	int used = 0;

	if (*text == '+') {
		us = (uint64_t)(strtod(text + 1, &text) * 1e6 + 0.5);
		timed = true;
		while (*text == ' ')
			text++;
	}
	if (!timed && sscanf(text, "%31s %n", word, &used) == 1 && prepare(word, text + used))
		return;
	if (s.skip)
		return;
	begin();
	if (*text == '>') {
		settle();
		expect(text + 1, timed, us);
		return;
	}
	if (timed && wait_until(s.from_us + us))
		none_left();
	s.from_us = s.r->now_us;
	if (*text == '\0')
		return;
	sscanf(text, "%31s %n", word, &used);
	if (strcmp(word, "conn") == 0) {
		s.p = &s.peers[atoi(text + used)];
		return;
	}
	if (!is_user_turn(word) && strcmp(word, "read") != 0)
		settle();
	if (look(word, text + used))
		return;
	if (!is_user_turn(word))
		settle();
	none_left();
	if (strcmp(word, "<") != 0) {
		act(word, text + used);
	} else if (strncmp(text + used, "raw ", 4) == 0) {
		put_raw(text + used + 4);
	} else {
		read_segment(&l, text + used);
		put(&l);
	}
}

void tcp_script_play(FILE *f, const char *path, bool v6)
{
	char text[LINE_MAX_];

	if (s.r != NULL) {
		// An earlier script has failed; its pools are lost with it.
		tcp_rig_let_go(s.r);
		tcp_fini(s.r->t);
		tcp_rig_abandon(s.r);
	}
	memset(&s, 0, sizeof(s));
	s.path = path;
	s.v6 = v6;
	s.cuts = 1;
	s.peer_isn = 1000;
	s.options = tcp_rig_defaults();
	for (unsigned i = 0; i < PEERS; i++) {
		s.peers[i].port = (uint16_t)(40000 + i);
		s.peers[i].own = PORT;
	}
	s.p = &s.peers[0];
	while (fgets(text, sizeof(text), f) != NULL) {
		char *end = strchr(text, '#'), *at = text;

		s.number++;
		if (end == NULL)
			end = text + strlen(text);
		while (end > text && isspace((unsigned char)end[-1]))
			end--;
		*end = '\0';
		while (isspace((unsigned char)*at))
			at++;
		if (*at != '\0')
			play_line(at);
	}
	if (s.skip)
		return;
	if (s.r == NULL)
		wrong("nothing in it");
	settle();
	none_left();
	tcp_rig_free(s.r);
	s.r = NULL;
}
