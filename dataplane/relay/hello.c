// SPDX-License-Identifier: BSD-2-Clause
// Reading a ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2) out of whatever has come of it. The record
// headers are taken out first; what is left is one handshake message, and is looked at when it is whole.

#include "relay/hello.h"

#include <string.h>

#define RECORD_HEADER    5u
#define RECORD_HANDSHAKE 22u
#define RECORD_MAX       16384u // RFC 8446 5.1

#define HANDSHAKE_HEADER       4u
#define HANDSHAKE_CLIENT_HELLO 1u

#define SESSION_ID_MAX 32u
#define RANDOM         32u

#define EXTENSION_SERVER_NAME 0u
#define EXTENSION_SIGNATURES  13u
#define EXTENSION_ALPN        16u
#define EXTENSION_VERSIONS    43u

#define NAME_HOST 0u

// The bytes of a stream that lies in pieces.
struct stream {
	const struct iovec *iov;
	unsigned n;
	size_t at; // in the first piece
};

static bool stream_take(struct stream *s, uint8_t *to, size_t size)
{
	while (size > 0) {
		if (s->n == 0)
			return false;
		const size_t there = s->iov->iov_len - s->at;
		const size_t part = there < size ? there : size;

		memcpy(to, (const uint8_t *)s->iov->iov_base + s->at, part);
		to += part;
		size -= part;
		s->at += part;
		if (s->at == s->iov->iov_len) {
			s->iov++;
			s->n--;
			s->at = 0;
		}
	}
	return true;
}

// What is left of a part of a hello.
struct part {
	const uint8_t *at;
	size_t left;
};

static bool take8(struct part *p, unsigned *out)
{
	if (p->left < 1)
		return false;
	*out = p->at[0];
	p->at++;
	p->left--;
	return true;
}

static bool take16(struct part *p, unsigned *out)
{
	if (p->left < 2)
		return false;
	*out = (unsigned)p->at[0] << 8 | p->at[1];
	p->at += 2;
	p->left -= 2;
	return true;
}

static bool take(struct part *p, size_t length, struct part *out)
{
	if (p->left < length)
		return false;
	*out = (struct part){p->at, length};
	p->at += length;
	p->left -= length;
	return true;
}

// A list behind its length in one byte or two.
static bool take_list8(struct part *p, struct part *out)
{
	unsigned length;

	return take8(p, &length) && take(p, length, out);
}

static bool take_list16(struct part *p, struct part *out)
{
	unsigned length;

	return take16(p, &length) && take(p, length, out);
}

// RFC 8701: values that mean nothing, to keep others from believing that they know all.
static bool is_grease(unsigned value)
{
	return (value & 0x0f0fu) == 0x0a0au && value >> 8 == (value & 0xffu);
}

static bool is_name_character(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// RFC 6066 3: a DNS name as it is asked for, without a trailing dot. Letters in lower case afterwards.
// Underscores stand in names of real hosts.
static bool name_read(struct part host, struct relay_hello *out)
{
	unsigned label = 0;

	if (host.left == 0 || host.left > 253)
		return false;
	for (size_t i = 0; i < host.left; i++) {
		uint8_t c = host.at[i];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (c == '.' ? label == 0 : !is_name_character(c) || label == 63)
			return false;
		label = c == '.' ? 0 : label + 1;
		out->name[i] = (char)c;
	}
	out->name[host.left] = '\0';
	out->name_length = (uint8_t)host.left;
	return label > 0;
}

// False: broken, with out->fault.
static bool server_name(struct part body, struct relay_hello *out)
{
	struct part list, host;
	unsigned type;

	if (!take_list16(&body, &list) || body.left > 0 || list.left == 0)
		return false;
	// One name of a type (RFC 6066 3), and there is one type.
	if (!take8(&list, &type) || type != NAME_HOST || !take_list16(&list, &host) ||
		list.left > 0)
		return false;
	if (name_read(host, out))
		return true;
	out->name[0] = '\0';
	out->name_length = 0;
	out->fault = RELAY_HELLO_NAME;
	return false;
}

static bool alpn(struct part body, struct relay_hello *out)
{
	struct part list, name;

	if (!take_list16(&body, &list) || body.left > 0 || list.left < 2)
		return false;
	out->alpn = list.at;
	out->alpn_length = (uint16_t)list.left;
	while (list.left > 0)
		if (!take_list8(&list, &name) || name.left == 0)
			return false;
	return true;
}

static bool versions(struct part body, struct relay_hello *out)
{
	struct part list;
	unsigned version, highest = 0;

	if (!take_list8(&body, &list) || body.left > 0 || list.left < 2 || list.left % 2 != 0)
		return false;
	while (take16(&list, &version))
		if (!is_grease(version) && version >> 8 == 3 && version > highest)
			highest = version;
	if (highest != 0)
		out->version = (uint16_t)highest;
	return true;
}

static bool signatures(struct part body, struct relay_hello *out)
{
	struct part list;

	if (!take_list16(&body, &list) || body.left > 0 || list.left % 2 != 0)
		return false;
	out->signatures = list.at;
	out->signatures_length = (uint16_t)list.left;
	return true;
}

static bool extensions(struct part all, struct relay_hello *out)
{
	uint32_t seen = 0; // of those that are read: none may stand twice (RFC 8446 4.2)

	out->extensions = all.at;
	out->extensions_length = (uint16_t)all.left;
	while (all.left > 0) {
		struct part body;
		unsigned type;
		bool sound = true;

		if (!take16(&all, &type) || !take_list16(&all, &body))
			return false;
		switch (type) {
		case EXTENSION_SERVER_NAME:
			sound = server_name(body, out);
			break;
		case EXTENSION_ALPN:
			sound = alpn(body, out);
			break;
		case EXTENSION_VERSIONS:
			sound = versions(body, out);
			break;
		case EXTENSION_SIGNATURES:
			sound = signatures(body, out);
			break;
		default:
			continue;
		}
		if (!sound)
			return false;
		// The types are 0, 13, 16 and 43: different modulo 32.
		if (seen & UINT32_C(1) << type % 32)
			return false;
		seen |= UINT32_C(1) << type % 32;
	}
	return true;
}

static bool client_hello(struct part p, struct relay_hello *out)
{
	struct part ignored, ciphers, compressions, all;
	unsigned version;

	if (!take16(&p, &version) || version >> 8 != 3 || !take(&p, RANDOM, &ignored))
		return false;
	out->version = (uint16_t)version;
	if (!take_list8(&p, &ignored) || ignored.left > SESSION_ID_MAX)
		return false;
	if (!take_list16(&p, &ciphers) || ciphers.left == 0 || ciphers.left % 2 != 0)
		return false;
	out->ciphers = ciphers.at;
	out->ciphers_length = (uint16_t)ciphers.left;
	if (!take_list8(&p, &compressions) || compressions.left == 0)
		return false;
	// Clients of TLS 1.0 may end here.
	if (p.left == 0)
		return true;
	return take_list16(&p, &all) && p.left == 0 && extensions(all, out);
}

static enum relay_hello_state bad(struct relay_hello *out, enum relay_hello_fault fault)
{
	out->fault = fault;
	return RELAY_HELLO_BAD;
}

static enum relay_hello_state more(struct relay_hello *out, size_t need)
{
	out->need = need;
	return RELAY_HELLO_MORE;
}

// Length of the handshake message in out->bytes, as far as it is known: 0 before.
static size_t message_length(const struct relay_hello *out)
{
	const uint8_t *b = out->bytes;

	if (out->gathered < HANDSHAKE_HEADER)
		return 0;
	return HANDSHAKE_HEADER + ((size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3]);
}

// One record's part of the message. MORE with out->need set, BAD, or READ: look at the next record.
static enum relay_hello_state record_take(
	struct stream *s, size_t total, size_t *used, struct relay_hello *out)
{
	uint8_t h[RECORD_HEADER];

	if (total - *used < RECORD_HEADER || !stream_take(s, h, sizeof(h)))
		return more(out, *used + RECORD_HEADER);
	const size_t length = (size_t)h[3] << 8 | h[4];

	// Nothing comes between the parts of a message, and no part is empty (RFC 8446 5.1).
	if (h[0] != RECORD_HANDSHAKE || h[1] != 3 || length == 0 || length > RECORD_MAX)
		return bad(out, RELAY_HELLO_MALFORMED);
	*used += RECORD_HEADER;
	const size_t room = sizeof(out->bytes) - out->gathered;
	const size_t there = total - *used < length ? total - *used : length;
	const size_t part = there < room ? there : room;

	(void)stream_take(s, out->bytes + out->gathered, part);
	out->gathered = (uint16_t)(out->gathered + part);
	if (out->gathered > 0 && out->bytes[0] != HANDSHAKE_CLIENT_HELLO)
		return bad(out, RELAY_HELLO_MALFORMED);
	const size_t message = message_length(out);

	if (message > RELAY_HELLO_MAX || (message == 0 && part < there))
		return bad(out, RELAY_HELLO_TOO_LONG);
	// The record that ends it may go on with what is not the hello's; that is the member's to judge.
	if (message > 0 && out->gathered >= message) {
		out->gathered = (uint16_t)message;
		return RELAY_HELLO_READ;
	}
	if (there < length) {
		const size_t missing =
			message > 0 ? message - out->gathered : HANDSHAKE_HEADER - out->gathered;

		return more(out, total + (missing < length - there ? missing : length - there));
	}
	*used += length;
	return RELAY_HELLO_READ;
}

static enum relay_hello_state tls_read(struct stream s, size_t total, struct relay_hello *out)
{
	size_t used = 0;

	for (unsigned i = 0; i < RELAY_HELLO_RECORDS; i++) {
		const enum relay_hello_state state = record_take(&s, total, &used, out);
		const size_t message = message_length(out);

		if (state != RELAY_HELLO_READ)
			return state;
		if (message == 0 || out->gathered < message)
			continue;
		out->kind = POSTERN_HELLO_TLS;
		out->fault = RELAY_HELLO_MALFORMED;
		const struct part body = {
			out->bytes + HANDSHAKE_HEADER, message - HANDSHAKE_HEADER};

		return client_hello(body, out) ? RELAY_HELLO_READ : RELAY_HELLO_BAD;
	}
	return bad(out, RELAY_HELLO_TOO_LONG);
}

// RFC 5246 E.2. Nobody but a TLS client begins so: lengths agree, and ciphers are triples.
static bool is_sslv2(const uint8_t *b, size_t n, struct relay_hello *out)
{
	if (n < 11)
		return false;
	const unsigned length = (b[0] & 0x7fu) << 8 | b[1];
	const unsigned version = (unsigned)b[3] << 8 | b[4];
	const unsigned ciphers = (unsigned)b[5] << 8 | b[6];
	const unsigned session = (unsigned)b[7] << 8 | b[8];
	const unsigned challenge = (unsigned)b[9] << 8 | b[10];

	if (!(b[0] & 0x80) || b[2] != HANDSHAKE_CLIENT_HELLO ||
		(version >> 8 != 3 && version != POSTERN_SSL2) || ciphers == 0 ||
		ciphers % 3 != 0 || challenge < 16 || challenge > 32 ||
		length != 9 + ciphers + session + challenge)
		return false;
	out->version = (uint16_t)version;
	return true;
}

static bool begins(const uint8_t *b, size_t n, const char *with)
{
	const size_t length = strlen(with);

	return n >= length && memcmp(b, with, length) == 0;
}

static bool contains(const uint8_t *b, size_t n, const char *what)
{
	return memmem(b, n, what, strlen(what)) != NULL;
}

static bool is_text(const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((b[i] < 0x20 || b[i] > 0x7e) && b[i] != '\r' && b[i] != '\n' && b[i] != '\t')
			return false;
	return n > 0;
}

// The name of what is not TLS.
static enum postern_hello name_of(const uint8_t *b, size_t n)
{
	if (begins(b, n, "SSH-"))
		return POSTERN_HELLO_SSH;
	if (!is_text(b, n))
		return POSTERN_HELLO_OTHER;
	if (begins(b, n, "<?xml") || begins(b, n, "<stream:"))
		return POSTERN_HELLO_XMPP;
	if (begins(b, n, "SIP/2.0 ") || contains(b, n, " sip:") || contains(b, n, " sips:") ||
		contains(b, n, " SIP/2.0"))
		return POSTERN_HELLO_SIP;
	if (contains(b, n, " HTTP/1.") || begins(b, n, "GET /") || begins(b, n, "POST /") ||
		begins(b, n, "PRI * HTTP/2"))
		return POSTERN_HELLO_HTTP;
	return POSTERN_HELLO_TEXT;
}

static enum relay_hello_state other_read(
	struct stream s, size_t total, bool last, struct relay_hello *out)
{
	uint8_t b[RELAY_HELLO_TEXT];
	const size_t n = total < sizeof(b) ? total : sizeof(b);

	(void)stream_take(&s, b, n);
	// What is not text, or has ended its line, has no better name with more of it.
	const bool settled = n == sizeof(b) || !is_text(b, n) || memchr(b, '\n', n) != NULL;

	if ((b[0] & 0x80) && n < 11 && (n < 3 || b[2] == HANDSHAKE_CLIENT_HELLO) && !last)
		return more(out, n < 3 ? 3 : 11);
	if (!settled && !last)
		return more(out, total + 1);
	out->kind = is_sslv2(b, n, out) ? POSTERN_HELLO_SSLV2 : name_of(b, n);
	return RELAY_HELLO_READ;
}

enum relay_hello_state relay_hello_read(
	const struct iovec *iov, unsigned n, bool last, struct relay_hello *out)
{
	const struct stream s = {iov, n, 0};
	struct stream head = s;
	uint8_t begin[3];
	size_t total = 0;

	// All but the bytes, which `gathered` bounds.
	memset(out, 0, offsetof(struct relay_hello, bytes));
	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (total == 0) {
		out->kind = POSTERN_HELLO_SILENT;
		return last ? RELAY_HELLO_READ : more(out, 1);
	}
	const size_t known = total < sizeof(begin) ? total : sizeof(begin);

	(void)stream_take(&head, begin, known);
	if (begin[0] != RECORD_HANDSHAKE || (known > 1 && begin[1] != 3))
		return other_read(s, total, last, out);
	const enum relay_hello_state state = tls_read(s, total, out);

	if (state == RELAY_HELLO_MORE && last)
		return bad(out, RELAY_HELLO_MALFORMED);
	return state;
}

bool relay_hello_offers(const struct relay_hello *hello, const char *name, size_t length)
{
	struct part list = {hello->alpn, hello->alpn_length}, one;

	while (take_list8(&list, &one))
		if (one.left == length && memcmp(one.at, name, length) == 0)
			return true;
	return false;
}
