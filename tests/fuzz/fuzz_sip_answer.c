// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as the answer to a probe's OPTIONS. What must hold: the pieces in which they come change
// nothing, what is told is printable, and only a final answer counts as one.

#include "control/pool/sip_answer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool right)
{
	if (!right)
		abort();
}

static void read_in_pieces(struct sip_answer *a, const uint8_t *data, size_t size, size_t piece)
{
	sip_answer_begin(a, "abc", 1);
	for (size_t at = 0; at < size; at += piece) {
		enum sip_answer_state before = a->state;
		size_t n = size - at < piece ? size - at : piece;
		enum sip_answer_state state = sip_answer_take(a, (const char *)data + at, n);
		need(state == a->state && (before == SIP_ANSWER_MORE || state == before));
	}
}

static void check(const struct sip_answer *a)
{
	char lacks[96];
	need(strlen(a->text) < sizeof(a->text));
	for (const char *c = a->text; *c; c++)
		need(*c >= ' ' && *c <= '~');
	need(a->state != SIP_ANSWER_FINAL || (a->status >= 200 && a->status <= 699));
	need(a->state != SIP_ANSWER_WRONG || a->text[0]);
	need(a->total <= SIP_ANSWER_TOTAL + SIP_ANSWER_BODY);
	sip_answer_lacks(a, lacks, sizeof(lacks));
	need(lacks[0]);
}

// The first byte is the size of the pieces, 0 for one.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sip_answer whole, pieces;
	if (size == 0)
		return 0;
	size_t piece = data[0] > 0 ? data[0] : 1;
	read_in_pieces(&whole, data + 1, size - 1, size);
	read_in_pieces(&pieces, data + 1, size - 1, piece);
	check(&whole);
	check(&pieces);
	need(whole.state == pieces.state && whole.status == pieces.status);
	need(strcmp(whole.text, pieces.text) == 0);
	need(whole.length == pieces.length && whole.body == pieces.body);
	return 0;
}
