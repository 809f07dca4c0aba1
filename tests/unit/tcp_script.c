// SPDX-License-Identifier: BSD-2-Clause
// Plays one script of packets: reads it line by line, turns the clock, does what the user does and looks at
// what the user is told.

#include "tcp_script_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct script script;

const char *tcp_script_place(void)
{
	snprintf(script.place, sizeof(script.place), "%s:%u (%s)", script.path, script.number,
		script.v6 ? "v6" : "v4");
	return script.place;
}

void script_wrong(const char *format, ...)
{
	char text[800];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tcp_script_wrong(text);
}

struct postern_addr script_addr(bool own)
{
	struct postern_addr a;

	postern_addr_parse(script.v6 ? (own ? "2001:db8:1::20" : "2001:db8:99::1")
				     : (own ? "203.0.113.20" : "198.18.0.1"),
		&a);
	return a;
}

uint8_t script_pattern(size_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

static enum tcp_admission admit(void *context, void *listener, const struct postern_endpoint *local,
	const struct postern_endpoint *remote)
{
	(void)context;
	TCP_RIG_CHECK(listener == &script && local->port == PORT && remote->port >= 40000);
	return script.admission;
}

// --- events

static void collect(void)
{
	struct tcp_event events[8];
	unsigned n;

	while ((n = tcp_events(script.r->t, events, 8)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			struct peer *p = events[i].user;

			if (events[i].what & TCP_EVENT_ACCEPTED) {
				const struct postern_endpoint e = tcp_conn_remote(events[i].conn);

				TCP_RIG_CHECK(events[i].user == &script);
				p = &script.peers[e.port - 40000];
				p->c = events[i].conn;
				tcp_conn_set_user(p->c, p);
			}
			TCP_RIG_CHECK(p->c == events[i].conn);
			p->events |= events[i].what;
		}
	}
}

void script_settle(void)
{
	tcp_flush(script.r->t);
	collect();
	tcp_rig_check(script.r);
}

static void begin(void)
{
	if (script.r != NULL)
		return;
	script.options.mtu = (uint16_t)((script.options.mtu != 0 ? script.options.mtu : 1500) +
					(script.v6 ? 20 : 0));
	script.options.user = (struct tcp_user){&script, admit};
	script.options.secret = 0x35;
	script.r = tcp_rig_new(&script.options);
	script.r->cuts = script.cuts;
	script.r->no_route = script.no_route ? -ENETUNREACH : 0;
	script.from_us = script.r->now_us;
}
// --- the user

static void user_write(const char *text)
{
	unsigned n, taken;
	const int fields = sscanf(text, "%u = %u", &n, &taken);
	uint8_t *bytes;
	size_t done;

	if (fields < 1)
		script_wrong("write %s", text);
	bytes = malloc(n + 1u);
	TCP_RIG_CHECK(bytes != NULL);
	for (unsigned i = 0; i < n; i++)
		bytes[i] = script_pattern(script.p->written + i);
	done = tcp_write(script.r->t, script.p->c, bytes, n);
	free(bytes);
	script.p->written += done;
	if (done != (fields == 2 ? taken : n))
		script_wrong("%zu bytes were taken", done);
}

static void user_read(unsigned n)
{
	struct iovec iov[4];
	unsigned left = n;

	while (left > 0) {
		const unsigned pieces = tcp_peek(script.r->t, script.p->c, iov, 4);
		size_t used = 0;

		if (pieces == 0)
			script_wrong("%u bytes are missing", left);
		for (unsigned i = 0; i < pieces && left > 0; i++) {
			const unsigned part = (unsigned)RTE_MIN((size_t)left, iov[i].iov_len);

			for (unsigned k = 0; k < part; k++)
				if (((uint8_t *)iov[i].iov_base)[k] !=
					script_pattern(script.p->read + k))
					script_wrong("byte %zu read is wrong", script.p->read + k);
			script.p->read += part;
			used += part;
			left -= part;
		}
		tcp_consume(script.r->t, script.p->c, used);
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
			script_wrong("event %s", word);
		want |= 1u << i;
	}
	if (script.p->events != want)
		script_wrong("events are 0x%x, not 0x%x", script.p->events, want);
	script.p->events = 0;
}

static void expect_count(const char *text)
{
	char name[64];
	unsigned n;

	if (sscanf(text, "%63s %u", name, &n) != 2)
		script_wrong("count %s", text);
	for (unsigned i = 0; i < TCP_COUNTER_COUNT; i++) {
		if (strcmp(tcp_counter_name(i) + strlen("tcp-"), name) != 0)
			continue;
		if (tcp_count(script.r->t, i) != n)
			script_wrong("%s is %lu", name, (unsigned long)tcp_count(script.r->t, i));
		return;
	}
	script_wrong("no counter %s", name);
}

static void expect_use(const char *text)
{
	const struct tcp_use u = tcp_use(script.r->t);
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
			script_wrong("use %s", name);
		if (uses[i].is != n)
			script_wrong("%s: %u", name, uses[i].is);
	}
}

static void expect_reason(const char *text)
{
	static const char *const names[] = {
#define X(name, text) #name,
		TCP_REASONS(X)
#undef X
	};
	const char *is = names[tcp_conn_reason(script.p->c)];

	if (strcasecmp(is, text) != 0)
		script_wrong("closed because: %s", is);
}

static void set(const char *text)
{
	struct tcp_settings *t = &script.options.settings;
	char name[40];
	unsigned n;
#define NAME(field)                                                                                \
	if (strcmp(name, #field) == 0) {                                                           \
		t->field = (typeof(t->field))n;                                                    \
		return;                                                                            \
	}
#define TABLE(field)                                                                               \
	if (strcmp(name, #field) == 0) {                                                           \
		script.options.field = n;                                                          \
		return;                                                                            \
	}

	if (sscanf(text, "%39s %u", name, &n) != 2)
		script_wrong("set %s", text);
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
	NAME(port_first)
	NAME(port_last)
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
		script.options.time_wait = n;
	else if (strcmp(name, "buffers") == 0)
		script.options.buffers = n;
	else
		script_wrong("set %s", name);
}

static void user_connect(const char *text)
{
	const struct postern_addr local = script_addr(true);
	const struct postern_endpoint remote = {script_addr(false), script.p->port};
	const int rc = tcp_connect(
		script.r->t, &local, &remote, (uint32_t)atoi(text), script.p, &script.p->c);

	if (rc != 0)
		script_wrong("connect: %s", strerror(-rc));
}

static void listen_at(bool on)
{
	const struct postern_endpoint e = {script_addr(true), PORT};

	if (on)
		TCP_RIG_CHECK(tcp_listen(script.r->t, &e, &script) == 0);
	else
		TCP_RIG_CHECK(tcp_unlisten(script.r->t, &e) == 0);
}

static bool prepare(const char *word, const char *rest)
{
	if (strcmp(word, "set") == 0) {
		set(rest);
	} else if (strcmp(word, "mtu") == 0) {
		script.options.mtu = (uint16_t)atoi(rest);
	} else if (strcmp(word, "peer-isn") == 0) {
		script.peer_isn = (uint32_t)strtoul(rest, NULL, 0);
	} else if (strcmp(word, "start") == 0) {
		script.options.start_us = strtoull(rest, NULL, 0);
	} else if (strcmp(word, "cuts") == 0) {
		script.cuts = (unsigned)atoi(rest);
	} else if (strcmp(word, "no-route") == 0) {
		script.no_route = true;
	} else if (strcmp(word, "only") == 0) {
		script.skip = (strcmp(rest, "v6") == 0) != script.v6;
	} else {
		return false;
	}
	if (script.r != NULL)
		script_wrong("%s comes too late", word);
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
	else if (strcmp(word, "readable") == 0 && tcp_readable(script.p->c) != n)
		script_wrong("readable %zu", tcp_readable(script.p->c));
	else if (strcmp(word, "urgent") == 0 && tcp_urgent(script.p->c) != n)
		script_wrong("urgent %u", tcp_urgent(script.p->c));
	else if (strcmp(word, "unacked") == 0 && tcp_unacknowledged(script.p->c) != n)
		script_wrong("unacked %zu", tcp_unacknowledged(script.p->c));
	else if (strcmp(word, "soft") == 0 && tcp_conn_soft_error(script.p->c) != n)
		script_wrong("soft 0x%x", tcp_conn_soft_error(script.p->c));
	else
		return strcmp(word, "readable") == 0 || strcmp(word, "urgent") == 0 ||
		       strcmp(word, "unacked") == 0 || strcmp(word, "soft") == 0;
	return true;
}

static void user_reserve(unsigned n)
{
	struct iovec iov[8];

	tcp_reserve(script.r->t, script.p->c, n, iov, 8);
}

// Several of these in a row are one turn: what they have written leaves at the next other line.
static bool is_user_turn(const char *word)
{
	return strcmp(word, "write") == 0 || strcmp(word, "shutdown") == 0 ||
	       strcmp(word, "release") == 0;
}

static void act(const char *word, const char *rest)
{
	struct tcp *t = script.r->t;

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
		tcp_shutdown(t, script.p->c);
	else if (strcmp(word, "abort") == 0)
		tcp_abort(t, script.p->c);
	else if (strcmp(word, "release") == 0)
		tcp_release(t, script.p->c);
	else if (strcmp(word, "nagle") == 0)
		tcp_conn_set_nagle(script.p->c, strcmp(rest, "on") == 0);
	else if (strcmp(word, "let-go") == 0)
		tcp_rig_let_go(script.r);
	else if (strcmp(word, "admit") == 0)
		script.admission = strcmp(rest, "yes") == 0  ? TCP_ADMIT
				   : strcmp(rest, "no") == 0 ? TCP_REFUSE
							     : TCP_IGNORE;
	else if (strcmp(word, "icmp") == 0)
		script_put_icmp(rest);
	else if (strcmp(word, "quiet") != 0)
		script_wrong("unknown: %s", word);
	if (!is_user_turn(word))
		script_settle();
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
	if (script.skip)
		return;
	begin();
	if (*text == '>') {
		script_settle();
		script_expect(text + 1, timed, us);
		return;
	}
	if (timed && script_wait_until(script.from_us + us))
		script_none_left();
	script.from_us = script.r->now_us;
	if (*text == '\0')
		return;
	sscanf(text, "%31s %n", word, &used);
	if (strcmp(word, "conn") == 0) {
		script.p = &script.peers[atoi(text + used)];
		return;
	}
	if (!is_user_turn(word) && strcmp(word, "read") != 0)
		script_settle();
	if (look(word, text + used))
		return;
	if (!is_user_turn(word))
		script_settle();
	script_none_left();
	if (strcmp(word, "<") != 0) {
		act(word, text + used);
	} else if (strncmp(text + used, "raw ", 4) == 0) {
		script_put_raw(text + used + 4);
	} else {
		script_read_segment(&l, text + used);
		script_put(&l);
	}
}

void tcp_script_play(FILE *f, const char *path, bool v6)
{
	char text[LINE_MAX_];

	if (script.r != NULL) {
		// An earlier script has failed; its pools are lost with it.
		tcp_rig_let_go(script.r);
		tcp_fini(script.r->t);
		tcp_rig_abandon(script.r);
	}
	memset(&script, 0, sizeof(script));
	script.path = path;
	script.v6 = v6;
	script.cuts = 1;
	script.peer_isn = 1000;
	script.options = tcp_rig_defaults();
	for (unsigned i = 0; i < PEERS; i++) {
		script.peers[i].port = (uint16_t)(40000 + i);
		script.peers[i].own = PORT;
	}
	script.p = &script.peers[0];
	while (fgets(text, sizeof(text), f) != NULL) {
		char *end = strchr(text, '#'), *at = text;

		script.number++;
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
	if (script.skip)
		return;
	if (script.r == NULL)
		script_wrong("nothing in it");
	script_settle();
	script_none_left();
	tcp_rig_free(script.r);
	script.r = NULL;
}
