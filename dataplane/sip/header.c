// SPDX-License-Identifier: BSD-2-Clause
// Names of headers and methods to their numbers.

#include "sip/names.h"

const struct sip_header_entry sip_header_entries[SIP_HEADERS_KNOWN] = {
#define X(slot, enumerator, name, compact, often)                                                  \
	[SIP_HEADER_##enumerator] = {name, sizeof(name) - 1},
	SIP_HEADERS(X)
#undef X
};

const uint8_t sip_header_slots[1u << SIP_SLOT_BITS] = {
#define X(slot, enumerator, name, compact, often) [slot] = SIP_HEADER_##enumerator,
	SIP_HEADERS(X)
#undef X
};

const uint8_t sip_header_letters[SIP_LETTERS + SIP_HEADERS_KNOWN] = {
#define X(slot, enumerator, name, compact, often)                                                  \
	[(compact) != 0 ? (compact) : SIP_LETTERS + SIP_HEADER_##enumerator] =                     \
		SIP_HEADER_##enumerator + 1,
	SIP_HEADERS(X)
#undef X
};

const uint64_t sip_headers_once = 0
#define X(slot, enumerator, name, compact, often)                                                  \
	| ((often) == SIP_ONCE ? SIP_HEADER_BIT(SIP_HEADER_##enumerator) : 0)
	SIP_HEADERS(X)
#undef X
	;

const char *sip_header_name(enum sip_header h)
{
	if (h == SIP_HEADER_NONE)
		return "start line";
	return h < SIP_HEADERS_KNOWN ? sip_header_entries[h].name : "header";
}

bool sip_name_rest_equal(size_t h, size_t i, const uint8_t *name, size_t length)
{
	for (; i < length; i++)
		if (((uint8_t)sip_header_entries[h].name[i] | 0x20) != (name[i] | 0x20))
			return false;
	return true;
}

#if SIP_VECTOR

#define TIMES_16(c) c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c

const uint8_t sip_name_case[16] __attribute__((aligned(16))) = {TIMES_16(0x20)};
const uint8_t sip_name_other[16] __attribute__((aligned(16))) = {TIMES_16(0xdf)};
const uint8_t sip_name_masks[SIP_NAME_MOST + 16] = {
	TIMES_16(0xff), TIMES_16(0xff), TIMES_16(0xff), TIMES_16(0xff)};

enum sip_header sip_header_find(const uint8_t *name, uint32_t length, const uint8_t *bound)
{
	uint8_t copy[16] = {0};

	if (length > SIP_NAME_MOST)
		return SIP_HEADER_OTHER;
	if (bound - name >= 16)
		return (enum sip_header)sip_header_look_up(sip_load16(name), name, length);
	memcpy(copy, name, length);
	return (enum sip_header)sip_header_look_up(sip_load16(copy), name, length);
}

#else

// The eight bytes of a name from `from` on, letters in lower case, zeros behind it.
static uint64_t word_at(const uint8_t *name, uint32_t length, uint32_t from)
{
	uint64_t word = 0;

	for (uint32_t i = from; i < length && i < from + 8; i++)
		word |= (uint64_t)(name[i] | 0x20) << (8 * (i - from));
	return word;
}

enum sip_header sip_header_find(const uint8_t *name, uint32_t length, const uint8_t *bound)
{
	(void)bound;
	if (length == 1)
		return sip_header_compact(*name);
	const unsigned slot = sip_header_slot(word_at(name, length, 0), word_at(name, length, 8));
	const enum sip_header h = sip_header_slots[slot];

	return length == sip_header_entries[h].length && sip_name_rest_equal(h, 0, name, length)
		       ? h
		       : SIP_HEADER_OTHER;
}

#endif

static const struct {
	char name[16];
	uint8_t length;
} methods[SIP_METHOD_OTHER] = {
#define X(name) [SIP_METHOD_##name] = {#name, sizeof(#name) - 1},
	SIP_METHODS(X)
#undef X
};

enum sip_method sip_method_find(const uint8_t *name, uint32_t length, const uint8_t *bound)
{
	const uint64_t word = sip_word(name, length, bound);

	for (unsigned i = 0; i < SIP_METHOD_OTHER; i++) {
		uint64_t known;

		memcpy(&known, methods[i].name, sizeof(known));
		// No method here is longer than nine letters: the ninth is the only one left.
		if (known == word && methods[i].length == length &&
			(length < 9 || name[8] == (uint8_t)methods[i].name[8]))
			return i;
	}
	return SIP_METHOD_OTHER;
}
