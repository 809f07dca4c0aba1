// SPDX-License-Identifier: BSD-2-Clause
// Reads the answer to one SIP request from a stream, in pieces of any size. It looks at nothing but
// what a probe must know; whoever sent it is a stranger.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Start line and headers of one message. Lync's with all its diagnostics have some 3 KB.
#define SIP_ANSWER_HEAD 16384
// A body is not kept, only skipped.
#define SIP_ANSWER_BODY 65536
// All that is read for one answer: provisional responses, keep-alives and requests that came
// before it included.
#define SIP_ANSWER_TOTAL 131072

enum sip_answer_state {
	SIP_ANSWER_MORE,  // not complete yet
	SIP_ANSWER_FINAL, // a final response, whole
	SIP_ANSWER_WRONG, // no answer that can be understood
};

struct sip_answer {
	const char *call_id; // of the request
	uint32_t cseq;       // likewise; the method is OPTIONS
	enum sip_answer_state state;
	unsigned status; // of the last response; 0: none yet
	char text[64];   // that response in words ("503 Service Unavailable"), or what is wrong
	char server[64]; // of the last response: Server; printable, may be cut; empty: none
	char diagnostics[256]; // likewise ms-diagnostics, or else Warning
	size_t total;
	size_t body;   // still to be skipped
	size_t line;   // where in `head` the line at hand begins
	size_t length; // of what is in `head`
	bool response; // what is in `head` is one, and not a request
	char head[SIP_ANSWER_HEAD];
};

// `call_id` outlives the answer.
void sip_answer_begin(struct sip_answer *a, const char *call_id, uint32_t cseq);

// Takes what has come. After a final answer or a wrong one nothing more is looked at.
enum sip_answer_state sip_answer_take(struct sip_answer *a, const char *data, size_t n);

// What there is of an answer that is not complete: "no answer", "half an answer", "only 100 Trying".
void sip_answer_lacks(const struct sip_answer *a, char *buf, size_t size);
