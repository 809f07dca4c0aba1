// SPDX-License-Identifier: BSD-2-Clause
// sofia-sip's parser in the parse benchmark: it reads every header that it knows.

#include "bench/parse.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_protos.h>

static void nothing(void)
{
}

static bool sofia_read(const char *text, size_t length)
{
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, (ssize_t)length);

	if (!msg)
		return false;
	sip_t *sip = sip_object(msg);
	const bool good = sip && !(sip->sip_flags & MSG_FLG_ERROR) && sip->sip_from &&
			  sip->sip_to && sip->sip_via && sip->sip_cseq && sip->sip_call_id &&
			  sip->sip_from->a_url->url_host && (sip->sip_request || sip->sip_status);

	msg_destroy(msg);
	return good;
}

const struct parse_parser parse_sofia = {"sofia-sip", nothing, sofia_read, "1.12.11"};
