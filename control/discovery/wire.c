// SPDX-License-Identifier: BSD-2-Clause
// Reads DNS answers. libc's ns_initparse and ns_parserr walk the message and undo its compression
// within bounds; what records mean, and which of them belong to the question, is decided here.

#include "control/discovery/wire.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <resolv.h>
#include <string.h>

enum {
	FLAG_TRUNCATED = 0x0200,
	TYPE_OPT = 41,
	OPTION_EXTENDED_ERROR = 15,
};

// RFC 2181 8: a TTL with the top bit set counts as zero.
static uint32_t ttl_of(const ns_rr *rr)
{
	const uint32_t ttl = ns_rr_ttl(*rr);

	return ttl > INT32_MAX ? 0 : ttl;
}

static uint8_t *put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	return p + 2;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

// The name as labels; normalised ones have no escapes and fit.
static uint8_t *put_name(uint8_t *p, const struct postern_domain *name)
{
	size_t at = 0;

	while (at < name->length) {
		const char *dot = memchr(name->text + at, '.', name->length - at);
		const size_t n = dot != NULL ? (size_t)(dot - name->text) - at : name->length - at;

		*p++ = (uint8_t)n;
		memcpy(p, name->text + at, n);
		p += n;
		at += n + 1;
	}
	*p++ = 0;
	return p;
}

size_t wire_query_write(const struct postern_domain *name, enum discovery_type type, uint16_t id,
	uint8_t out[static WIRE_QUERY_MAX])
{
	uint8_t *p = put16(out, id);

	p = put16(p, 0x0120); // RD, AD
	p = put16(p, 1);
	p = put16(p, 0);
	p = put16(p, 0);
	p = put16(p, 1);
	p = put_name(p, name);
	p = put16(p, type);
	p = put16(p, ns_c_in);
	*p++ = 0; // the root
	p = put16(p, TYPE_OPT);
	p = put16(p, WIRE_PAYLOAD);
	p = put16(p, 0); // extended code, version
	p = put16(p, 0);
	p = put16(p, 0);
	return (size_t)(p - out);
}

// Whether the owner of a record is this name. One that is no name of hosts is nobody's.
static bool owner_is(const ns_rr *rr, const struct postern_domain *name)
{
	const char *text = ns_rr_name(*rr);
	struct postern_domain owner;

	return postern_domain_parse(text, strlen(text), &owner) == 0 &&
	       postern_domain_equal(&owner, name);
}

// A name inside a record's data, which must end where the data ends. The root is the empty name.
static int name_in(const ns_msg *msg, const ns_rr *rr, size_t offset, struct postern_domain *out)
{
	char text[NS_MAXDNAME];
	const uint8_t *at = ns_rr_rdata(*rr) + offset;

	if (ns_rr_rdlen(*rr) <= offset)
		return -EBADMSG;
	const int n =
		ns_name_uncompress(ns_msg_base(*msg), ns_msg_end(*msg), at, text, sizeof(text));

	if (n < 0 || (size_t)n != ns_rr_rdlen(*rr) - offset)
		return -EBADMSG;
	*out = (struct postern_domain){0};
	if (text[0] == '\0' || strcmp(text, ".") == 0)
		return 0;
	// A target that is an address in disguise, or holds what no name holds, is refused here.
	return postern_domain_parse(text, strlen(text), out);
}

struct alias {
	struct postern_domain owner, target;
};

// How many records of the answer are looked at.
static int looks(const ns_msg *msg)
{
	const int n = ns_msg_count(*msg, ns_s_an);

	return n > WIRE_LOOK_MAX ? WIRE_LOOK_MAX : n;
}

// From the name asked for along the CNAMEs to the one that has the records.
static int follow_aliases(
	ns_msg *msg, const struct postern_domain *name, struct wire_answer *out, const char **why)
{
	struct alias aliases[WIRE_ALIASES_MAX];
	uint32_t ttls[WIRE_ALIASES_MAX];
	unsigned n = 0;
	const int most = looks(msg);

	for (int i = 0; i < most; i++) {
		ns_rr rr;

		if (ns_parserr(msg, ns_s_an, i, &rr) < 0)
			return *why = "a record cannot be read", -EBADMSG;
		if (ns_rr_type(rr) != ns_t_cname || ns_rr_class(rr) != ns_c_in)
			continue;
		if (n == WIRE_ALIASES_MAX)
			return *why = "too many aliases", -EBADMSG;
		const char *owner = ns_rr_name(rr);

		if (postern_domain_parse(owner, strlen(owner), &aliases[n].owner) < 0 ||
			name_in(msg, &rr, 0, &aliases[n].target) < 0 ||
			aliases[n].target.length == 0)
			return *why = "an alias is no name", -EBADMSG;
		ttls[n++] = ttl_of(&rr);
	}
	out->canonical = *name;
	for (unsigned i = 0; i < n; i++) {
		if (!postern_domain_equal(&aliases[i].owner, &out->canonical))
			continue;
		if (out->aliases == n)
			return *why = "the aliases go round in circles", -EBADMSG;
		out->canonical = aliases[i].target;
		out->aliases++;
		if (ttls[i] < out->ttl)
			out->ttl = ttls[i];
		i = UINT32_MAX; // from the first again: they come in any order
	}
	return 0;
}

static bool read_address(const ns_rr *rr, struct postern_addr *out)
{
	if (ns_rr_type(*rr) == ns_t_a) {
		uint32_t v4;

		if (ns_rr_rdlen(*rr) != sizeof(v4))
			return false;
		memcpy(&v4, ns_rr_rdata(*rr), sizeof(v4));
		*out = postern_addr_from_v4(v4);
		// "This host" and what lies above unicast reach nobody (RFC 1122 3.2.1.3).
		return out->bytes[12] != 0 && out->bytes[12] < 224;
	}
	if (ns_rr_rdlen(*rr) != sizeof(out->bytes))
		return false;
	memcpy(out->bytes, ns_rr_rdata(*rr), sizeof(out->bytes));
	// IPv4 in disguise would count as an A record that nobody has published.
	return !postern_addr_is_none(out) && !postern_addr_is_v4(out) && out->bytes[0] != 0xff;
}

static bool read_service(const ns_msg *msg, const ns_rr *rr, struct discovery_record *r)
{
	const uint8_t *p = ns_rr_rdata(*rr);

	if (ns_rr_rdlen(*rr) < 7 || name_in(msg, rr, 6, &r->target) < 0)
		return false;
	r->priority = (uint16_t)get16(p);
	r->weight = (uint16_t)get16(p + 2);
	r->port = (uint16_t)get16(p + 4);
	return r->target.length == 0 || r->port != 0;
}

static int read_records(
	ns_msg *msg, enum discovery_type type, struct wire_answer *out, const char **why)
{
	const int most = looks(msg);

	out->skipped = (unsigned)(ns_msg_count(*msg, ns_s_an) - most);
	for (int i = 0; i < most; i++) {
		struct discovery_record r = {.type = type};
		ns_rr rr;

		if (ns_parserr(msg, ns_s_an, i, &rr) < 0)
			return *why = "a record cannot be read", -EBADMSG;
		if ((unsigned)ns_rr_type(rr) != (unsigned)type)
			continue;
		r.ttl = ttl_of(&rr);
		if (ns_rr_class(rr) != ns_c_in || !owner_is(&rr, &out->canonical) ||
			out->n_records == DISCOVERY_RECORDS_MAX ||
			!(type == DISCOVERY_SRV ? read_service(msg, &rr, &r)
						: read_address(&rr, &r.address))) {
			out->skipped++;
			continue;
		}
		if (r.ttl < out->ttl)
			out->ttl = r.ttl;
		out->records[out->n_records++] = r;
	}
	return 0;
}

// How long it holds that there is nothing: RFC 2308 5. A SOA of elsewhere says nothing about it.
static bool negative_ttl(ns_msg *msg, const struct postern_domain *name, uint32_t *out)
{
	for (int i = 0; i < ns_msg_count(*msg, ns_s_ns) && i < WIRE_ALIASES_MAX; i++) {
		struct postern_domain zone = {0};
		ns_rr rr;

		if (ns_parserr(msg, ns_s_ns, i, &rr) < 0)
			return false;
		if (ns_rr_type(rr) != ns_t_soa || ns_rr_class(rr) != ns_c_in ||
			ns_rr_rdlen(rr) < 22)
			continue;
		const char *text = ns_rr_name(rr);

		// The root's SOA is as good as any.
		if (strcmp(text, ".") != 0 && text[0] != '\0' &&
			(postern_domain_parse(text, strlen(text), &zone) < 0 ||
				!postern_domain_is_within(name, &zone)))
			continue;
		const uint32_t minimum = get32(ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4);
		const uint32_t ttl = ttl_of(&rr);

		*out = minimum < ttl ? minimum : ttl;
		return true;
	}
	return false;
}

static int extended_error(const ns_rr *rr)
{
	const uint8_t *p = ns_rr_rdata(*rr), *end = p + ns_rr_rdlen(*rr);

	while (end - p >= 4) {
		const unsigned code = get16(p), length = get16(p + 2);

		p += 4;
		if ((size_t)(end - p) < length)
			return -1;
		if (code == OPTION_EXTENDED_ERROR && length >= 2)
			return (int)get16(p);
		p += length;
	}
	return -1;
}

static void read_options(ns_msg *msg, struct wire_answer *out)
{
	for (int i = 0; i < ns_msg_count(*msg, ns_s_ar) && i < WIRE_LOOK_MAX; i++) {
		ns_rr rr;

		if (ns_parserr(msg, ns_s_ar, i, &rr) < 0)
			return;
		if (ns_rr_type(rr) != (ns_type)TYPE_OPT)
			continue;
		out->rcode |= (ns_rr_ttl(rr) >> 24) << 4;
		out->extended = extended_error(&rr);
		return;
	}
}

// Extended errors by which a validating resolver says that an answer is forged or badly signed:
// bogus, signature expired or not yet valid, keys, signatures or proofs missing.
static bool says_bogus(int code)
{
	return code >= 6 && code <= 12;
}

static int check_question(
	ns_msg *msg, const struct postern_domain *name, enum discovery_type type, const char **why)
{
	ns_rr rr;

	if (ns_msg_count(*msg, ns_s_qd) != 1 || ns_parserr(msg, ns_s_qd, 0, &rr) < 0)
		return *why = "it repeats no question", -EBADMSG;
	if ((unsigned)ns_rr_type(rr) != (unsigned)type || ns_rr_class(rr) != ns_c_in ||
		!owner_is(&rr, name))
		return *why = "it answers another question", -ENOMSG;
	return 0;
}

int wire_answer_read(const uint8_t *bytes, size_t n, const struct postern_domain *name,
	enum discovery_type type, struct wire_answer *out, const char **why)
{
	ns_msg msg;

	memset(out, 0, offsetof(struct wire_answer, records));
	out->extended = -1;
	out->ttl = INT32_MAX;
	out->canonical = *name;
	if (n > UINT16_MAX || ns_initparse(bytes, (int)n, &msg) < 0)
		return *why = "its lengths are wrong", -EBADMSG;
	if (!ns_msg_getflag(msg, ns_f_qr) || ns_msg_getflag(msg, ns_f_opcode) != ns_o_query)
		return *why = "it is no answer", -EBADMSG;
	int rc = check_question(&msg, name, type, why);

	if (rc < 0)
		return rc;
	out->rcode = (unsigned)ns_msg_getflag(msg, ns_f_rcode);
	out->truncated = ns_msg_getflag(msg, ns_f_tc);
	out->authenticated = ns_msg_getflag(msg, ns_f_ad);
	read_options(&msg, out);
	out->bogus = out->rcode == DISCOVERY_SERVFAIL && says_bogus(out->extended);
	if (out->rcode != DISCOVERY_NOERROR && out->rcode != DISCOVERY_NXDOMAIN)
		return 0;
	rc = follow_aliases(&msg, name, out, why);
	if (rc == 0)
		rc = read_records(&msg, type, out, why);
	if (rc < 0)
		return rc;
	if (out->rcode == DISCOVERY_NXDOMAIN)
		out->n_records = 0;
	out->negative = out->n_records == 0;
	if (out->negative) {
		uint32_t ttl = 0;

		out->proven = negative_ttl(&msg, &out->canonical, &ttl);
		if (ttl < out->ttl)
			out->ttl = ttl;
	}
	return 0;
}

const char *wire_rcode_name(unsigned rcode)
{
	static const char *const names[] = {"no error", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",
		"REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"};

	return rcode < sizeof(names) / sizeof(names[0]) ? names[rcode] : NULL;
}

const char *wire_extended_name(int code)
{
	// RFC 8914 4, as far as a resolver of partners says them.
	static const char *const names[] = {
		[3] = "stale answer",
		[4] = "forged answer",
		[5] = "validation undecided",
		[6] = "validation failed",
		[7] = "a signature has expired",
		[8] = "a signature is not valid yet",
		[9] = "its key is missing",
		[10] = "signatures are missing",
		[11] = "no key of the zone",
		[12] = "proof of absence is missing",
		[15] = "blocked",
		[16] = "censored",
		[17] = "filtered",
		[18] = "the resolver does not answer us",
		[22] = "no authoritative server answers",
		[23] = "network error",
	};

	return code >= 0 && code < (int)(sizeof(names) / sizeof(names[0])) ? names[code] : NULL;
}
