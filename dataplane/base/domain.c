// SPDX-License-Identifier: BSD-2-Clause
// Normalising domain names.

#include "postern/domain.h"

#include <errno.h>
#include <string.h>

static bool is_lower(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

// A letter in lower case, and every other byte as it is.
static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool may_stand_in_label(uint8_t c)
{
	return is_lower(c) || is_digit(c) || c == '-' || c == '_';
}

// Whether the label name[start..end) may stand where it does.
static bool label_is_good(const char *name, size_t start, size_t end)
{
	const size_t length = end - start;

	return length > 0 && length <= POSTERN_LABEL_MAX && name[start] != '-' &&
	       name[end - 1] != '-';
}

int postern_domain_parse(const char *text, size_t length, struct postern_domain *out)
{
	size_t label = 0; // where the label begins

	if (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0 || length > POSTERN_DOMAIN_MAX)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		const uint8_t c = lower((uint8_t)text[i]);

		out->text[i] = (char)c;
		if (may_stand_in_label(c))
			continue;
		if (c != '.' || !label_is_good(out->text, label, i))
			return -EINVAL;
		label = i + 1;
	}
	if (!label_is_good(out->text, label, length) || !is_lower((uint8_t)out->text[label]))
		return -EINVAL;
	out->text[length] = '\0';
	out->length = (uint8_t)length;
	return 0;
}

bool postern_domain_equal(const struct postern_domain *a, const struct postern_domain *b)
{
	return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

bool postern_domain_is_within(
	const struct postern_domain *name, const struct postern_domain *parent)
{
	if (name->length < parent->length)
		return false;
	const size_t above = name->length - parent->length;

	if (memcmp(name->text + above, parent->text, parent->length) != 0)
		return false;
	return above == 0 || name->text[above - 1] == '.';
}
