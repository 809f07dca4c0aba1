// SPDX-License-Identifier: BSD-2-Clause
// Names of headers and methods to their numbers.

#include "sip/private.h"

#define NAME_SIZE 32 // the longest name here and its NUL

struct entry {
	char name[NAME_SIZE];
	uint8_t length;
};

static const struct entry entries[SIP_HEADERS_KNOWN] = {
#define X(slot, enumerator, name, compact, often)                                                  \
	[SIP_HEADER_##enumerator] = {name, sizeof(name) - 1},
	SIP_HEADERS(X)
#undef X
};

// A perfect hash: no two names meet. The number is an enum sip_header plus one.
#define SLOT_BITS 7

static const uint8_t slots[1u << SLOT_BITS] = {
#define X(slot, enumerator, name, compact, often) [slot] = SIP_HEADER_##enumerator + 1,
	SIP_HEADERS(X)
#undef X
};

// Compact forms (RFC 3261 7.3.3 and IANA's list), likewise. Those that have none lie behind the
// letters, where nobody looks.
#define LETTERS 128

static const uint8_t letters[LETTERS + SIP_HEADERS_KNOWN] = {
#define X(slot, enumerator, name, compact, often)                                                  \
	[(compact) != 0 ? (compact) : LETTERS + SIP_HEADER_##enumerator] =                         \
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
	return h < SIP_HEADERS_KNOWN ? entries[h].name : "header";
}

// Found by search: with this multiplier the names of the table fall on 128 slots without meeting.
// A name gives its first eight bytes and its last, letters in lower case.
static unsigned slot_of(uint64_t first, uint64_t last)
{
	return (unsigned)(((first + 3 * last) * UINT64_C(0x807ede2755c434fb)) >> (64 - SLOT_BITS));
}

// What differs between two names, both tokens, but for the case of letters.
static uint64_t difference(const char *known, uint64_t word, uint64_t mask)
{
	uint64_t own;

	memcpy(&own, known, 8);
	return (own ^ word) & mask & ~SIP_KEY_LOWER;
}

// What the first and last eight bytes leave out of a name of more than sixteen.
static bool middle_equal(const char *known, const uint8_t *name, uint32_t length)
{
	for (uint32_t i = 8; i + 8 < length; i++)
		if (((uint8_t)known[i] | 0x20) != (name[i] | 0x20))
			return false;
	return true;
}

static enum sip_header find_short(const uint8_t *name, uint32_t length, const uint8_t *bound)
{
	const uint64_t mask = (UINT64_C(1) << (length * 8)) - 1;
	const uint64_t key = sip_key(name, length, bound);
	const unsigned found = slots[slot_of(key, key)];

	if (found == 0)
		return SIP_HEADER_OTHER;
	const struct entry *e = &entries[found - 1];

	if (e->length != length || difference(e->name, key, mask) != 0)
		return SIP_HEADER_OTHER;
	return found - 1;
}

static enum sip_header find_long(const uint8_t *name, uint32_t length)
{
	uint64_t first, last;

	memcpy(&first, name, 8);
	memcpy(&last, name + length - 8, 8);
	const unsigned found = slots[slot_of(first | SIP_KEY_LOWER, last | SIP_KEY_LOWER)];

	if (found == 0)
		return SIP_HEADER_OTHER;
	const struct entry *e = &entries[found - 1];

	if (e->length != length || difference(e->name, first, UINT64_MAX) != 0 ||
		difference(e->name + length - 8, last, UINT64_MAX) != 0 ||
		(length > 16 && !middle_equal(e->name, name, length)))
		return SIP_HEADER_OTHER;
	return found - 1;
}

enum sip_header sip_header_find(const uint8_t *name, uint32_t length, const uint8_t *bound)
{
	if (length >= 8)
		return find_long(name, length);
	if (length > 1)
		return find_short(name, length, bound);
	const uint8_t c = *name | 0x20;

	return c < LETTERS && letters[c] ? letters[c] - 1u : SIP_HEADER_OTHER;
}

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
