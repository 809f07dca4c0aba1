// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: the place where reading is, the sets of characters, the
// pieces of the grammar.

#pragma once

#include "sip/set.h"
#include "sip/sip.h"

#include <string.h>

// A place in a value. Bytes up to `end` belong to it; up to `bound` they may be read.
struct sip_cursor {
	const uint8_t *at;
	const uint8_t *end;
	const uint8_t *bound;
};

// The byte at the cursor, or 0 at the end. In a message no byte is 0: index.c has seen to that.
static inline uint8_t sip_peek(const struct sip_cursor *c)
{
	return c->at < c->end ? *c->at : 0;
}

// White space, of which a message has SP, HTAB and, inside folds, CR and LF: index.c lets no other
// byte up to SP pass. 0, as sip_peek() has it for the end, is none.
static inline bool sip_is_space(uint8_t c)
{
	return (uint8_t)(c - 1) < ' ';
}

// LWS (RFC 3261 25.1)
static inline void sip_skip_space(struct sip_cursor *c)
{
	while (c->at < c->end && sip_is_space(*c->at))
		c->at++;
}

static inline struct sip_span sip_span_between(const uint8_t *from, const uint8_t *to)
{
	return (struct sip_span){from, (uint32_t)(to - from)};
}

// Takes the members of a set from the cursor on.
static inline struct sip_span sip_take(struct sip_cursor *c, const struct sip_set *s)
{
	const uint8_t *from = c->at;

	c->at = sip_set_skip(s, from, c->end, c->bound);
	return sip_span_between(from, c->at);
}

// The first `n` of up to eight bytes as one number, letters in lower case, zeros behind. Setting
// bit 5 does that to letters; of the other characters of a token it changes '_' alone, to DEL,
// which is none.
#define SIP_KEY_LOWER UINT64_C(0x2020202020202020)

static inline uint64_t sip_word(const uint8_t *p, uint32_t n, const uint8_t *bound)
{
	uint64_t word = 0;

	if (n >= 8) {
		memcpy(&word, p, 8);
		return word;
	}
	if (bound - p < 8) {
		memcpy(&word, p, n);
		return word;
	}
	memcpy(&word, p, 8);
	return word & ((UINT64_C(1) << (n * 8)) - 1);
}

static inline uint64_t sip_key(const uint8_t *p, uint32_t n, const uint8_t *bound)
{
	return sip_word(p, n, bound) |
	       (n >= 8 ? SIP_KEY_LOWER : SIP_KEY_LOWER & ((UINT64_C(1) << (n * 8)) - 1));
}

// The key of a literal of up to eight characters in lower case, known when compiling.
static inline uint64_t sip_literal_key(const char *literal, size_t n)
{
	uint64_t key = 0;

	for (size_t i = 0; i < n; i++)
		key |= (uint64_t)(uint8_t)literal[i] << (8 * i);
	return key;
}

// Whether a token is `literal`, which is written in lower case and has at most eight characters.
#define SIP_TOKEN_IS(span, bound, literal)                                                         \
	((span).length == sizeof(literal) - 1 &&                                                   \
		sip_key((span).at, sizeof(literal) - 1, bound) ==                                  \
			sip_literal_key(literal, sizeof(literal) - 1))

// set.c: the sets of RFC 3261 25.1, without '%' where it begins an escape.
extern const struct sip_set sip_set_token;
extern const struct sip_set sip_set_word;
extern const struct sip_set sip_set_display; // of a display name without quotes, with spaces
extern const struct sip_set sip_set_digit;
extern const struct sip_set sip_set_user;
extern const struct sip_set sip_set_user_bare; // where ";", "," and "?" end an addr-spec
extern const struct sip_set sip_set_password;
extern const struct sip_set sip_set_password_bare;
extern const struct sip_set sip_set_host;
extern const struct sip_set sip_set_v6;
extern const struct sip_set sip_set_uri_parameter; // a name or a value
extern const struct sip_set sip_set_uri_headers;   // all of them
extern const struct sip_set sip_set_opaque;        // of a URI of another scheme, behind the colon
extern const struct sip_set sip_set_opaque_bare;
extern const struct sip_set sip_set_value; // of a header parameter: token or host
extern const struct sip_set sip_set_quote; // what ends a run of quoted text

// header.c
enum sip_header sip_header_find(const uint8_t *name, uint32_t length, const uint8_t *bound);
enum sip_method sip_method_find(const uint8_t *name, uint32_t length, const uint8_t *bound);
extern const uint64_t sip_headers_once; // the SIP_HEADER_BIT()s of what is SIP_ONCE

// scan.c: the offsets of control bytes (below 0x20, and 0x7f) in `length` bytes, in order, but for
// the CR of each CRLF; until an LF two bytes behind another, which ends the headers, or until there
// are SIP_CONTROLS_MAX of them. Up to 64 more may follow.
#define SIP_CONTROLS_MAX 1024u

typedef uint32_t sip_scan(
	const uint8_t *p, uint32_t length, uint16_t at[static SIP_CONTROLS_MAX + 64]);

sip_scan sip_scan_plain;
#if SIP_VECTOR
sip_scan sip_scan_sse;
sip_scan sip_scan_avx2; // for CPUs that have AVX2 and BMI
#endif
sip_scan sip_scan_controls; // the fastest of them here

// index.c
enum sip_indexed {
	SIP_INDEX_MORE,  // the headers do not end in these bytes
	SIP_INDEX_WHOLE, // m->headers_length, start line and lines are set
	SIP_INDEX_FAULT, // m->fault
	SIP_INDEX_CUT,   // inside index.c: more control bytes than were looked for
};

// Headers that came in parts are judged line by line as they come, and indexed when they are
// whole: `from` is where judging goes on, all zero at a message's begin.
enum sip_indexed sip_index(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length, struct sip_resume *from);

// The same without the short way of ordinary.c. m->bytes and what may be read are set.
enum sip_indexed sip_index_any(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length, struct sip_resume *from);

// ordinary.c: indexes headers as nearly everybody writes them, as sip_index_any() does.
// False: they are not of that kind, or not whole, and what of *m index.c sets is undefined.
typedef bool sip_ordinary(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length);

sip_ordinary sip_index_ordinary;
#if SIP_VECTOR
sip_ordinary sip_index_ordinary_sse;
sip_ordinary sip_index_ordinary_avx2;
#endif

// start.c: reads the start line, `length` bytes without CRLF.
enum sip_error sip_start_read(struct sip_message *m, uint32_t length, uint32_t *offset);

// number.c
enum sip_error sip_cseq_read(struct sip_cursor *c, struct sip_cseq *out);
enum sip_error sip_call_id_read(struct sip_cursor *c, struct sip_span *out);

// uri.c: where a URI stands decides what ends it.
enum sip_uri_place {
	SIP_URI_ALONE, // nothing behind it
	SIP_URI_ANGLE, // ends before '>'
	SIP_URI_BARE,  // addr-spec: ";" begins header parameters, "," the next value (RFC 3261 20)
};

enum sip_error sip_uri_read(struct sip_cursor *c, enum sip_uri_place place, struct sip_uri *out);

// parameter.c
enum sip_error sip_quoted_read(struct sip_cursor *c, struct sip_span *out);

// address.c, via.c: one value; the cursor is left behind it and the white space that follows.
enum sip_error sip_address_read(struct sip_cursor *c, bool angle_only, struct sip_address *out);
enum sip_error sip_via_read(struct sip_cursor *c, struct sip_via *out);

// message.c
// Notes the first thing that is wrong.
void sip_message_fault(
	struct sip_message *m, enum sip_error e, enum sip_header h, const uint8_t *at);
static inline struct sip_cursor sip_line_cursor(const struct sip_message *m, unsigned line)
{
	const struct sip_line *l = &m->lines[line];
	const uint8_t *value = m->bytes + l->value;

	return (struct sip_cursor){value, value + l->value_length, m->bytes + m->readable};
}
// The one line of a header that stands once; SIP_LINE_NONE and m->fault if it does not.
unsigned sip_message_line(struct sip_message *m, enum sip_header h);
