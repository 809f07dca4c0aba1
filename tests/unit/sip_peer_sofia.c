// SPDX-License-Identifier: BSD-2-Clause
// sofia-sip's reading of a message's From.

#include "sip_peers.h"

#include <ctype.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_protos.h>
#include <string.h>

bool peer_host(const char *from, char host[static PEER_HOST_SIZE])
{
	size_t n = from ? strlen(from) : 0;

	if (n > 1 && from[0] == '[' && from[n - 1] == ']') {
		from++;
		n -= 2;
	}
	if (n > 0 && from[n - 1] == '.')
		n--;
	if (n == 0 || n >= PEER_HOST_SIZE)
		return false;
	for (size_t i = 0; i < n; i++)
		host[i] = (char)tolower((unsigned char)from[i]);
	host[n] = '\0';
	return true;
}

bool peer_sofia(const char *text, size_t length, char host[static PEER_HOST_SIZE])
{
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, (ssize_t)length);

	if (!msg)
		return false;
	const sip_t *sip = sip_object(msg);
	const bool good = sip && !(sip->sip_flags & MSG_FLG_ERROR) && !sip->sip_error &&
			  sip->sip_request && sip->sip_from &&
			  (sip->sip_from->a_url->url_type == url_sip ||
				  sip->sip_from->a_url->url_type == url_sips) &&
			  peer_host(sip->sip_from->a_url->url_host, host);

	msg_destroy(msg);
	return good;
}
