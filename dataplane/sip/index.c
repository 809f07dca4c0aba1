// SPDX-License-Identifier: BSD-2-Clause
// One pass over the headers: where each line begins and ends, what it is called, where its value
// lies. Refuses what two readers could cut into lines differently.

#include "sip/private.h"

// What is being read. `at` has the offsets of control bytes not looked at yet.
struct reading {
	struct sip_message *m;
	const struct sip_limits *limits;
	const uint8_t *bound;
	const uint16_t *at;
	uint32_t n_at;
	uint32_t length; // bytes to look at
	uint32_t line;   // where the line begins
	bool first;      // it is the start line
	bool cut;        // there are more control bytes than were looked for
};

static enum sip_indexed fault(
	struct reading *r, enum sip_error e, enum sip_header h, uint32_t offset)
{
	r->m->fault = (struct sip_fault){(uint8_t)e, (uint8_t)h, offset};
	return SIP_INDEX_FAULT;
}

// Whether a line that reaches to `offset` is still as short as it must be. Asked before any byte
// further on is judged, so that the answer does not depend on how much has been received.
static enum sip_error too_long(const struct reading *r, uint32_t offset)
{
	const uint32_t longest = r->first ? r->limits->start_line : r->limits->header;

	if (offset - r->line > longest)
		return r->first ? SIP_ERROR_START_LINE_LONG : SIP_ERROR_HEADER_LONG;
	return offset >= r->limits->headers_bytes ? SIP_ERROR_HEADERS_LONG : SIP_OK;
}

// All that there was has been looked at, and the line does not end in it.
static enum sip_indexed out_of_bytes(struct reading *r)
{
	if (r->cut)
		return fault(r, SIP_ERROR_HEADERS_MANY, SIP_HEADER_NONE, r->line);
	const enum sip_error e = too_long(r, r->length);

	return e == SIP_OK ? SIP_INDEX_MORE : fault(r, e, SIP_HEADER_NONE, r->length);
}

// Judges the control byte at the head of the list. WHOLE: it is a tab, or the CR of a CRLF.
static enum sip_indexed judge(struct reading *r, uint32_t i)
{
	const uint8_t *bytes = r->m->bytes;
	const enum sip_error e = too_long(r, i);

	if (e != SIP_OK)
		return fault(r, e, SIP_HEADER_NONE, i);
	if (bytes[i] == '\n')
		return fault(r, SIP_ERROR_BARE_LF, SIP_HEADER_NONE, i);
	if (bytes[i] == '\t')
		return SIP_INDEX_WHOLE;
	if (bytes[i] != '\r')
		return fault(r, SIP_ERROR_CONTROL_BYTE, SIP_HEADER_NONE, i);
	if (i + 1 >= r->length)
		return out_of_bytes(r);
	if (bytes[i + 1] != '\n')
		return fault(r, SIP_ERROR_BARE_CR, SIP_HEADER_NONE, i);
	return r->n_at >= 2 ? SIP_INDEX_WHOLE : out_of_bytes(r);
}

static void pass(struct reading *r, uint32_t n)
{
	r->at += n;
	r->n_at -= n;
}

// Finds where the line ends: *end is its CR, *folds how many CRLF it holds.
static enum sip_indexed find_end(struct reading *r, uint32_t *end, uint32_t *folds)
{
	const uint8_t *bytes = r->m->bytes;

	*end = r->line;
	*folds = 0;
	while (r->n_at > 0) {
		const uint32_t i = r->at[0];
		const enum sip_indexed is = judge(r, i);

		if (is != SIP_INDEX_WHOLE)
			return is;
		if (bytes[i] == '\t') {
			pass(r, 1);
			continue;
		}
		pass(r, 2);
		*end = i;
		// The empty line needs no look at what follows: that is the body.
		if (i == r->line)
			return SIP_INDEX_WHOLE;
		if (i + 2 >= r->length)
			return out_of_bytes(r);
		if (bytes[i + 2] != ' ' && bytes[i + 2] != '\t')
			return SIP_INDEX_WHOLE;
		++*folds;
	}
	return out_of_bytes(r);
}

// Takes white space and folds off both ends of a line's value, which begins at `from`.
static void trim(const uint8_t *bytes, struct sip_line *l, uint32_t from, uint32_t to)
{
	while (from < to && sip_is_space(bytes[from]))
		from++;
	while (to > from && sip_is_space(bytes[to - 1]))
		to--;
	l->value = (uint16_t)from;
	l->value_length = (uint16_t)(to - from);
}

static void enter(struct sip_message *m, struct sip_line *l)
{
	const uint8_t number = (uint8_t)m->n_lines++;
	const unsigned h = l->header;

	l->next = SIP_LINE_NONE;
	if (h == SIP_HEADER_OTHER)
		return;
	const uint64_t bit = SIP_HEADER_BIT(h);

	if (m->seen & bit) {
		m->repeated |= bit;
		m->lines[m->last[h]].next = number;
	} else {
		m->seen |= bit;
		m->first[h] = number;
	}
	m->last[h] = number;
}

// header = token HCOLON value; HCOLON may have white space before its colon, but no fold: a line
// that is folded before its colon looks like another line's end to half of all readers.
static enum sip_indexed read_header(struct reading *r, uint32_t end, uint32_t folds)
{
	struct sip_message *m = r->m;
	const uint8_t *bytes = m->bytes;
	const uint8_t *name = bytes + r->line;
	const uint8_t *stop = bytes + end;
	const uint8_t *p = sip_set_skip(&sip_set_token, name, stop, r->bound);
	const uint32_t name_length = (uint32_t)(p - name);

	if (m->n_lines >= r->limits->headers)
		return fault(r, SIP_ERROR_HEADERS_MANY, SIP_HEADER_NONE, r->line);
	struct sip_line *l = &m->lines[m->n_lines];

	while (p < stop && (*p == ' ' || *p == '\t'))
		p++;
	if (name_length == 0 || p == stop || *p != ':')
		return fault(r, SIP_ERROR_HEADER_NAME, SIP_HEADER_OTHER, (uint32_t)(p - bytes));
	l->name = (uint16_t)r->line;
	l->end = (uint16_t)end;
	l->name_length = name_length < UINT8_MAX ? (uint8_t)name_length : UINT8_MAX;
	l->header = (uint8_t)sip_header_find(name, name_length, r->bound);
	l->odd = folds != 0 || p != name + name_length;
	trim(bytes, l, (uint32_t)(p + 1 - bytes), end);
	enter(m, l);
	return SIP_INDEX_WHOLE;
}

static enum sip_indexed read_start(struct reading *r, uint32_t end, uint32_t folds)
{
	uint32_t offset = end;
	const enum sip_error e =
		folds != 0 ? SIP_ERROR_START_LINE : sip_start_read(r->m, end, &offset);

	if (e != SIP_OK)
		return fault(r, e, SIP_HEADER_NONE, offset);
	r->first = false;
	return SIP_INDEX_WHOLE;
}

static enum sip_indexed read_lines(struct reading *r)
{
	for (;;) {
		uint32_t end, folds;
		enum sip_indexed is = find_end(r, &end, &folds);

		if (is != SIP_INDEX_WHOLE)
			return is;
		if (end == r->line && !r->first) {
			r->m->headers_length = end + 2;
			return SIP_INDEX_WHOLE;
		}
		is = r->first ? read_start(r, end, folds) : read_header(r, end, folds);
		if (is != SIP_INDEX_WHOLE)
			return is;
		r->line = end + 2;
	}
}

enum sip_indexed sip_index(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length)
{
	uint16_t at[SIP_CONTROLS_MAX + 64];
	// The byte behind the longest headers is looked at, to find that they are too long.
	const uint32_t look = length <= limits->headers_bytes ? length : limits->headers_bytes + 1;
	const uint32_t n = sip_scan_controls(bytes, look, at);
	struct reading r = {
		.m = m,
		.limits = limits,
		.bound = bytes + length,
		.at = at,
		.n_at = n < SIP_CONTROLS_MAX ? n : SIP_CONTROLS_MAX,
		.length = look,
		.first = true,
		.cut = n >= SIP_CONTROLS_MAX,
	};

	m->bytes = bytes;
	m->readable = length;
	m->n_lines = 0;
	m->seen = 0;
	m->repeated = 0;
	m->found = 0;
	m->fault = (struct sip_fault){SIP_OK, SIP_HEADER_NONE, 0};
	return read_lines(&r);
}
