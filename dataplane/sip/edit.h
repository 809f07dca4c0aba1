// SPDX-License-Identifier: BSD-2-Clause
// Between the list of edits (edit.c) and the bytes that come of it (write.c).

#pragma once

#include "sip/private.h"

enum sip_line_plan {
	SIP_LINE_KEEP,
	SIP_LINE_DROP,
	SIP_LINE_REPLACE, // by the edit's text
	SIP_LINE_CUT,     // its value begins at `at`
	SIP_LINE_EXTEND,  // the edit's text stands at `at`
};

struct sip_line_edit {
	enum sip_line_plan what;
	const uint8_t *at;
	const struct sip_edit *edit;
};

struct sip_plan {
	const struct sip_edit *request_uri;
	struct sip_line_edit lines[SIP_LINES_MAX];
};

// 0, or -EINVAL as sip_write() says.
int sip_plan_make(
	struct sip_plan *p, struct sip_message *m, const struct sip_edit *edits, unsigned n);
