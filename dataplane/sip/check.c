// SPDX-License-Identifier: BSD-2-Clause
// Whether a message may be routed at all.

#include "sip/private.h"

#include <errno.h>

// Of the headers that stand once, the first that does not.
static bool check_repeated(struct sip_message *m)
{
	const uint64_t wrong = m->repeated & sip_headers_once;

	if (wrong != 0)
		sip_message_line(m, (enum sip_header)__builtin_ctzll(wrong));
	return wrong == 0;
}

// RFC 3261 8.1.1: the mandatory ones, except Max-Forwards, which old senders leave out.
static bool check_values(struct sip_message *m)
{
	return sip_message_via(m) != NULL && sip_message_from(m) != NULL &&
	       sip_message_to(m) != NULL && sip_message_call_id(m) != NULL &&
	       sip_message_cseq(m) != NULL;
}

// RFC 3261 8.1.1.5: CSeq has the request's method.
static bool check_method(struct sip_message *m)
{
	if (m->method == m->cseq.method &&
		(m->method != SIP_METHOD_OTHER ||
			sip_span_equal(m->method_name, m->cseq.method_name)))
		return true;
	sip_message_fault(m, SIP_ERROR_CSEQ_METHOD, SIP_HEADER_CSEQ, m->cseq.method_name.at);
	return false;
}

// RFC 3261 16.3, 2
static bool check_scheme(struct sip_message *m)
{
	if (m->request_uri.scheme != SIP_SCHEME_OTHER)
		return true;
	sip_message_fault(m, SIP_ERROR_URI_SCHEME, SIP_HEADER_NONE, m->request_uri.text.at);
	return false;
}

static bool check_routes(struct sip_message *m)
{
	return !(m->seen & SIP_HEADER_BIT(SIP_HEADER_ROUTE)) || sip_message_route(m) != NULL;
}

// RFC 3261 16.3, 5: none is supported.
static bool check_options(struct sip_message *m)
{
	struct sip_list l;
	struct sip_span option;

	if (!(m->seen & SIP_HEADER_BIT(SIP_HEADER_PROXY_REQUIRE)))
		return true;
	sip_list_begin(&l, m, SIP_HEADER_PROXY_REQUIRE);
	if (sip_list_next_option(&l, &option) == 1)
		sip_message_fault(
			m, SIP_ERROR_OPTION_UNSUPPORTED, SIP_HEADER_PROXY_REQUIRE, option.at);
	else
		sip_message_fault(m, SIP_ERROR_OPTION, SIP_HEADER_PROXY_REQUIRE, NULL);
	return false;
}

bool sip_message_check(struct sip_message *m)
{
	if (m->fault.error != SIP_OK || !check_repeated(m) || !check_values(m))
		return false;
	if (!m->request)
		return true;
	return check_method(m) && sip_message_request_uri(m) != NULL && check_scheme(m) &&
	       sip_message_max_forwards(m) != -EBADMSG && check_routes(m) && check_options(m);
}
