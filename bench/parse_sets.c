// SPDX-License-Identifier: BSD-2-Clause
// The messages that the parse benchmark reads: what a federated Lync or Skype for Business sends.

#include "bench/parse.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 4096

// The benchmark's MESSAGE has this length, body included.
#define MESSAGE_LENGTH 800

static const char *const users[] = {
	"alice", "bob.smith", "c.d.jones", "erika-mustermann", "fo", "g.h"};
static const char *const domains[] = {
	"fabrikam.com", "contoso.com", "emea.northwind-traders.net", "a.example", "litware.co.uk"};

#define PICK(list, i) list[(i) % (sizeof(list) / sizeof(list[0]))]

// What differs between the variants of a message.
struct names {
	const char *user, *domain, *peer, *peer_domain;
	uint64_t number;
};

static struct names names_of(unsigned i)
{
	return (struct names){
		.user = PICK(users, i),
		.domain = PICK(domains, i / 2),
		.peer = PICK(users, i / 3 + 1),
		.peer_domain = PICK(domains, i + 3),
		// A multiplicative walk over 64 bits: digits and lengths that follow no pattern.
		.number = (i + 1) * UINT64_C(0x9e3779b97f4a7c15),
	};
}

// The headers of every request and response; `turn` of them is printed first.
static size_t print_headers(
	char *to, const struct names *n, const char *method, unsigned turn, bool response)
{
	char lines[8][320];
	size_t length = 0;

	snprintf(lines[0], 320, "Max-Forwards: %u\r\n", (unsigned)(60 + n->number % 10));
	snprintf(lines[1], 320, "From: \"%s\" <sip:%s@%s>;tag=%08x;epid=%010llx\r\n", n->user,
		n->user, n->domain, (unsigned)n->number, (unsigned long long)(n->number >> 24));
	snprintf(lines[2], 320, "To: <sip:%s@%s>;tag=%08X\r\n", n->peer, n->peer_domain,
		(unsigned)(n->number >> 32));
	snprintf(lines[3], 320, "Call-ID: %016llx%08x\r\n", (unsigned long long)n->number,
		(unsigned)(n->number >> 7));
	snprintf(lines[4], 320, "CSeq: %u %s\r\n", (unsigned)(n->number % 5000), method);
	if (response)
		lines[5][0] = '\0';
	else
		snprintf(lines[5], 320, "Route: <sip:sip.%s:5061;transport=tls;lr>\r\n",
			n->peer_domain);
	snprintf(lines[6], 320, "Contact: <sip:%s@%s;opaque=user:epid:%07x;gruu>\r\n", n->user,
		n->domain, (unsigned)(n->number >> 9) & 0xfffffff);
	snprintf(lines[7], 320, "User-Agent: UCCAPI/16.0.%u OC/16.0 (Skype for Business)\r\n",
		(unsigned)(n->number % 9000));
	length += (size_t)sprintf(to,
		"Via: SIP/2.0/TLS 203.0.113.%u:%u;branch=z9hG4bK%08X.%08x;branched=FALSE\r\n",
		(unsigned)(n->number % 250), (unsigned)(n->number % 50000 + 1024),
		(unsigned)n->number, (unsigned)(n->number >> 20));
	for (unsigned i = 0; i < 8; i++)
		length += (size_t)sprintf(to + length, "%s", lines[(i + turn) % 8]);
	return length;
}

static size_t finish(char *to, size_t length, const char *type, const char *body)
{
	return length + (size_t)sprintf(to + length,
				"Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", type,
				strlen(body), body);
}

static size_t print_message(char *to, unsigned i)
{
	const struct names n = names_of(i);
	char body[MESSAGE_LENGTH];
	size_t length = (size_t)sprintf(to, "MESSAGE sip:%s@%s SIP/2.0\r\n", n.peer, n.peer_domain);

	length += print_headers(to + length, &n, "MESSAGE", i / 8, false);
	length += (size_t)sprintf(to + length, "Supported: timer\r\n");
	const size_t head = finish(to, length, "text/plain; charset=UTF-8", "");

	// Three digits of length instead of one.
	memset(body, 'x', sizeof(body));
	body[head + 2 < MESSAGE_LENGTH - 100 ? MESSAGE_LENGTH - head - 2 : 100] = '\0';
	return finish(to, length, "text/plain; charset=UTF-8", body);
}

static size_t print_invite(char *to, unsigned i)
{
	const struct names n = names_of(i);
	size_t length = (size_t)sprintf(to, "INVITE sip:%s@%s SIP/2.0\r\n", n.peer, n.peer_domain);

	length += print_headers(to + length, &n, "INVITE", i / 8, false);
	length += (size_t)sprintf(to + length,
		"Supported: timer, histinfo, ms-early-media, 100rel\r\n"
		"Session-Expires: 1800\r\nMin-SE: 90\r\n"
		"Allow: INVITE, BYE, ACK, CANCEL, INFO, UPDATE, REFER, NOTIFY, BENOTIFY, "
		"OPTIONS\r\n"
		"Record-Route: <sip:edge.%s:5061;transport=tls;ms-fe=fe1.%s;lr>;tag=ABCD\r\n",
		n.domain, n.domain);
	return finish(to, length, "application/sdp",
		"v=0\r\no=- 0 0 IN IP4 203.0.113.5\r\ns=session\r\nc=IN IP4 203.0.113.5\r\n"
		"b=CT:99980\r\nt=0 0\r\nm=audio 50012 RTP/SAVP 114 9 111 0 8 97 101\r\n"
		"a=ice-ufrag:4dGg\r\na=ice-pwd:ktl2YEMyN5chBn6JCLvmzM9D\r\n"
		"a=candidate:1 1 UDP 2130706431 192.0.2.5 50012 typ host\r\n"
		"a=candidate:1 2 UDP 2130705918 192.0.2.5 50013 typ host\r\n"
		"a=rtpmap:114 x-msrta/16000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n"
		"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n");
}

static size_t print_notify(char *to, unsigned i)
{
	const struct names n = names_of(i);
	size_t length = (size_t)sprintf(to, "NOTIFY sip:%s@%s SIP/2.0\r\n", n.peer, n.peer_domain);

	length += print_headers(to + length, &n, "NOTIFY", i / 8, false);
	length += (size_t)sprintf(to + length,
		"Event: presence\r\nsubscription-state: active;expires=28800\r\n"
		"Require: eventlist\r\n");
	return finish(to, length, "application/pidf+xml",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
		"<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:alice@fabrikam.com\">"
		"<tuple id=\"0\"><status><basic>open</basic></status>"
		"<contact "
		"priority=\"0.8\">sip:alice@fabrikam.com</contact></tuple></presence>\r\n");
}

static size_t print_ok(char *to, unsigned i)
{
	const struct names n = names_of(i);
	size_t length = (size_t)sprintf(to, "SIP/2.0 200 OK\r\n");

	length += print_headers(to + length, &n, "MESSAGE", i / 8, true);
	return length + (size_t)sprintf(to + length, "Content-Length: 0\r\n\r\n");
}

// Keeps a message in memory of its own, with a NUL behind it for parsers that want one.
static void keep(struct parse_set *s, const char *text, size_t length)
{
	s->text[s->n] = malloc(length + 1);
	if (!s->text[s->n])
		abort();
	memcpy(s->text[s->n], text, length);
	s->text[s->n][length] = '\0';
	s->length[s->n++] = length;
}

static void fill(struct parse_set *s, const char *name, size_t (*print)(char *, unsigned))
{
	char text[TEXT_MAX];

	*s = (struct parse_set){.name = name};
	for (unsigned i = 0; i < PARSE_VARIANTS; i++)
		keep(s, text, print(text, i));
}

unsigned parse_sets_make(struct parse_set *sets)
{
	fill(&sets[0], "MESSAGE of 800 bytes", print_message);
	fill(&sets[1], "INVITE with SDP", print_invite);
	fill(&sets[2], "NOTIFY with presence", print_notify);
	fill(&sets[3], "200 to a MESSAGE", print_ok);
	return PARSE_SETS;
}

bool parse_set_load(struct parse_set *s, const char *name, const char *path)
{
	char text[65536];
	FILE *f = fopen(path, "rb");

	if (!f)
		return false;
	const size_t length = fread(text, 1, sizeof(text), f);

	fclose(f);
	*s = (struct parse_set){.name = name};
	keep(s, text, length);
	return true;
}
