// SPDX-License-Identifier: BSD-2-Clause
// libosip2's parser in the parse benchmark: it reads every header that it knows.

#include "bench/parse.h"

#include <osip2/osip_mt.h>
#include <osipparser2/osip_parser.h>

static void say_nothing(
	const char *file, int line, osip_trace_level_t level, const char *format, va_list args)
{
	(void)file;
	(void)line;
	(void)level;
	(void)format;
	(void)args;
}

static void osip_start(void)
{
	parser_init();
	osip_trace_initialize_func(END_TRACE_LEVEL, say_nothing);
}

static bool osip_read(const char *text, size_t length)
{
	osip_message_t *m;

	if (osip_message_init(&m) != 0)
		return false;
	osip_via_t *via = NULL;
	const bool good = osip_message_parse(m, text, length) == 0 && m->from && m->from->url &&
			  m->from->url->host && m->to && m->cseq && m->call_id &&
			  osip_message_get_via(m, 0, &via) == 0;

	osip_message_free(m);
	return good;
}

const struct parse_parser parse_osip = {"libosip2", osip_start, osip_read, "5.3.0"};
