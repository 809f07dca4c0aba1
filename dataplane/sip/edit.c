// SPDX-License-Identifier: BSD-2-Clause
// What a list of edits means for each line of a message.

#include "sip/edit.h"

#include <errno.h>

struct sip_edit sip_edit_max_forwards(uint8_t value, char text[static 4])
{
	uint32_t n = 0;

	if (value >= 100)
		text[n++] = (char)('0' + value / 100);
	if (value >= 10)
		text[n++] = (char)('0' + value / 10 % 10);
	text[n++] = (char)('0' + value % 10);
	return (struct sip_edit){
		.kind = SIP_EDIT_SET,
		.header = SIP_HEADER_MAX_FORWARDS,
		.text = {(const uint8_t *)text, n},
	};
}

// A text of ours with a line end in it would be a header of somebody else's.
static bool is_clean(struct sip_span text)
{
	for (uint32_t i = 0; i < text.length; i++)
		if (text.at[i] < 0x20 || text.at[i] == 0x7f)
			return false;
	return true;
}

static bool names_header(const struct sip_edit *e)
{
	return e->header < SIP_HEADERS_KNOWN;
}

static bool is_sound(const struct sip_edit *e)
{
	struct sip_uri unused;

	if (!is_clean(e->text))
		return false;
	switch (e->kind) {
	case SIP_EDIT_REQUEST_URI:
		return sip_uri_parse(e->text, &unused) == SIP_OK;
	case SIP_EDIT_ADD_NAME:
	case SIP_EDIT_STRIP_NAME:
		return e->name.length != 0 &&
		       sip_set_skip_plain(&sip_set_token, e->name.at,
			       e->name.at + e->name.length) == e->name.at + e->name.length;
	default:
		return names_header(e);
	}
}

static int mark(struct sip_plan *p, unsigned line, enum sip_line_plan what, const uint8_t *at,
	const struct sip_edit *e)
{
	struct sip_line_edit *l = &p->lines[line];

	if (l->what != SIP_LINE_KEEP)
		return -EINVAL;
	*l = (struct sip_line_edit){.what = what, .at = at, .edit = e};
	return 0;
}

static int strip(struct sip_plan *p, const struct sip_message *m, const struct sip_edit *e)
{
	if (!(m->seen & SIP_HEADER_BIT(e->header)))
		return 0;
	for (unsigned i = m->first[e->header]; i != SIP_LINE_NONE; i = m->lines[i].next)
		if (mark(p, i, SIP_LINE_DROP, NULL, e) < 0)
			return -EINVAL;
	return 0;
}

static int strip_name(struct sip_plan *p, const struct sip_message *m, const struct sip_edit *e)
{
	for (unsigned i = 0; (i = sip_message_find(m, e->name, i)) != SIP_LINE_NONE; i++)
		if (mark(p, i, SIP_LINE_DROP, NULL, e) < 0)
			return -EINVAL;
	return 0;
}

static int set(struct sip_plan *p, const struct sip_message *m, const struct sip_edit *e)
{
	if (!(m->seen & SIP_HEADER_BIT(e->header)))
		return 0;
	if (m->repeated & SIP_HEADER_BIT(e->header))
		return -EINVAL;
	return mark(p, m->first[e->header], SIP_LINE_REPLACE, NULL, e);
}

// Takes the next value of a list, whatever it holds; *text is all of it.
static int next_value(struct sip_list *l, struct sip_span *text)
{
	struct sip_via via;
	struct sip_address address;

	if (l->header == SIP_HEADER_VIA) {
		const int rc = sip_list_next_via(l, &via);

		*text = via.text;
		return rc;
	}
	const int rc = sip_list_next_address(l, &address);

	*text = address.text;
	return rc;
}

static int pop(struct sip_plan *p, struct sip_message *m, const struct sip_edit *e)
{
	struct sip_list l;
	struct sip_span text;

	sip_list_begin(&l, m, e->header);
	for (unsigned i = 0; i < e->count; i++) {
		const unsigned line = l.line;

		if (next_value(&l, &text) != 1)
			return -EINVAL;
		if (l.at == NULL && mark(p, line, SIP_LINE_DROP, NULL, e) < 0)
			return -EINVAL;
	}
	return l.at == NULL ? 0 : mark(p, l.line, SIP_LINE_CUT, l.at, e);
}

static int extend(struct sip_plan *p, struct sip_message *m, const struct sip_edit *e)
{
	struct sip_list l;
	struct sip_span text;

	sip_list_begin(&l, m, e->header);
	const unsigned line = l.line;

	if (next_value(&l, &text) != 1)
		return -EINVAL;
	return mark(p, line, SIP_LINE_EXTEND, text.at + text.length, e);
}

static int plan_one(struct sip_plan *p, struct sip_message *m, const struct sip_edit *e)
{
	switch (e->kind) {
	case SIP_EDIT_REQUEST_URI:
		if (p->request_uri != NULL || !m->request)
			return -EINVAL;
		p->request_uri = e;
		return 0;
	case SIP_EDIT_POP:
		return pop(p, m, e);
	case SIP_EDIT_SET:
		return set(p, m, e);
	case SIP_EDIT_STRIP:
		return strip(p, m, e);
	case SIP_EDIT_STRIP_NAME:
		return strip_name(p, m, e);
	case SIP_EDIT_EXTEND:
		return extend(p, m, e);
	default:
		return 0;
	}
}

int sip_plan_make(
	struct sip_plan *p, struct sip_message *m, const struct sip_edit *edits, unsigned n)
{
	memset(p->lines, 0, m->n_lines * sizeof(p->lines[0]));
	p->request_uri = NULL;
	for (unsigned i = 0; i < n; i++)
		if (!is_sound(&edits[i]) || plan_one(p, m, &edits[i]) < 0)
			return -EINVAL;
	return 0;
}
