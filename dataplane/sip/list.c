// SPDX-License-Identifier: BSD-2-Clause
// Headers that hold lists: several lines of one name and one line with commas are the same
// (RFC 3261 7.3.1).

#include "sip/private.h"

#include <errno.h>

void sip_list_begin(struct sip_list *l, struct sip_message *m, enum sip_header h)
{
	const bool any = m->seen & SIP_HEADER_BIT(h);

	*l = (struct sip_list){
		.m = m, .line = any ? m->first[h] : SIP_LINE_NONE, .header = (uint8_t)h};
}

static int wrong(struct sip_list *l, enum sip_error e, const uint8_t *at)
{
	sip_message_fault(l->m, e, l->header, at);
	return -EBADMSG;
}

// Where the next value begins. 0: there is none.
static int begin_value(struct sip_list *l, struct sip_cursor *c)
{
	if (l->line == SIP_LINE_NONE)
		return 0;
	*c = sip_line_cursor(l->m, l->line);
	if (l->at != NULL)
		c->at = l->at;
	sip_skip_space(c);
	if (c->at == c->end || *c->at == ',')
		return wrong(l, SIP_ERROR_LIST, c->at);
	return 1;
}

// A value has been read up to the cursor: behind it stands a comma, or its line ends.
static int end_value(struct sip_list *l, struct sip_cursor *c, enum sip_error e)
{
	if (e == SIP_OK)
		sip_skip_space(c);
	if (e == SIP_OK && c->at < c->end && *c->at != ',')
		e = *c->at == '(' ? SIP_ERROR_COMMENT : SIP_ERROR_TRAILING;
	if (e != SIP_OK)
		return wrong(l, e, c->at);
	if (c->at < c->end) {
		l->at = c->at + 1;
		return 1;
	}
	l->at = NULL;
	l->line = l->m->lines[l->line].next;
	return 1;
}

int sip_list_next_via(struct sip_list *l, struct sip_via *out)
{
	struct sip_cursor c;
	const int rc = begin_value(l, &c);

	return rc <= 0 ? rc : end_value(l, &c, sip_via_read(&c, out));
}

int sip_list_next_route(struct sip_list *l, struct sip_address *out)
{
	struct sip_cursor c;
	const int rc = begin_value(l, &c);

	return rc <= 0 ? rc : end_value(l, &c, sip_address_read(&c, true, out));
}

int sip_list_next_address(struct sip_list *l, struct sip_address *out)
{
	struct sip_cursor c;
	const int rc = begin_value(l, &c);

	return rc <= 0 ? rc : end_value(l, &c, sip_address_read(&c, false, out));
}

int sip_list_next_option(struct sip_list *l, struct sip_span *out)
{
	struct sip_cursor c;
	const int rc = begin_value(l, &c);

	if (rc <= 0)
		return rc;
	*out = sip_take(&c, &sip_set_token);
	return end_value(l, &c, out->length != 0 ? SIP_OK : SIP_ERROR_OPTION);
}
