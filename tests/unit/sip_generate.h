// SPDX-License-Identifier: BSD-2-Clause
// SIP messages drawn at random, and what may happen to them on the way.

#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint64_t seed = 7;

static inline uint32_t draw(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

#define DRAW(list) list[draw(sizeof(list) / sizeof(list[0]))]

static const char *const starts[] = {"MESSAGE sip:bob@contoso.com SIP/2.0",
	"INVITE sips:b;x=y@[2001:db8::1]:5061;transport=tls SIP/2.0", "SIP/2.0 200 OK",
	"SIP/2.0 486 Busy \xc3\xa4", "X-NEW tel:+1555;ext=1 SIP/2.0"};
static const char *const methods[] = {"MESSAGE", "INVITE", "MESSAGE", "BYE", "X-NEW"};
static const char *const vias[] = {"Via: SIP/2.0/TLS a.example;branch=1",
	"v: SIP/2.0/TLS a.example, SIP/2.0/TCP [::1]:5;received=::2\r\nVia : SIP / 2.0 / UDP b",
	"Via: SIP/2.0/TLS a.example;x=\"a,b\"\r\n ;rport"};
static const char *const froms[] = {"From: <sip:alice@fabrikam.com>;tag=1",
	"f : \"A \\\" B\"\r\n <sip:a@B.Example.>\r\n\t;tag=1", "From: Alice <sip:192.0.2.1>",
	"From: sip:a@b.example;tag=x"};
static const char *const tos[] = {"To: <sip:bob@contoso.com>", "t:\r\n sip:bob@contoso.com;tag=2",
	"To: \"\xe5\xad\x97\" <tel:+1555>"};
static const char *const extras[] = {"Max-Forwards: 70\r\n", "Max-Forwards : 0\r\n",
	"Route: <sip:a.example;lr>, <sip:b.example>\r\n", "Record-Route: <sip:c.example>\r\n",
	"P-Asserted-Identity: <sip:a@b.example>,\r\n <tel:+1>\r\n", "Contact: *\r\n",
	"X-Unknown: a\r\n  folded \t\r\n  twice\r\n", "s:\r\n", "Subject2:x\r\n", "", ""};

// A message that is good more often than not.
static inline size_t generate(char *to)
{
	const unsigned kind = draw(5);
	char headers[6][200];
	unsigned order[6] = {0, 1, 2, 3, 4, 5};
	size_t n = (size_t)sprintf(to, "%s\r\n", starts[kind]);
	const unsigned body = draw(4) ? draw(40) : 0;

	snprintf(headers[0], 200, "%s\r\n", DRAW(vias));
	snprintf(headers[1], 200, "%s\r\n", DRAW(froms));
	snprintf(headers[2], 200, "%s\r\n", DRAW(tos));
	snprintf(headers[3], 200, "Call-ID: %u@x\r\n", draw(1000));
	snprintf(headers[4], 200, "CSeq: %u%s%s\r\n", draw(100000), draw(8) ? " " : "\r\n ",
		methods[kind]);
	snprintf(headers[5], 200, "%s%s", DRAW(extras), DRAW(extras));
	for (unsigned i = 5; i > 0; i--) {
		const unsigned k = draw(i + 1), kept = order[i];

		order[i] = order[k];
		order[k] = kept;
	}
	for (unsigned i = 0; i < 6; i++)
		n += (size_t)sprintf(to + n, "%s", headers[order[i]]);
	n += (size_t)sprintf(to + n, "%s: %u\r\n\r\n", draw(2) ? "l" : "Content-Length", body);
	for (unsigned i = 0; i < body; i++)
		to[n++] = "ab\r\n: \t\0"[draw(8)];
	return n;
}

static inline void mutate(char *text, size_t *length)
{
	static const char strange[] = "\r\n\t :;,<>@\"\\%()[]\0\x7f\x80/=?*";

	for (unsigned i = 0; i < 1 + draw(3); i++) {
		const size_t at = draw((uint32_t)*length);

		switch (draw(3)) {
		case 0:
			text[at] = strange[draw(sizeof(strange) - 1)];
			break;
		case 1:
			memmove(text + at + 1, text + at, *length - at);
			text[at] = strange[draw(sizeof(strange) - 1)];
			++*length;
			break;
		default:
			memmove(text + at, text + at + 1, *length - at - 1);
			--*length;
			break;
		}
	}
}
