// SPDX-License-Identifier: BSD-2-Clause
// One pass over the headers: where each line begins and ends, what it is called, where its value
// lies. Refuses what two readers could cut into lines differently.

#include "sip/private.h"

#include <assert.h>

// What is being read. `at` has the offsets, from `base`, of control bytes not looked at yet.
struct reading {
	struct sip_message *m;
	const struct sip_limits *limits;
	const uint8_t *bytes;
	const uint8_t *bound;
	const uint16_t *at;
	const uint16_t *at_end;
	uint32_t base;
	uint32_t length; // bytes to look at
	uint32_t line;   // where the line begins
	uint32_t last;   // it may not reach further
	bool first;      // it is the start line
	bool cut;        // there may be more control bytes than were looked for
	uint16_t *controls;
};

static enum sip_indexed fault(
	struct reading *r, enum sip_error e, enum sip_header h, uint32_t offset)
{
	r->m->fault = (struct sip_fault){(uint8_t)e, (uint8_t)h, offset};
	return SIP_INDEX_FAULT;
}

// How far the line that begins at r->line may reach.
static void begin_line(struct reading *r, uint32_t line)
{
	const uint32_t longest = r->first ? r->limits->start_line : r->limits->header;
	const uint32_t last = line + longest;

	r->line = line;
	r->last = last < r->limits->headers_bytes ? last : r->limits->headers_bytes - 1;
}

// The line reaches further than it may. Asked before any byte further on is judged, and told of the
// first byte that is too many, so that the answer does not depend on how much has been received.
static enum sip_indexed too_long(struct reading *r)
{
	const uint32_t longest = r->first ? r->limits->start_line : r->limits->header;
	const uint32_t offset = r->last + 1;
	const enum sip_error e = offset <= r->line + longest ? SIP_ERROR_HEADERS_LONG
				 : r->first                  ? SIP_ERROR_START_LINE_LONG
							     : SIP_ERROR_HEADER_LONG;

	return fault(r, e, SIP_HEADER_NONE, offset);
}

// All that there was has been looked at, and the line does not end in it.
static enum sip_indexed out_of_bytes(struct reading *r)
{
	if (r->cut)
		return SIP_INDEX_CUT;
	return r->length > r->last ? too_long(r) : SIP_INDEX_MORE;
}

// A control byte that is neither a tab nor the end of a CRLF. What is missing behind a CR may still
// come, however long the line is: its end has been reached in time.
static enum sip_indexed judge(struct reading *r, uint32_t i)
{
	if (r->bytes[i] == '\r')
		return i + 1 < r->length ? fault(r, SIP_ERROR_BARE_CR, SIP_HEADER_NONE, i)
					 : SIP_INDEX_MORE;
	return fault(r, r->bytes[i] == '\n' ? SIP_ERROR_BARE_LF : SIP_ERROR_CONTROL_BYTE,
		SIP_HEADER_NONE, i);
}

// Finds where the line ends: *end is its CR.
static enum sip_indexed find_end(struct reading *r, uint32_t *end, bool *folded)
{
	const uint8_t *bytes = r->bytes;

	*end = r->line;
	*folded = false;
	while (r->at < r->at_end) {
		const uint32_t i = r->base + *r->at++;

		if (bytes[i] == '\t' && i <= r->last)
			continue;
		if (bytes[i] != '\n' || i == r->line || bytes[i - 1] != '\r') {
			if (i > r->last)
				return too_long(r);
			return judge(r, i);
		}
		if (i - 1 > r->last)
			return too_long(r);
		*end = i - 1;
		// The empty line needs no look at what follows: that is the body.
		if (i - 1 == r->line)
			return SIP_INDEX_WHOLE;
		if (i + 1 >= r->length)
			return SIP_INDEX_MORE;
		if (bytes[i + 1] != ' ' && bytes[i + 1] != '\t')
			return SIP_INDEX_WHOLE;
		*folded = true;
	}
	return out_of_bytes(r);
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

// Where a value lies that begins at `p`: white space and folds at both ends are not part of it.
// Behind the value stands CR, so there is always a byte to look at.
static void set_value(struct reading *r, struct sip_line *l, const uint8_t *p, const uint8_t *stop)
{
	p += *p == ' ';
	while (p < stop && sip_is_space(*p))
		p++;
	while (stop > p && sip_is_space(stop[-1]))
		stop--;
	l->value = (uint16_t)(p - r->bytes);
	l->value_length = (uint16_t)(stop - p);
}

// header = token HCOLON value; HCOLON may have white space before its colon, but no fold: a line
// that is folded before its colon looks like another line's end to half of all readers.
static enum sip_indexed read_header(struct reading *r, uint32_t end, bool folded)
{
	struct sip_message *m = r->m;
	const uint8_t *name = r->bytes + r->line;
	const uint8_t *stop = r->bytes + end;
	const uint8_t *p = sip_set_skip(&sip_set_token, name, stop, r->bound);
	const uint32_t name_length = (uint32_t)(p - name);
	struct sip_line *l = &m->lines[m->n_lines];

	if (m->n_lines >= r->limits->headers)
		return fault(r, SIP_ERROR_HEADERS_MANY, SIP_HEADER_NONE, r->line);
	// Behind the last byte of a line stands its CR: there is something to look at.
	if (*p != ':') {
		folded = true;
		while (*p == ' ' || *p == '\t')
			p++;
	}
	if (*p != ':' || name_length == 0)
		return fault(r, SIP_ERROR_HEADER_NAME, SIP_HEADER_OTHER, (uint32_t)(p - r->bytes));
	l->header = (uint8_t)sip_header_find(name, name_length, r->bound);
	l->name = (uint16_t)r->line;
	l->end = (uint16_t)end;
	l->odd = folded;
	set_value(r, l, p + 1, stop);
	enter(m, l);
	return SIP_INDEX_WHOLE;
}

static enum sip_indexed read_start(struct reading *r, uint32_t end, bool folded)
{
	uint32_t offset = end;
	const enum sip_error e = folded ? SIP_ERROR_START_LINE : sip_start_read(r->m, end, &offset);

	if (e != SIP_OK)
		return fault(r, e, SIP_HEADER_NONE, offset);
	r->first = false;
	return SIP_INDEX_WHOLE;
}

// Looks for control bytes from the current line on.
static void refill(struct reading *r)
{
	const uint32_t n = sip_scan_controls(r->bytes + r->line, r->length - r->line, r->controls);

	r->base = r->line;
	r->cut = n >= SIP_CONTROLS_MAX;
	r->at = r->controls;
	r->at_end = r->at + (r->cut ? SIP_CONTROLS_MAX : n);
}

static enum sip_indexed read_lines(struct reading *r)
{
	for (;;) {
		uint32_t end;
		bool folded;
		enum sip_indexed is = find_end(r, &end, &folded);

		if (is == SIP_INDEX_CUT) {
			// Looks again from this line on; if that was so already, it is too much.
			if (r->base == r->line)
				return fault(r, SIP_ERROR_HEADERS_MANY, SIP_HEADER_NONE, r->line);
			refill(r);
			continue;
		}
		if (is != SIP_INDEX_WHOLE)
			return is;
		if (end == r->line && !r->first) {
			r->m->headers_length = end + 2;
			return SIP_INDEX_WHOLE;
		}
		is = r->first ? read_start(r, end, folded) : read_header(r, end, folded);
		if (is != SIP_INDEX_WHOLE)
			return is;
		begin_line(r, end + 2);
	}
}

// Reads from a line on, before which there were `lines` headers.
static enum sip_indexed read_from(struct reading *r, struct sip_resume from)
{
	struct sip_message *m = r->m;

	m->n_lines = from.lines;
	m->seen = 0;
	m->repeated = 0;
	r->first = from.line == 0;
	begin_line(r, from.line);
	refill(r);
	return read_lines(r);
}

enum sip_indexed sip_index_any(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length, struct sip_resume *from)
{
	uint16_t controls[SIP_CONTROLS_MAX + 64];
	struct reading r = {
		.m = m,
		.limits = limits,
		.bytes = bytes,
		.bound = bytes + length,
		// Behind the longest headers only what the last line's CR may be followed by is
		// looked at.
		.length = length < limits->headers_bytes + 3 ? length : limits->headers_bytes + 3,
		.controls = controls,
	};
	struct sip_resume start = *from;
	enum sip_indexed is;

	while ((is = read_from(&r, start)) == SIP_INDEX_WHOLE && start.line != 0)
		// The lines before were judged when they came, and not kept.
		start = (struct sip_resume){0, 0};
	if (is == SIP_INDEX_MORE)
		*from = (struct sip_resume){r.line, r.first ? 0 : m->n_lines};
	return is;
}

enum sip_indexed sip_index(struct sip_message *m, const struct sip_limits *limits,
	const uint8_t *bytes, uint32_t length, struct sip_resume *from)
{
	assert(limits->headers <= SIP_LINES_MAX);
	assert(limits->headers_bytes <= SIP_HEADERS_BYTES_MAX);
	assert(limits->start_line <= SIP_HEADERS_BYTES_MAX);
	assert(limits->header <= SIP_HEADERS_BYTES_MAX);
	m->bytes = bytes;
	m->readable = length;
	m->fault = (struct sip_fault){SIP_OK, SIP_HEADER_NONE, 0};
	m->found = 0;
	// What came in parts is not tried anew with each.
	if (from->line == 0 && sip_index_ordinary(m, limits, bytes, length))
		return SIP_INDEX_WHOLE;
	return sip_index_any(m, limits, bytes, length, from);
}
