// SPDX-License-Identifier: BSD-2-Clause
// Facts of a record: kind, length, bytes.

#include "postern/record.h"

#include <string.h>

#define HEAD 2u // kind and length

void postern_record_add(
	struct postern_record *r, enum postern_fact kind, const void *data, size_t length)
{
	if (r->facts_length > sizeof(r->facts) ||
		length + HEAD > sizeof(r->facts) - r->facts_length)
		return;
	uint8_t *at = r->facts + r->facts_length;

	at[0] = (uint8_t)kind;
	at[1] = (uint8_t)length;
	memcpy(at + HEAD, data, length);
	r->facts_length = (uint8_t)(r->facts_length + HEAD + length);
}

const void *postern_record_find(
	const struct postern_record *r, enum postern_fact kind, size_t *length)
{
	const size_t end = r->facts_length < sizeof(r->facts) ? r->facts_length : sizeof(r->facts);

	for (size_t at = 0; at + HEAD <= end; at += HEAD + r->facts[at + 1]) {
		if (at + HEAD + r->facts[at + 1] > end)
			return NULL;
		if (r->facts[at] == kind) {
			*length = r->facts[at + 1];
			return r->facts + at + HEAD;
		}
	}
	return NULL;
}

bool postern_record_number(const struct postern_record *r, enum postern_fact kind, uint32_t *out)
{
	size_t length;
	const void *data = postern_record_find(r, kind, &length);
	uint16_t two;
	uint8_t one;

	if (data == NULL)
		return false;
	switch (length) {
	case sizeof(one):
		memcpy(&one, data, sizeof(one));
		*out = one;
		return true;
	case sizeof(two):
		memcpy(&two, data, sizeof(two));
		*out = two;
		return true;
	case sizeof(*out):
		memcpy(out, data, sizeof(*out));
		return true;
	default:
		return false;
	}
}
