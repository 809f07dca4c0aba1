// SPDX-License-Identifier: BSD-2-Clause
// Reads bytes as a proxy would that has just received them on a stream, and says what it makes of
// them.

#pragma once

#include "sip/sip.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is not an error of the message itself.
enum {
	TRY_PASS = SIP_OK,
	TRY_WAIT = SIP_ERROR_COUNT, // not whole: waits for more, until the deadline
	TRY_NOTHING,                // CRLFs alone
};

struct sip_try {
	int verdict; // enum sip_error, TRY_WAIT, TRY_NOTHING
	struct sip_message m;
	struct sip_framed framed;
	struct postern_domain from;
	int from_rc;     // of sip_uri_domain() of From
	size_t consumed; // with the CRLFs before the message
};

static inline const char *sip_try_name(int verdict)
{
	return verdict == TRY_WAIT      ? "WAIT"
	       : verdict == TRY_NOTHING ? "NOTHING"
					: sip_error_name((enum sip_error)verdict);
}

// Checks a framed message as admission does: syntax, then the domain that speaks.
static inline int sip_try_check(struct sip_try *t)
{
	t->from_rc = -ENOENT;
	if (!sip_message_check(&t->m))
		return t->m.fault.error;
	t->from_rc = sip_uri_domain(&sip_message_from(&t->m)->uri, &t->from);
	return t->from_rc == -EINVAL ? SIP_ERROR_HOST : TRY_PASS;
}

// The first message of some bytes; CRLFs before it are passed over.
static inline int sip_try(struct sip_try *t, const void *bytes, size_t length)
{
	struct sip_frame f = {0};
	const uint8_t *p = bytes;

	t->consumed = 0;
	for (;;) {
		const enum sip_frame_event event = sip_frame_next(&f, &sip_default_limits,
			p + t->consumed, length - t->consumed, 0, &t->m, &t->framed);

		t->consumed += t->framed.consumed;
		switch (event) {
		case SIP_FRAME_CRLF:
		case SIP_FRAME_PING:
			continue;
		case SIP_FRAME_MORE:
			return t->verdict = t->consumed == length ? TRY_NOTHING : TRY_WAIT;
		case SIP_FRAME_FAULT:
			return t->verdict = t->m.fault.error;
		case SIP_FRAME_MESSAGE:
			return t->verdict = sip_try_check(t);
		}
	}
}

static inline void sip_try_assert(struct sip_try *t, int expected, const char *what)
{
	char reason[SIP_REASON_SIZE];

	if (t->verdict == expected)
		return;
	print_error("%s: %s, expected %s (%s)\n", what, sip_try_name(t->verdict),
		sip_try_name(expected), sip_fault_reason(&t->m.fault, reason));
	fail();
}
