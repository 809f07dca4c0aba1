// SPDX-License-Identifier: BSD-2-Clause
// Numbers, their units, and the bits of prefixes.

#include "control/config/unit.h"

#include <string.h>

static const struct config_unit durations[] = {
	{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {0}};
static const struct config_unit percents[] = {{"%", 1}, {0}};
static const struct config_unit sizes[] = {{"MB", 1}, {"GB", 1024}, {0}};

const struct config_unit *config_units(enum schema_type type)
{
	switch (type) {
	case SCHEMA_DURATION:
		return durations;
	case SCHEMA_PERCENT:
		return percents;
	case SCHEMA_SIZE:
		return sizes;
	default:
		return NULL;
	}
}

const char *config_unit_digits(const char *text, uint64_t *out)
{
	if (*text < '0' || *text > '9')
		return NULL;
	if (*text == '0' && text[1] >= '0' && text[1] <= '9')
		return NULL;
	*out = 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');
		if (__builtin_mul_overflow(*out, (uint64_t)10, out) ||
			__builtin_add_overflow(*out, digit, out))
			break;
	}
	if (*text >= '0' && *text <= '9') {
		*out = UINT64_MAX;
		while (*text >= '0' && *text <= '9')
			text++;
	}
	return text;
}

static struct postern_addr fill(const struct postern_prefix *p, bool ones)
{
	struct postern_addr a = p->addr;
	// IPv4 stands in the last 32 of the 128 bits.
	unsigned length = p->length + (postern_addr_is_v4(&p->addr) ? 96u : 0u);
	for (unsigned bit = length; bit < 128; bit++) {
		uint8_t mask = (uint8_t)(0x80u >> (bit & 7));
		if (ones)
			a.bytes[bit >> 3] = a.bytes[bit >> 3] | mask;
		else
			a.bytes[bit >> 3] = a.bytes[bit >> 3] & (uint8_t)~mask;
	}
	return a;
}

struct postern_addr config_prefix_first(const struct postern_prefix *p)
{
	return fill(p, false);
}

struct postern_addr config_prefix_last(const struct postern_prefix *p)
{
	return fill(p, true);
}

size_t config_distance(const char *a, const char *b)
{
	size_t row[32];
	size_t n = strlen(b);
	if (n >= 32 || strlen(a) >= 32)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = row[j];
			row[j] = best;
		}
	}
	return row[n];
}
