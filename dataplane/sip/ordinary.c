// SPDX-License-Identifier: BSD-2-Clause
// Headers as nearly everybody writes them: no folds, no tabs, no white space before a colon, nothing
// wrong. A line is looked at sixty-four bytes at a time, once for its end and its colon. Whatever
// else stands there is left to index.c, which reads all of it anew and knows what is wrong.

#include "sip/block.h"
#include "sip/names.h"

#if SIP_VECTOR

#define INLINE              static inline __attribute__((always_inline))
#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define BLOCK 64u

// Where lines are read. Of those that end in the last block a copy is read, with NULs behind it, so
// that no look goes too far.
struct text {
	uintptr_t origin;    // what offsets are counted from
	const uint8_t *last; // from here a block and one byte more may be read
};

struct reader {
	struct sip_message *m;
	struct sip_line *line; // the next
	uint32_t n;            // and its number
	uint32_t headers;      // how many there may be
	uint32_t header;       // bytes that one may have
	uint64_t seen, repeated;
};

enum taken {
	WHOLE,
	REACHES_END, // a line ends where there is no block to look at, or in another control byte
	LEAVE,       // to index.c
};

// Notes the header, which may have occurred before.
INLINE void enter(struct reader *r, size_t h)
{
	const uint64_t bit = SIP_HEADER_BIT(h);
	struct sip_message *m = r->m;
	const uint8_t number = (uint8_t)r->n;

	if (UNLIKELY(r->seen & bit)) {
		r->repeated |= bit;
		m->lines[m->last[h]].next = number;
	} else {
		m->first[h] = number;
	}
	r->seen |= bit;
	m->last[h] = number;
}

// Whether a name that is not known is one at all, and `stop` its colon. Behind a fold there is none.
static __attribute__((noinline)) bool is_name(const uint8_t *name, const uint8_t *stop)
{
	return *stop == ':' && sip_set_skip(&sip_set_token, name, stop, name + BLOCK) == stop;
}

// Takes the header that stands from `p` to the CR at `stop`, with its colon behind `length` bytes.
INLINE bool take_header(struct reader *r, const struct text *t, const uint8_t *p, uint32_t length,
	const uint8_t *stop)
{
	struct sip_line *l = r->line;
	const size_t h = sip_header_look_up(sip_load16(p), p, length);
	const uint8_t *value = p + length + 1;

	l->name = (uint16_t)((uintptr_t)p - t->origin);
	l->end = (uint16_t)((uintptr_t)stop - t->origin);
	// Behind the value stands the CR.
	if (LIKELY(*value == ' '))
		do {
			value++;
		} while (UNLIKELY(*value == ' '));
	while (LIKELY(stop > value) && UNLIKELY(stop[-1] == ' '))
		stop--;
	l->value = (uint16_t)((uintptr_t)value - t->origin);
	l->value_length = (uint16_t)(stop - value);
	l->header = (uint8_t)h;
	l->next = SIP_LINE_NONE;
	l->odd = false;
	// A known name is made of good characters.
	if (LIKELY(h != SIP_HEADER_OTHER))
		enter(r, h);
	else if (!is_name(p, p + length))
		return false;
	r->line++;
	r->n++;
	return true;
}

// The CR of the line at `p` if its first control byte is that of a CRLF, else NULL. `controls`: those
// of its first block.
INLINE const uint8_t *find_end(
	const struct text *t, const uint8_t *p, uint64_t controls, sip_look *look)
{
	uint16_t crlf;

	while (UNLIKELY(controls == 0)) {
		p += BLOCK;
		if (p > t->last)
			return NULL;
		controls = look(p).controls;
	}
	p += __builtin_ctzll(controls);
	memcpy(&crlf, p, sizeof(crlf));
	return crlf == ('\r' | '\n' << 8) ? p : NULL;
}

// Takes headers from *at on until the empty line, or until *at cannot be taken from this text.
INLINE enum taken take_headers(
	struct reader *reader, struct text text, const uint8_t **at, sip_look *look)
{
	const struct text *t = &text;
	struct reader r = *reader; // in registers
	const uint8_t *p = *at;
	enum taken taken = REACHES_END;

	while (p <= t->last) {
		const struct sip_marks marks = look(p);
		const uint8_t *stop = find_end(t, p, marks.controls, look);

		if (UNLIKELY(stop == NULL))
			break;
		if (UNLIKELY(stop == p)) {
			taken = WHOLE;
			break;
		}
		// Colons in the highest bit are those that are not there.
		const uint32_t length = (uint32_t)__builtin_ctzll(marks.colons | UINT64_C(1) << 63);
		const uint32_t whole = (uint32_t)(stop - p);

		taken = LEAVE;
		if (UNLIKELY(length - 1 >= whole - 1 || whole > r.header || r.n == r.headers ||
			     !take_header(&r, t, p, length, stop)))
			break;
		taken = REACHES_END;
		p = stop + 2;
	}
	*reader = r;
	*at = p;
	return taken;
}

INLINE bool take_all(struct sip_message *m, const struct sip_limits *limits, const uint8_t *bytes,
	uint32_t length, sip_look *look)
{
	// No line ends later than this.
	const uint32_t most = limits->headers_bytes + 2;
	const uint8_t *end = bytes + (length < most ? length : most);
	struct reader r = {m, m->lines, 0, limits->headers, limits->header, 0, 0};
	uint8_t copy[4 * BLOCK];
	uint32_t unused;

	if (end - bytes <= BLOCK)
		return false;
	struct text t = {(uintptr_t)bytes, end - BLOCK - 1};
	const uint8_t *cr = find_end(&t, bytes, look(bytes).controls, look);

	if (cr == NULL || cr - bytes > limits->start_line ||
		sip_start_read(m, (uint32_t)(cr - bytes), &unused) != SIP_OK)
		return false;
	const uint8_t *p = cr + 2;
	enum taken taken = take_headers(&r, t, &p, look);

	if (taken == REACHES_END && p < end && end - p <= 3 * BLOCK) {
		const size_t left = (size_t)(end - p);

		memcpy(copy, p, left);
		memset(copy + left, 0, BLOCK);
		t = (struct text){(uintptr_t)copy - ((uintptr_t)p - t.origin), copy + left - 1};
		p = copy;
		taken = take_headers(&r, t, &p, look);
	}
	const uint32_t offset = (uint32_t)((uintptr_t)p - t.origin);

	if (taken != WHOLE || offset >= limits->headers_bytes)
		return false;
	m->headers_length = offset + 2;
	m->n_lines = r.n;
	m->seen = r.seen;
	m->repeated = r.repeated;
	return true;
}

bool sip_index_ordinary_sse(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length)
{
	return take_all(m, limits, bytes, length, sip_marks_sse);
}

SIP_AVX2 bool sip_index_ordinary_avx2(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length)
{
	return take_all(m, limits, bytes, length, sip_marks_avx2);
}

bool sip_index_ordinary(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length)
{
	return sip_has_avx2() ? sip_index_ordinary_avx2(m, limits, bytes, length)
			      : sip_index_ordinary_sse(m, limits, bytes, length);
}

#else

bool sip_index_ordinary(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length)
{
	(void)m;
	(void)limits;
	(void)bytes;
	(void)length;
	return false;
}

#endif
