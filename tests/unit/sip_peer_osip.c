// SPDX-License-Identifier: BSD-2-Clause
// libosip2's reading of a message's From.

#include "sip_peers.h"

#include <osip2/osip_mt.h>
#include <osipparser2/osip_parser.h>
#include <strings.h>

static void say_nothing(
	const char *file, int line, osip_trace_level_t level, const char *format, va_list args)
{
	(void)file;
	(void)line;
	(void)level;
	(void)format;
	(void)args;
}

bool peer_osip(const char *text, size_t length, char host[static PEER_HOST_SIZE])
{
	static bool started;
	osip_message_t *m;

	if (!started) {
		parser_init();
		osip_trace_initialize_func(END_TRACE_LEVEL, say_nothing);
		started = true;
	}
	if (osip_message_init(&m) != 0)
		return false;
	const bool good = osip_message_parse(m, text, length) == 0 && m->from && m->from->url &&
			  m->from->url->scheme &&
			  (!strcasecmp(m->from->url->scheme, "sip") ||
				  !strcasecmp(m->from->url->scheme, "sips")) &&
			  peer_host(m->from->url->host, host);

	osip_message_free(m);
	return good;
}
