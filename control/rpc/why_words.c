// SPDX-License-Identifier: BSD-2-Clause
// What each reason means for who was refused, and what an operator does about it. Words in braces
// stand for what the record says.

#include "control/pool/pool.h"
#include "control/rpc/internal.h"
#include "control/rpc/session.h"
#include "control/rpc/why.h"

#include "postern/hello.h"
#include "postern/snapshot.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct words {
	uint16_t reason;
	const char *what;
	const char *next;
};

#define W(reason, what, next)                                                                      \
	{                                                                                          \
		POSTERN_COUNTER_##reason, what, next                                               \
	}

static const struct words all[] = {
	W(REFUSE_NO_MEMBER,
		"{from} wanted to reach {to} ({service}): no member of pool {pool} took new "
		"sessions",
		"posternctl member list --pool {pool}"),
	W(REFUSE_PORT_CLOSED, "{from} wanted to reach {to} over {protocol}: no service is there",
		"compare the port with posternctl service list"),
	W(REFUSE_NO_SESSION,
		"{from} sent to {to} in a session that is not known here, and was told with a "
		"reset: "
		"the session had ended, or postern was restarted since",
		"nothing, if it connects anew; posternctl audit list tells of restarts"),
	W(REFUSE_MEMBERS_FAILED,
		"{from} wanted to reach {to} ({service}, {hello}): every member that was asked "
		"refused or did not answer ({asked})",
		"posternctl member list --pool {pool}; posternctl why {service}"),
	W(REFUSE_HELLO_TIMEOUT,
		"{from} connected to {to} ({service}) and did not say in time what it wants "
		"({hello})",
		"a probe, or a path that loses large packets: does it end after some 1,400 bytes? "
		"Else raise timeouts: {opening: ...} of the service"),
	W(REFUSE_HELLO_MALFORMED, "{from} sent a broken ClientHello to {to} ({service})",
		"what software is it? tcpdump on its side shows the bytes"),
	W(REFUSE_HELLO_TOO_LONG,
		"{from} sent a ClientHello of more than 16 KB to {to} ({service}), or one in more "
		"than 64 records",
		"nothing, if it is a scan"),
	W(REFUSE_HELLO_NAME,
		"{from} asked {to} ({service}) for a server name that is no name in DNS",
		"names end without a dot, and hold letters, digits and hyphens"),
	W(REFUSE_NOT_TLS,
		"{from} wanted to reach {to} ({service}) and did not begin with TLS: {hello}",
		"if it should pass, add a rule with first: and a pool to choose of the service"),
	W(REFUSE_RULE, "{from} wanted to reach {to} ({service}): a rule refuses it ({hello})",
		"posternctl config show: the rules under choose of the service"),
	W(REFUSE_OPENING_LIMIT,
		"{from} had as many connections with {service} whose hello is not whole as one "
		"address may",
		"opening-per-address under dataplane is the limit (a restart)"),
	W(CLOSE_LOST, "a session of {from} with {service} was ended: the {side} no longer answered",
		"the way to the {side}, or the {side} itself, is gone"),
	W(DROP_TABLE_FULL,
		"{from} wanted to reach {to} ({service}): the session table was full of "
		"established sessions",
		"raise sessions under dataplane (a restart); posternctl status"),
	W(DROP_FLOOD,
		"SYNs came faster than they could be worked off while the session table was full "
		"of what never began ({service}): most were dropped, whoever sent them",
		"posternctl stats: does drop-flood still grow? Clients ask again by themselves"),
	W(DROP_PORTS_EXHAUSTED,
		"{from} wanted to reach {to} ({service}): no source port was free towards member "
		"{member}",
		"add addresses to translate-from of the interface towards {member} (a restart)"),
	W(DROP_NO_ROUTE,
		"{from} wanted to reach {to} ({service}): there is no route, back to it or to the "
		"member",
		"set a gateway or routes: posternctl interface show {interface}"),
	W(DROP_NEIGHBOUR_TABLE,
		"{from} wanted to reach {to} ({service}): the table of neighbours was full",
		"posternctl neighbour list: who are all these stations on the link?"),
	W(DROP_SPOOFED,
		"{from} came in by {interface}, but is a neighbour on another link: taken for "
		"forged",
		"check the cabling and addresses: posternctl neighbour show ADDRESS"),
	W(DROP_TCP_CHECKSUM,
		"{from} sent a first segment to {to} with a wrong checksum: its sender leaves "
		"checksums to a NIC that does not write them",
		"on the sender: ethtool -K IFACE tx off"),
	W(DROP_TCP_FLAGS, "{from} sent flags to {to} that no TCP sends",
		"a scan, or something on the way that breaks packets"),
	W(SEEN_MEMBER_REFUSED,
		"{from} wanted to reach {to} ({service}): member {member} answered with a reset",
		"is the server on {member} running? posternctl member show {member}"),
	W(SEEN_MEMBER_SILENT,
		"{from} wanted to reach {to} ({service}): member {member} did not answer",
		"is {member} reachable, and its answers allowed? posternctl member show {member}"),
	W(CLOSE_UNANSWERED,
		"a session of {from} with {to} ({service}) never began: the {side} did not answer "
		"({asked})",
		"{side-next}"),
	W(CLOSE_IDLE,
		"a session of {from} with {service} was ended after {quiet} without a packet; both "
		"sides were told with a reset",
		"let one side send keep-alives more often, or raise timeouts: {idle: ...} of the "
		"service"),
	W(CLOSE_MEMBER_DOWN,
		"a session of {from} with {service} was reset because its member {member} went "
		"down, or was taken out",
		"posternctl member show {member}; partners connect anew to another member"),
	W(CLOSE_SERVICE_GONE,
		"a session of {from} with {to} was reset because its service was removed from the "
		"configuration",
		"posternctl audit list config.reload"),
	W(CLOSE_OPERATOR, "a session of {from} with {service} was closed by an operator",
		"posternctl audit list session.close tells who, and why"),
	W(CLOSE_EVICTED,
		"a session of {from} with {to} ({service}) had not begun and gave way to a newer "
		"one: the table was full, or the ports towards {member} were",
		"raise sessions under dataplane (a restart); a flood of first packets looks so"),
	W(REFUSE_OUTBOUND,
		"member {member} wanted to reach {to} over {protocol}: no outbound rule lets it, "
		"and "
		"it was told by ICMP",
		"if it should, add the port or the network to a rule under outbound"),
	W(DROP_UNASKED,
		"{from} sent over {protocol} to {to}, an address of member {member} itself, which "
		"had "
		"not asked for it",
		"nothing, if it is a scan; media want inbound-udp and inbound-tcp of an outbound "
		"rule"),
	W(DROP_NOT_MEMBER,
		"{from} sent over {protocol} to {to}, through here, and neither is a member's "
		"address",
		"if it should pass, make the machine a member of a pool and name that in an "
		"outbound "
		"rule"),
	W(DROP_MEMBER_FLOWS,
		"member {member} wanted to reach {to} ({service}): it has as many flows of its own "
		"as "
		"it may",
		"what are they? posternctl session list kind outbound member {member}; "
		"flows-per-member of the rule is the limit"),
	W(DROP_FLOWS_FULL,
		"member {member} wanted to reach {to} ({service}): all places for flows that "
		"members "
		"begin were taken",
		"raise member-flows under dataplane (a restart)"),
	W(CLOSE_NOT_ALLOWED,
		"a flow of {from} with {to} was ended because a reload no longer allows it",
		"posternctl audit list config.reload"),
	W(DROP_ADMISSION, "{from} wanted to reach {to} ({service}) and was dropped: {admission}",
		"{admission-next}"),
	W(REFUSE_ADMISSION, "{from} wanted to reach {to} ({service}) and was refused: {admission}",
		"{admission-next}"),
	W(SEEN_ADMISSION,
		"{from} reached {to} ({service}), which admission: enforce would refuse: "
		"{admission}",
		"{admission-next}"),
	W(CLOSE_NOT_ADMITTED,
		"a session of {from} with {service} was ended because an operator's change left "
		"its "
		"address without an admitted partner",
		"posternctl audit list tells what was changed, and by whom"),
	W(CLOSE_RESET, "a session of {from} with {service} was reset by the {side} ({member})",
		"who ended it did not want it any more: the log of the {side} says why"),
};

static const struct words *words_of(uint16_t reason)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].reason == reason)
			return &all[i];
	return NULL;
}

void rpc_why_from(const struct postern_record *r, char out[static RPC_WHY_FROM])
{
	const bool v4 = postern_addr_is_v4(&r->from);
	char text[POSTERN_ENDPOINT_TEXT];

	if (r->from_bits < 128) {
		const struct postern_prefix p = {
			r->from, (uint8_t)(v4 ? r->from_bits - 96 : r->from_bits)};
		char prefix[POSTERN_PREFIX_TEXT];

		snprintf(out, RPC_WHY_FROM, "%s (several addresses)",
			postern_prefix_format(&p, prefix));
		return;
	}
	const struct postern_endpoint e = {r->from, r->from_port};
	snprintf(out, RPC_WHY_FROM, "%s", postern_endpoint_format(&e, text));
}

struct filling {
	const struct rpc_context *context;
	const struct postern_record *r;
	char *to;
	size_t size;
	size_t used;
};

static void put(struct filling *f, const char *text, size_t length)
{
	if (f->used + length >= f->size)
		length = f->size - 1 - f->used;
	memcpy(f->to + f->used, text, length);
	f->used += length;
	f->to[f->used] = '\0';
}

// The outbound rule that the record is about; NULL: it is about a service, or the rule is gone.
static const char *rule_of(const struct filling *f)
{
	const struct postern_snapshot *s = f->context->snapshot(f->context->daemon);

	for (uint16_t i = 0; s && i < s->n_outbounds; i++)
		if (s->outbounds[i].id == f->r->listen)
			return s->outbounds[i].name;
	return NULL;
}

static const char *service_of(const struct filling *f)
{
	const struct postern_snapshot *s = f->context->snapshot(f->context->daemon);
	const char *name = rpc_session_service(s, rpc_session_listen(s, f->r->listen));

	if (rule_of(f))
		return rule_of(f);
	return name ? name : "a service that is gone";
}

static const char *pool_of(const struct filling *f)
{
	const struct postern_snapshot *s = f->context->snapshot(f->context->daemon);
	const struct postern_listen *l = rpc_session_listen(s, f->r->listen);

	for (uint16_t i = 0; l && i < s->n_services; i++) {
		if (s->services[i].id != l->service)
			continue;
		for (uint16_t k = 0; k < s->n_pools; k++)
			if (s->pools[k].id == s->services[i].pool)
				return s->pools[k].name;
	}
	return "?";
}

static void put_member(struct filling *f)
{
	const struct pool_member *m = f->r->member == POSTERN_ID_NONE
					      ? NULL
					      : pool_set_member(f->context->pools, f->r->member);
	char text[2 * POSTERN_NAME_SIZE + 2] = "that is gone";

	if (m)
		snprintf(text, sizeof(text), "%s/%s", m->pool->name, m->name);
	put(f, text, strlen(text));
}

static void put_interface(struct filling *f)
{
	const struct postern_snapshot *s = f->context->snapshot(f->context->daemon);
	const char *name =
		s && f->r->interface < s->n_interfaces ? s->interfaces[f->r->interface].name : "?";

	put(f, name, strlen(name));
}

static void put_to(struct filling *f)
{
	const struct postern_endpoint e = {f->r->to, f->r->to_port};
	char text[POSTERN_ENDPOINT_TEXT];

	postern_endpoint_format(&e, text);
	put(f, text, strlen(text));
}

static bool by_client(const struct postern_record *r)
{
	uint32_t side = POSTERN_SIDE_MEMBER;

	return postern_record_number(r, POSTERN_FACT_SIDE, &side) && side == POSTERN_SIDE_CLIENT;
}

static void put_asked(struct filling *f)
{
	uint32_t n = 0;
	char text[64];

	if (by_client(f->r))
		snprintf(
			text, sizeof(text), "the member had %s", rule_of(f) ? "asked" : "accepted");
	else if (postern_record_number(f->r, POSTERN_FACT_ASKED, &n) && n > 1)
		snprintf(text, sizeof(text), "%u members were asked", n);
	else
		snprintf(text, sizeof(text), "one was asked");
	put(f, text, strlen(text));
}

// What a relayed client said first.
static void put_hello(struct filling *f)
{
	uint32_t kind = POSTERN_HELLO_SILENT, version = 0;
	size_t length = 0;
	char text[160];

	(void)postern_record_number(f->r, POSTERN_FACT_HELLO, &kind);
	(void)postern_record_number(f->r, POSTERN_FACT_VERSION, &version);
	const char *name = postern_record_find(f->r, POSTERN_FACT_SERVER_NAME, &length);

	if (kind != POSTERN_HELLO_TLS && kind != POSTERN_HELLO_SSLV2)
		snprintf(text, sizeof(text), "%s", postern_hello_name((enum postern_hello)kind));
	else if (name)
		snprintf(text, sizeof(text), "%s, for %.*s",
			postern_tls_version_name((uint16_t)version), (int)length, name);
	else if (version != 0)
		snprintf(text, sizeof(text), "%s, without a server name",
			postern_tls_version_name((uint16_t)version));
	else
		snprintf(text, sizeof(text), "part of a ClientHello");
	put(f, text, strlen(text));
}

static void put_quiet(struct filling *f)
{
	uint32_t ms = 0;
	char text[32];

	(void)postern_record_number(f->r, POSTERN_FACT_QUIET_MS, &ms);
	if (ms < 120000)
		snprintf(text, sizeof(text), "%u s", ms / 1000);
	else
		snprintf(text, sizeof(text), "%u minutes", ms / 60000);
	put(f, text, strlen(text));
}

static void put_text(struct filling *f, const char *text)
{
	put(f, text, strlen(text));
}

// By which row it was decided, and why.
static void put_admission(struct filling *f)
{
	uint32_t row = POSTERN_ROW_NONE, reason = POSTERN_REASON_COUNT;

	(void)postern_record_number(f->r, POSTERN_FACT_ROW, &row);
	(void)postern_record_number(f->r, POSTERN_FACT_REASON, &reason);
	if (reason >= POSTERN_REASON_COUNT || row >= POSTERN_ROWS)
		return;
	put_text(f, postern_reason_help((enum postern_reason)reason));
	put_text(f, " (row ");
	put_text(f, postern_row_name((enum postern_row)row));
	put_text(f, ")");
}

static void put_admission_next(struct filling *f)
{
	uint32_t reason = POSTERN_REASON_COUNT;

	(void)postern_record_number(f->r, POSTERN_FACT_REASON, &reason);
	switch (reason) {
	case POSTERN_REASON_FEDERATION_OFF:
		put_text(f, "posternctl policy set AllowFederatedUsers true, if any partner shall "
			    "get through");
		break;
	case POSTERN_REASON_NO_ORGANISATION:
		put_text(f, "posternctl status: are the partners still being loaded?");
		break;
	case POSTERN_REASON_BLOCKED:
		put_text(f, "posternctl blocked-domain list, if it shall get through");
		break;
	case POSTERN_REASON_NO_PARTNER:
		put_text(f, "if a partner comes from there: posternctl partner show DOMAIN, then "
			    "allowed-domain add DOMAIN, or its address into the entry's prefixes");
		break;
	default:
		put_text(f, "posternctl partner show DOMAIN of the partner that comes from there; "
			    "an address in the prefixes of its entry is let in");
	}
}

static void put_named(struct filling *f, const char *name, size_t length)
{
	char from[RPC_WHY_FROM];

#define IS(word) (length == strlen(word) && strncmp(name, word, length) == 0)
	if (IS("from")) {
		rpc_why_from(f->r, from);
		put(f, from, strlen(from));
	} else if (IS("to")) {
		put_to(f);
	} else if (IS("service")) {
		put(f, service_of(f), strlen(service_of(f)));
	} else if (IS("pool")) {
		put(f, pool_of(f), strlen(pool_of(f)));
	} else if (IS("member")) {
		put_member(f);
	} else if (IS("interface")) {
		put_interface(f);
	} else if (IS("protocol")) {
		put(f, f->r->protocol == IPPROTO_UDP ? "UDP" : "TCP", 3);
	} else if (IS("side")) {
		put(f, by_client(f->r) ? "client" : "member", 6);
	} else if (IS("side-next") && rule_of(f)) {
		const char *next =
			by_client(f->r)
				? "is the other side there, and does the way back from it work?"
				: "is the member reachable, and its answers allowed?";

		put(f, next, strlen(next));
	} else if (IS("side-next")) {
		const char *next =
			by_client(f->r)
				? "does the way back to the client work? forged first packets "
				  "look the same"
				: "is the member reachable, and its answers allowed? posternctl "
				  "member list --pool ";

		put(f, next, strlen(next));
		if (!by_client(f->r))
			put(f, pool_of(f), strlen(pool_of(f)));
	} else if (IS("asked")) {
		put_asked(f);
	} else if (IS("admission")) {
		put_admission(f);
	} else if (IS("admission-next")) {
		put_admission_next(f);
	} else if (IS("hello")) {
		put_hello(f);
	} else if (IS("quiet")) {
		put_quiet(f);
	} else {
		// Braces of a configuration file.
		put(f, name - 1, length + 2);
	}
#undef IS
}

static json_t *fill(
	const struct rpc_context *context, const struct postern_record *r, const char *words)
{
	char text[640] = "";
	struct filling f = {context, r, text, sizeof(text), 0};

	while (*words != '\0') {
		const size_t plain = strcspn(words, "{");

		put(&f, words, plain);
		words += plain;
		if (*words == '\0')
			break;
		const size_t length = strcspn(words + 1, "}");
		put_named(&f, words + 1, length);
		words += length + 2;
	}
	return rpc_text(text);
}

json_t *rpc_why_what(const struct rpc_context *context, const struct postern_record *r)
{
	const struct words *w = words_of(r->reason);

	if (w)
		return fill(context, r, w->what);
	return r->reason < POSTERN_COUNTER_COUNT
		       ? json_string(postern_counter_help((enum postern_counter)r->reason))
		       : json_string("unknown");
}

json_t *rpc_why_next(const struct rpc_context *context, const struct postern_record *r)
{
	const struct words *w = words_of(r->reason);

	return w ? fill(context, r, w->next) : json_string("posternctl stats");
}

const char *rpc_why_step(const struct postern_record *r)
{
	static const char *const names[POSTERN_STEPS] = {
		[POSTERN_STEP_PACKET] = "packet",
		[POSTERN_STEP_OPEN] = "open",
		[POSTERN_STEP_MEMBER] = "member",
		[POSTERN_STEP_CLOSE] = "close",
		[POSTERN_STEP_HELLO] = "hello",
	};

	return r->step < POSTERN_STEPS ? names[r->step] : "?";
}
