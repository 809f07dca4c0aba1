// SPDX-License-Identifier: BSD-2-Clause
// The table of errors as code and as text.

#include "sip/sip.h"

#include <stdio.h>

static const struct {
	uint16_t status;
	uint8_t connection;
	const char *name;
	const char *text;
} errors[SIP_ERROR_COUNT] = {[SIP_OK] = {0, SIP_STAY, "ok", "nothing is wrong"},
#define X(enumerator, status, connection, text)                                                    \
	[SIP_ERROR_##enumerator] = {status, connection, #enumerator, text},
	SIP_ERRORS(X)
#undef X
};

unsigned sip_error_status(enum sip_error e)
{
	return errors[e].status;
}

bool sip_error_closes(enum sip_error e)
{
	return errors[e].connection == SIP_CLOSE;
}

const char *sip_error_name(enum sip_error e)
{
	return errors[e].name;
}

const char *sip_fault_reason(const struct sip_fault *f, char buf[static SIP_REASON_SIZE])
{
	const int n = snprintf(
		buf, SIP_REASON_SIZE, "%s: %s", sip_header_name(f->header), errors[f->error].text);

	if (f->offset != 0)
		snprintf(buf + n, SIP_REASON_SIZE - (size_t)n, ", byte %u", f->offset);
	return buf;
}
