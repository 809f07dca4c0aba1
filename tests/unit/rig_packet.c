// SPDX-License-Identifier: BSD-2-Clause
// Frames that a rig puts in, and what it expects of those that come out.

#include "rig.h"

#include <rte_byteorder.h>
#include <rte_ip.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define ETH 14

struct postern_addr rig_addr(const char *text)
{
	struct postern_addr a;

	RIG_CHECK(postern_addr_parse(text, &a) == 0);
	return a;
}

struct postern_addr rig_client(uint8_t family, unsigned n)
{
	struct postern_addr a = rig_addr(family == POSTERN_V4 ? "198.18.0.0" : "2001:db8:99::");

	a.bytes[14] = (uint8_t)(n >> 8);
	a.bytes[15] = (uint8_t)n;
	return a;
}

static struct postern_addr service_of(const struct rig_world *w, uint8_t family)
{
	if (w->one_arm)
		return rig_addr(family == POSTERN_V4 ? "10.0.0.100" : "2001:db8:2::100");
	return rig_addr(family == POSTERN_V4 ? "203.0.113.20" : "2001:db8:1::20");
}

struct postern_addr rig_service(const struct rig *r, uint8_t family)
{
	return service_of(&r->world, family);
}

struct postern_addr rig_member(uint8_t family, unsigned n)
{
	struct postern_addr a = rig_addr(family == POSTERN_V4 ? "10.0.0.0" : "2001:db8:2::100");

	a.bytes[15] = (uint8_t)((family == POSTERN_V4 ? 101 : 1) + n);
	return a;
}

static const char *const outbound_at[2][POSTERN_FAMILIES] = {
	{"203.0.113.25", "2001:db8:1::25"}, {"10.0.0.90", "2001:db8:2::90"}};

struct postern_addr rig_seen(const struct rig_world *w, uint8_t family, unsigned member)
{
	switch (w->outbound) {
	case RIG_OUTBOUND_TRANSLATE:
		return rig_addr(outbound_at[w->one_arm][family]);
	case RIG_OUTBOUND_SERVICE:
		return service_of(w, family);
	default:
		return rig_member(family, member);
	}
}

unsigned rig_member_number(const struct postern_addr *a)
{
	return a->bytes[15] - (postern_addr_is_v4(a) ? 101u : 1u);
}

struct rte_ether_addr rig_own_mac(uint16_t interface)
{
	return (struct rte_ether_addr){{0x02, 0, 0, 0, 0, (uint8_t)(interface + 1)}};
}

struct rte_ether_addr rig_mac(const struct postern_addr *a)
{
	const struct postern_addr client4 = rig_client(POSTERN_V4, 0);
	const struct postern_addr client6 = rig_client(POSTERN_V6, 0);
	struct rte_ether_addr mac = {{0x02, 0xaa, 0, 0, 0, 0}};

	// Clients lie behind the gateway, which is number 1 on its link.
	memcpy(&mac.addr_bytes[2], &a->bytes[12], 4);
	if (memcmp(a->bytes, client4.bytes, 14) == 0 || memcmp(a->bytes, client6.bytes, 14) == 0)
		memcpy(mac.addr_bytes, "\x02\xbb\0\0\0\1", 6);
	if (a->bytes[15] == 1)
		memcpy(mac.addr_bytes, "\x02\xbb\0\0\0\1", 6);
	return mac;
}

uint32_t rig_sum(const void *bytes, size_t length, uint32_t sum)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	return (sum >> 16) + (sum & 0xffff);
}

static uint16_t folded(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v);
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

// Offset and length of the transport, its number, and where its checksum lies.
struct l4 {
	size_t at, length, checksum;
	uint8_t proto;
	uint32_t pseudo;
};

static struct l4 find_l4(const uint8_t *frame, size_t length)
{
	const uint8_t *ip = frame + ETH;
	struct l4 l = {0};

	if (ip[0] >> 4 == 4) {
		l.at = ETH + (ip[0] & 15u) * 4u;
		l.proto = ip[9];
		l.length = get16(ip + 2) - (l.at - ETH);
		l.pseudo = rig_sum(ip + 12, 8, 0);
	} else {
		l.at = ETH + 40;
		l.proto = ip[6];
		l.length = get16(ip + 4);
		l.pseudo = rig_sum(ip + 8, 32, 0);
	}
	RIG_CHECK(l.at + l.length <= length);
	l.pseudo += l.proto + (uint32_t)l.length;
	l.checksum = l.at + (l.proto == IPPROTO_TCP ? 16 : l.proto == IPPROTO_UDP ? 6 : 2);
	if (l.proto == IPPROTO_ICMP)
		l.pseudo = 0;
	return l;
}

uint16_t rig_l4_checksum(const uint8_t *frame, size_t length)
{
	const struct l4 l = find_l4(frame, length);
	uint32_t sum = rig_sum(frame + l.at, l.length, l.pseudo);

	// The field itself counts as zero: take it out again.
	sum += 0xffffu - get16(frame + l.checksum);
	return folded(sum);
}

static size_t ip_put(const struct postern_addr *src, const struct postern_addr *dst, uint8_t ttl,
	uint8_t proto, unsigned length, uint8_t *ip)
{
	if (ttl == 0)
		ttl = 60;
	if (postern_addr_is_v4(src)) {
		memcpy(ip, "\x45\0\0\0\x12\x34\x40\0", 8);
		put16(ip + 2, 20 + length);
		ip[8] = ttl;
		ip[9] = proto;
		put16(ip + 10, 0);
		memcpy(ip + 12, &src->bytes[12], 4);
		memcpy(ip + 16, &dst->bytes[12], 4);
		put16(ip + 10, folded(rig_sum(ip, 20, 0)));
		return 20;
	}
	memcpy(ip, "\x60\0\0\0", 4);
	put16(ip + 4, length);
	ip[6] = proto;
	ip[7] = ttl;
	memcpy(ip + 8, src->bytes, 16);
	memcpy(ip + 24, dst->bytes, 16);
	return 40;
}

size_t rig_headers_put(uint16_t interface, const struct postern_addr *src,
	const struct postern_addr *dst, uint8_t ttl, uint8_t proto, unsigned length, uint8_t *frame)
{
	const struct rte_ether_addr to = rig_own_mac(interface), from = rig_mac(src);

	memcpy(frame, to.addr_bytes, 6);
	memcpy(frame + 6, from.addr_bytes, 6);
	put16(frame + 12, postern_addr_is_v4(src) ? 0x0800 : 0x86dd);
	return ETH + ip_put(src, dst, ttl, proto, length, frame + ETH);
}

size_t rig_tcp_build(const struct rig *r, const struct rig_tcp *t, uint8_t *frame)
{
	const unsigned header = 20u + t->n_options;
	const size_t l4 = rig_headers_put(
		t->interface, &t->src, &t->dst, t->ttl, IPPROTO_TCP, header + t->payload, frame);
	uint8_t *tcp = frame + l4;

	(void)r;
	put16(tcp, t->sport);
	put16(tcp + 2, t->dport);
	put32(tcp + 4, t->seq);
	put32(tcp + 8, t->ack);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = t->flags;
	put16(tcp + 14, t->window);
	put32(tcp + 16, 0);
	memcpy(tcp + 20, t->options, t->n_options);
	for (unsigned i = 0; i < t->payload; i++)
		tcp[header + i] = (uint8_t)(t->seq + i);
	const size_t length = l4 + header + t->payload;
	uint32_t sum = rig_l4_checksum(frame, length) + (uint32_t)t->checksum_error;

	put16(tcp + 16, (sum >> 16) + sum);
	return length;
}

void rig_tcp_put(struct rig *r, const struct rig_tcp *t)
{
	uint8_t frame[2048];
	const size_t length = rig_tcp_build(r, t, frame);

	rig_put(r, t->interface, frame, length);
}

static void check_stations(const struct rig_packet *p, const struct postern_addr *dst)
{
	const struct rte_ether_addr from = rig_own_mac(p->interface), to = rig_mac(dst);

	RIG_CHECK(memcmp(p->bytes, to.addr_bytes, 6) == 0);
	RIG_CHECK(memcmp(p->bytes + 6, from.addr_bytes, 6) == 0);
}

// The transport's offset.
static size_t ip_read(const struct rig_packet *p, uint8_t proto, struct postern_addr *src,
	struct postern_addr *dst, uint8_t *ttl)
{
	const uint8_t *ip = p->bytes + ETH;
	uint32_t be;

	if (get16(p->bytes + 12) == 0x0800) {
		RIG_CHECK(ip[0] == 0x45 && ip[9] == proto);
		RIG_CHECK(get16(ip + 2) + ETH == p->length);
		RIG_CHECK(folded(rig_sum(ip, 20, 0)) == 0);
		memcpy(&be, ip + 12, 4);
		*src = postern_addr_from_v4(be);
		memcpy(&be, ip + 16, 4);
		*dst = postern_addr_from_v4(be);
		*ttl = ip[8];
		return ETH + 20;
	}
	RIG_CHECK(get16(p->bytes + 12) == 0x86dd && ip[0] >> 4 == 6 && ip[6] == proto);
	RIG_CHECK(get16(ip + 4) + ETH + 40 == p->length);
	memcpy(src->bytes, ip + 8, 16);
	memcpy(dst->bytes, ip + 24, 16);
	*ttl = ip[7];
	return ETH + 40;
}

struct rig_tcp rig_tcp_take(struct rig *r)
{
	const struct rig_packet *p = rig_take(r);
	struct rig_tcp t = {0};

	RIG_CHECK(p != NULL);
	if (p == NULL)
		return t;
	const size_t l4 = ip_read(p, IPPROTO_TCP, &t.src, &t.dst, &t.ttl);
	const uint8_t *tcp = p->bytes + l4;

	t.interface = p->interface;
	t.sport = get16(tcp);
	t.dport = get16(tcp + 2);
	t.seq = get32(tcp + 4);
	t.ack = get32(tcp + 8);
	t.n_options = (uint8_t)((tcp[12] >> 4) * 4 - 20);
	t.flags = tcp[13];
	t.window = get16(tcp + 14);
	RIG_CHECK(l4 + 20u + t.n_options <= p->length);
	memcpy(t.options, tcp + 20, t.n_options);
	t.payload = (uint16_t)(p->length - l4 - 20 - t.n_options);
	t.checksum_error = (uint16_t)(get16(tcp + 16) - rig_l4_checksum(p->bytes, p->length));
	check_stations(p, &t.dst);
	return t;
}

size_t rig_udp_build(const struct rig_udp *u, uint8_t *frame)
{
	const unsigned length = 8u + u->payload;
	const size_t l4 =
		rig_headers_put(u->interface, &u->src, &u->dst, u->ttl, IPPROTO_UDP, length, frame);
	uint8_t *udp = frame + l4;

	put16(udp, u->sport);
	put16(udp + 2, u->dport);
	put16(udp + 4, u->length ? u->length : length);
	put16(udp + 6, 0);
	for (unsigned i = 0; i < u->payload; i++)
		udp[8 + i] = (uint8_t)(7 * i + 1);
	if (u->payload >= 2)
		put16(udp + 8, u->mark);
	if (u->no_checksum)
		return l4 + length;
	uint32_t sum = rig_l4_checksum(frame, l4 + length);

	sum = (sum ? sum : 0xffff) + (uint32_t)u->checksum_error;
	put16(udp + 6, (sum >> 16) + sum);
	return l4 + length;
}

void rig_udp_put(struct rig *r, const struct rig_udp *u)
{
	uint8_t frame[2048];
	const size_t length = rig_udp_build(u, frame);

	rig_put(r, u->interface, frame, length);
}

struct rig_udp rig_udp_take(struct rig *r)
{
	const struct rig_packet *p = rig_take(r);
	struct rig_udp u = {0};

	RIG_CHECK(p != NULL);
	if (p == NULL)
		return u;
	const size_t l4 = ip_read(p, IPPROTO_UDP, &u.src, &u.dst, &u.ttl);
	const uint8_t *udp = p->bytes + l4;
	uint16_t right = rig_l4_checksum(p->bytes, p->length);

	u.interface = p->interface;
	u.sport = get16(udp);
	u.dport = get16(udp + 2);
	u.length = get16(udp + 4);
	u.checksum = get16(udp + 6);
	u.no_checksum = u.checksum == 0;
	// Of the two zeros only one is sent (RFC 768).
	right = right ? right : 0xffff;
	u.checksum_error = u.no_checksum ? 0 : (uint16_t)(u.checksum - right);
	u.payload = (uint16_t)(p->length - l4 - 8);
	u.mark = u.payload >= 2 ? get16(udp + 8) : 0;
	for (unsigned i = 2; i < u.payload; i++)
		RIG_CHECK(udp[8 + i] == (uint8_t)(7 * i + 1));
	check_stations(p, &u.dst);
	return u;
}

// ARP requests and neighbour solicitations of our own; announcements are none.
bool rig_is_request(const struct rig_packet *p)
{
	const uint8_t *b = p->bytes + ETH;

	if (get16(p->bytes + 12) == 0x0806)
		return get16(b + 6) == 1 && memcmp(b + 14, b + 24, 4) != 0;
	return get16(p->bytes + 12) == 0x86dd && b[6] == IPPROTO_ICMPV6 && b[40] == 135;
}

static void answer_arp(struct rig *r, const struct rig_packet *request)
{
	const uint8_t *ask = request->bytes + ETH;
	uint8_t frame[60] = {0};
	uint32_t be;

	memcpy(&be, ask + 24, 4);
	const struct postern_addr target = postern_addr_from_v4(be);
	const struct rte_ether_addr mac = rig_mac(&target);

	memcpy(frame, request->bytes + 6, 6);
	memcpy(frame + 6, mac.addr_bytes, 6);
	memcpy(frame + 12, "\x08\x06\0\1\x08\0\6\4\0\2", 10);
	memcpy(frame + 22, mac.addr_bytes, 6);
	memcpy(frame + 28, ask + 24, 4);
	memcpy(frame + 32, ask + 8, 6);
	memcpy(frame + 38, ask + 14, 4);
	rig_put(r, request->interface, frame, sizeof(frame));
}

static void answer_nd(struct rig *r, const struct rig_packet *request)
{
	const uint8_t *ask = request->bytes + ETH;
	uint8_t frame[ETH + 40 + 32] = {0};
	struct postern_addr target;

	memcpy(target.bytes, ask + 48, 16);
	const struct rte_ether_addr mac = rig_mac(&target);
	uint8_t *ip = frame + ETH, *na = ip + 40;

	memcpy(frame, request->bytes + 6, 6);
	memcpy(frame + 6, mac.addr_bytes, 6);
	memcpy(frame + 12, "\x86\xdd\x60\0\0\0\0\x20\x3a\xff", 10);
	memcpy(ip + 8, target.bytes, 16);
	memcpy(ip + 24, ask + 8, 16);
	memcpy(na, "\x88\0\0\0\x60\0\0\0", 8); // solicited, override
	memcpy(na + 8, target.bytes, 16);
	memcpy(na + 24, "\2\1", 2);
	memcpy(na + 26, mac.addr_bytes, 6);
	put16(na + 2, rig_l4_checksum(frame, sizeof(frame)));
	rig_put(r, request->interface, frame, sizeof(frame));
}

void rig_answer_request(struct rig *r, const struct rig_packet *request)
{
	if (get16(request->bytes + 12) == 0x0806)
		answer_arp(r, request);
	else
		answer_nd(r, request);
}
