// SPDX-License-Identifier: BSD-2-Clause
// The edited message as pieces of memory. Lines that nobody touched go out as they lie, runs of
// them in one piece; folds and white space before a colon do not go out at all.

#include "sip/edit.h"

#include <errno.h>

struct output {
	struct iovec *pieces;
	unsigned n;
	unsigned max;
	bool full;
};

// What lies right behind the last piece makes that longer.
static void put(struct output *o, const void *at, size_t length)
{
	if (length == 0)
		return;
	if (o->n > 0) {
		struct iovec *last = &o->pieces[o->n - 1];

		if ((const uint8_t *)last->iov_base + last->iov_len == at) {
			last->iov_len += length;
			return;
		}
	}
	if (o->n == o->max) {
		o->full = true;
		return;
	}
	// An iovec is for reading and writing; this one is read.
	o->pieces[o->n++] = (struct iovec){(void *)(uintptr_t)at, length};
}

static void put_span(struct output *o, struct sip_span s)
{
	put(o, s.at, s.length);
}

#define PUT(o, literal) put(o, literal, sizeof(literal) - 1)

static void put_header(struct output *o, struct sip_span name, struct sip_span text)
{
	put_span(o, name);
	PUT(o, ": ");
	put_span(o, text);
	PUT(o, "\r\n");
}

static struct sip_span name_of(const struct sip_edit *e)
{
	if (e->kind == SIP_EDIT_ADD_NAME)
		return e->name;
	const char *name = sip_header_name(e->header);

	return (struct sip_span){(const uint8_t *)name, (uint32_t)strlen(name)};
}

// Writes a part of a value with one space for each fold.
static void put_unfolded(struct output *o, const uint8_t *from, const uint8_t *to)
{
	while (from < to) {
		const uint8_t *fold = memchr(from, '\r', (size_t)(to - from));

		if (fold == NULL) {
			put(o, from, (size_t)(to - from));
			return;
		}
		put(o, from, (size_t)(fold - from));
		PUT(o, " ");
		from = fold;
		while (from < to && sip_is_space(*from))
			from++;
	}
}

static void put_start(struct output *o, const struct sip_plan *p, const struct sip_message *m)
{
	const uint8_t *end = m->bytes + (m->n_lines > 0 ? m->lines[0].name : m->headers_length - 2);

	if (p->request_uri == NULL) {
		put(o, m->bytes, (size_t)(end - m->bytes));
		return;
	}
	const uint8_t *behind = m->request_text.at + m->request_text.length;

	put(o, m->bytes, (size_t)(m->request_text.at - m->bytes));
	put_span(o, p->request_uri->text);
	put(o, behind, (size_t)(end - behind));
}

static void put_line(struct output *o, const struct sip_message *m, const struct sip_line *l,
	const struct sip_line_edit *e)
{
	const uint8_t *name = m->bytes + l->name;
	const uint8_t *value = m->bytes + l->value;
	const uint8_t *end = value + l->value_length;

	if (e->what == SIP_LINE_DROP)
		return;
	if (e->what == SIP_LINE_REPLACE) {
		put_header(o, name_of(e->edit), e->edit->text);
		return;
	}
	if (e->what == SIP_LINE_KEEP && !l->odd) {
		put(o, name, (size_t)(l->end + 2 - l->name));
		return;
	}
	put(o, name, (size_t)(sip_set_skip_plain(&sip_set_token, name, m->bytes + l->end) - name));
	PUT(o, ": ");
	if (e->what == SIP_LINE_CUT) {
		value = e->at;
		while (value < end && sip_is_space(*value))
			value++;
	}
	if (e->what == SIP_LINE_EXTEND) {
		put_unfolded(o, value, e->at);
		put_span(o, e->edit->text);
		value = e->at;
	}
	put_unfolded(o, value, end);
	PUT(o, "\r\n");
}

// A header that is to be set and does not stand yet.
static bool is_missing(const struct sip_message *m, const struct sip_edit *e)
{
	return e->kind == SIP_EDIT_SET && !(m->seen & SIP_HEADER_BIT(e->header));
}

int sip_write(struct sip_message *m, const struct sip_edit *edits, unsigned n, struct iovec *out,
	unsigned max)
{
	struct output o = {.pieces = out, .max = max};
	struct sip_plan plan;
	const int rc = sip_plan_make(&plan, m, edits, n);

	if (rc < 0)
		return rc;
	put_start(&o, &plan, m);
	for (unsigned i = 0; i < n; i++)
		if (edits[i].kind == SIP_EDIT_PUSH)
			put_header(&o, name_of(&edits[i]), edits[i].text);
	for (unsigned i = 0; i < m->n_lines; i++)
		put_line(&o, m, &m->lines[i], &plan.lines[i]);
	for (unsigned i = 0; i < n; i++)
		if (edits[i].kind == SIP_EDIT_ADD || edits[i].kind == SIP_EDIT_ADD_NAME ||
			is_missing(m, &edits[i]))
			put_header(&o, name_of(&edits[i]), edits[i].text);
	// The empty line and the body.
	put(&o, m->bytes + m->headers_length - 2, m->length - m->headers_length + 2);
	return o.full ? -ENOSPC : (int)o.n;
}

size_t sip_pieces_length(const struct iovec *pieces, unsigned n)
{
	size_t length = 0;

	for (unsigned i = 0; i < n; i++)
		length += pieces[i].iov_len;
	return length;
}

void sip_pieces_gather(const struct iovec *pieces, unsigned n, uint8_t *to)
{
	for (unsigned i = 0; i < n; i++) {
		memcpy(to, pieces[i].iov_base, pieces[i].iov_len);
		to += pieces[i].iov_len;
	}
}
