// SPDX-License-Identifier: BSD-2-Clause
// The SIP request that shows whether a partner's server speaks with us: OPTIONS (RFC 3261 section 11),
// from our domain, to the server itself. Any answer means that it works.

#include "control/partner/private.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

size_t partner_sip_request(const struct partner_peer_question *q,
	const struct postern_endpoint *own, char *request, size_t size, char call_id[static 33])
{
	unsigned char random[32];
	char ids[65], here[POSTERN_ENDPOINT_TEXT];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return 0;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(ids + 2 * i, 3, "%02x", random[i]);
	memcpy(call_id, ids, 32);
	call_id[32] = '\0';
	// Who asks for more on this connection is answered by nobody; Contact is where our edge is.
	const int n = snprintf(request, size,
		"OPTIONS sip:%s SIP/2.0\r\n"
		"Via: SIP/2.0/TLS %s;branch=z9hG4bK%.16s\r\n"
		"Max-Forwards: 70\r\n"
		"From: <sip:postern@%s>;tag=%.16s\r\n"
		"To: <sip:%s>\r\n"
		"Call-ID: %s\r\n"
		"CSeq: %d OPTIONS\r\n"
		"Contact: <sip:%s:5061;transport=tls>\r\n"
		"Accept: application/sdp\r\n"
		"User-Agent: postern\r\n"
		"Content-Length: 0\r\n\r\n",
		q->server.text, q->own[0] != '\0' ? q->own : postern_endpoint_format(own, here),
		ids + 32, q->from, ids + 48, q->server.text, call_id, PARTNER_SIP_CSEQ,
		q->own[0] != '\0' ? q->own : "postern.invalid");
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

static enum partner_result of_status(unsigned status)
{
	switch (status) {
	case 401:
	case 403:
	case 407:
	case 603:
		return PARTNER_OPTIONS_FORBIDDEN;
	case 408:
	case 430:
	case 500:
	case 502:
	case 503:
	case 504:
		return PARTNER_OPTIONS_UNROUTED;
	default:
		return PARTNER_OK;
	}
}

void partner_sip_answered(const struct sip_answer *a, struct partner_step *step)
{
	const bool final = a->state == SIP_ANSWER_FINAL;

	step->result = final ? of_status(a->status) : PARTNER_OPTIONS_NOT_SIP;
	snprintf(step->text, sizeof(step->text), "%s%s%s%s%s", a->text,
		final && a->server[0] != '\0' ? ", from " : "", final ? a->server : "",
		final && a->diagnostics[0] != '\0' ? "; diagnostics: " : "",
		final ? a->diagnostics : "");
}
