// SPDX-License-Identifier: BSD-2-Clause
// Reads addresses, prefixes and endpoints, and refuses those that cannot stand for one host.

#include "control/config/unit.h"
#include "control/config/value.h"

#include <arpa/inet.h>
#include <string.h>

// What kind of address cannot stand for one host; NULL if this one can.
static const char *not_unicast(const struct postern_addr *a)
{
	static const uint8_t loopback[16] = {[15] = 1};
	if (postern_addr_is_v4(a)) {
		uint32_t host = ntohl(a->words[3]);
		if (host == 0)
			return "the unspecified address";
		if (host >> 24 == 0)
			return "an address of \"this network\" (0.0.0.0/8)";
		if (host >> 24 == 127)
			return "a loopback address";
		if (host >> 28 == 0xe)
			return "a multicast address";
		if (host == UINT32_MAX)
			return "the broadcast address";
		if (host >> 28 == 0xf)
			return "a reserved address (240.0.0.0/4)";
		return NULL;
	}
	if (postern_addr_is_none(a))
		return "the unspecified address";
	if (memcmp(a->bytes, loopback, sizeof(loopback)) == 0)
		return "the loopback address";
	return a->bytes[0] == 0xff ? "a multicast address" : NULL;
}

static int check_unicast(struct config_input *in, const struct postern_addr *a)
{
	const char *kind = not_unicast(a);
	return kind ? config_wrong(in, "%s is %s", in->quoted, kind) : 0;
}

int config_parse_address(struct config_input *in, void *at)
{
	struct postern_addr a;
	struct postern_prefix p;
	if (postern_addr_parse(in->text, &a)) {
		if (postern_prefix_parse(in->text, &p) == 0)
			return config_wrong(in, "%s has a prefix length", in->quoted);
		return config_wrong(in, "%s is not an IP address", in->quoted);
	}
	int rc = check_unicast(in, &a);
	if (!rc)
		memcpy(at, &a, sizeof(a));
	return rc;
}

static int parse_any_prefix(struct config_input *in, struct postern_prefix *p)
{
	struct postern_addr a;
	if (postern_prefix_parse(in->text, p) == 0)
		return 0;
	if (postern_addr_parse(in->text, &a) == 0)
		return config_wrong(in, "%s has no prefix length", in->quoted);
	return config_wrong(in, "%s is not an IP address with a prefix length", in->quoted);
}

int config_parse_prefix(struct config_input *in, void *at)
{
	struct postern_prefix p;
	int rc = parse_any_prefix(in, &p);
	if (!rc)
		rc = check_unicast(in, &p.addr);
	if (!rc && p.length == 0)
		rc = config_wrong(in, "%s makes the whole Internet a neighbour", in->quoted);
	if (!rc)
		memcpy(at, &p, sizeof(p));
	return rc;
}

int config_parse_network(struct config_input *in, void *at)
{
	struct postern_prefix p;
	int rc = parse_any_prefix(in, &p);
	if (rc)
		return rc;
	struct postern_prefix whole = {config_prefix_first(&p), p.length};
	if (!postern_addr_equal(&whole.addr, &p.addr)) {
		char text[POSTERN_PREFIX_TEXT];
		return config_wrong(in, "%s has bits beyond its prefix length, its network is %s",
			in->quoted, postern_prefix_format(&whole, text));
	}
	bool v4 = postern_addr_is_v4(&p.addr);
	if (p.length > 0 && p.addr.bytes[v4 ? 12 : 0] >= (v4 ? 0xe0 : 0xff))
		return config_wrong(in, "%s is no network of unicast addresses", in->quoted);
	memcpy(at, &p, sizeof(p));
	return 0;
}

// Why a text is no endpoint.
static int bad_endpoint(struct config_input *in)
{
	struct postern_addr a;
	if (postern_addr_parse(in->text, &a) == 0)
		return config_wrong(in, "%s has no port", in->quoted);
	const char *colon = strrchr(in->text, ':');
	uint64_t port;
	const char *rest = colon ? config_unit_digits(colon + 1, &port) : NULL;
	if (rest && !*rest && (port == 0 || port > UINT16_MAX))
		return config_wrong(in, "the port of %s is out of range", in->quoted);
	return config_wrong(in, "%s is not an IP address with a port", in->quoted);
}

int config_parse_endpoint(struct config_input *in, void *at)
{
	struct postern_endpoint e;
	memset(&e, 0, sizeof(e));
	if (postern_endpoint_parse(in->text, &e))
		return bad_endpoint(in);
	int rc = check_unicast(in, &e.addr);
	if (!rc)
		memcpy(at, &e, sizeof(e));
	return rc;
}

const char *config_listen_format(const struct config_listen *l, char buf[static CONFIG_LISTEN_TEXT])
{
	postern_endpoint_format(&l->at, buf);
	if (l->last_port)
		snprintf(buf + strlen(buf), CONFIG_LISTEN_TEXT - strlen(buf), "-%u", l->last_port);
	return buf;
}

// The last port of "ADDRESS:PORT-PORT", which is cut off; 0 if there is none.
static int cut_range(struct config_input *in, char *text, uint16_t *last)
{
	char *dash = strrchr(text, '-');
	uint64_t port;
	*last = 0;
	if (!dash)
		return 0;
	const char *rest = config_unit_digits(dash + 1, &port);
	if (!rest || *rest)
		return 0;
	if (port == 0 || port > UINT16_MAX)
		return config_wrong(in, "the last port of %s is out of range", in->quoted);
	*dash = '\0';
	*last = (uint16_t)port;
	return 0;
}

// An address without a port is good here; whether something gives it one is seen when the whole
// service is known (service.c).
int config_parse_listen(struct config_input *in, void *at)
{
	char text[CONFIG_LISTEN_TEXT];
	struct config_listen l;
	memset(&l, 0, sizeof(l));
	if (in->length >= sizeof(text))
		return bad_endpoint(in);
	memcpy(text, in->text, in->length + 1);
	int rc = cut_range(in, text, &l.last_port);
	if (rc)
		return rc;
	if (postern_endpoint_parse(text, &l.at) &&
		(l.last_port || postern_addr_parse(text, &l.at.addr)))
		return bad_endpoint(in);
	if (l.last_port && l.last_port <= l.at.port)
		return config_wrong(in, "the range of %s does not go up", in->quoted);
	rc = check_unicast(in, &l.at.addr);
	if (!rc)
		memcpy(at, &l, sizeof(l));
	return rc;
}

const char *config_ports_format(const struct config_ports *p, char buf[static CONFIG_PORTS_TEXT])
{
	if (p->last == p->first)
		snprintf(buf, CONFIG_PORTS_TEXT, "%u", p->first);
	else
		snprintf(buf, CONFIG_PORTS_TEXT, "%u-%u", p->first, p->last);
	return buf;
}

// "5061" or "50000-59999".
int config_parse_ports(struct config_input *in, void *at)
{
	uint64_t first, last;
	const char *rest = config_unit_digits(in->text, &first);
	const char *end = rest && *rest == '-' ? config_unit_digits(rest + 1, &last) : rest;
	if (!end || *end)
		return config_wrong(in, "%s is neither a port nor a range of ports", in->quoted);
	if (end == rest)
		last = first;
	if (first == 0 || first > UINT16_MAX || last == 0 || last > UINT16_MAX)
		return config_wrong(in, "%s is out of range", in->quoted);
	if (end != rest && last <= first)
		return config_wrong(in, "the range of %s does not go up", in->quoted);
	struct config_ports p = {(uint16_t)first, (uint16_t)last};
	memcpy(at, &p, sizeof(p));
	return 0;
}

// Where the kernel listens for us: a loopback address, or the unspecified one for all that there
// are, will do as well.
int config_parse_socket(struct config_input *in, void *at)
{
	struct postern_endpoint e;
	memset(&e, 0, sizeof(e));
	if (postern_endpoint_parse(in->text, &e))
		return bad_endpoint(in);
	bool v4 = postern_addr_is_v4(&e.addr);
	if (e.addr.bytes[v4 ? 12 : 0] >= (v4 ? 0xe0 : 0xff))
		return config_wrong(in, "%s is no address that a socket can listen on", in->quoted);
	memcpy(at, &e, sizeof(e));
	return 0;
}

// A name server may be this machine's own.
int config_parse_resolver(struct config_input *in, void *at)
{
	struct postern_endpoint e;
	memset(&e, 0, sizeof(e));
	e.port = 53;
	if (postern_addr_parse(in->text, &e.addr) && postern_endpoint_parse(in->text, &e))
		return bad_endpoint(in);
	bool v4 = postern_addr_is_v4(&e.addr);
	if (postern_addr_is_none(&e.addr) || (v4 && e.addr.bytes[12] == 0) ||
		e.addr.bytes[v4 ? 12 : 0] >= (v4 ? 0xe0 : 0xff))
		return config_wrong(in, "%s is no address of one host", in->quoted);
	memcpy(at, &e, sizeof(e));
	return 0;
}
