// SPDX-License-Identifier: BSD-2-Clause
// Domain names as operators write them, with libidn2.

#include "postern/domain.h"

#include <ctype.h>
#include <errno.h>
#include <idn2.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

// A character of a U-label has four bytes at most; longer texts are not worth a look.
#define TEXT_MAX ((size_t)4 * POSTERN_DOMAIN_MAX)

// Lync's cmdlets take 256, of which DNS cannot resolve the last three.
#define TOO_LONG                                                                                   \
	"the name is longer than 253 characters, the most that DNS takes (the 256 that Lync's "    \
	"cmdlets take no DNS server can answer for)"

static int wrong(const char **why, const char *what)
{
	*why = what;
	return -EINVAL;
}

static bool has_alabel(const char *text, size_t length)
{
	for (size_t i = 0; i + 4 <= length; i++)
		if ((i == 0 || text[i - 1] == '.') && strncasecmp(text + i, "xn--", 4) == 0)
			return true;
	return false;
}

// Why plain parsing has refused a name of ASCII alone.
static const char *plain_reason(const char *text, size_t length)
{
	size_t label = 0;

	if (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0)
		return "the name is empty";
	if (length > POSTERN_DOMAIN_MAX)
		return TOO_LONG;
	for (size_t i = 0; i <= length; i++) {
		const char c = i < length ? text[i] : '.';

		if (c != '.' && !isalnum((unsigned char)c) && c != '-' && c != '_')
			return "it holds a character that names do not have";
		if (c != '.')
			continue;
		if (i == label)
			return "a label of it is empty";
		if (i - label > POSTERN_LABEL_MAX)
			return "a label of it is longer than 63 characters";
		if (text[label] == '-' || text[i - 1] == '-')
			return "a label of it begins or ends with \"-\"";
		label = i + 1;
	}
	return "its last label does not begin with a letter";
}

static const char *idn_reason(int rc)
{
	switch (rc) {
	case IDN2_ENCODING_ERROR:
		return "it is not valid UTF-8";
	case IDN2_TOO_BIG_DOMAIN:
		return TOO_LONG;
	case IDN2_TOO_BIG_LABEL:
		return "a label of it is longer than 63 characters";
	case IDN2_PUNYCODE_BAD_INPUT:
	case IDN2_PUNYCODE_BIG_OUTPUT:
	case IDN2_PUNYCODE_OVERFLOW:
	case IDN2_ALABEL_ROUNDTRIP_FAILED:
	case IDN2_INVALID_ALABEL:
		return "a label of it begins with \"xn--\" and is no A-label";
	case IDN2_BIDI:
		return "it mixes directions of writing within a label";
	case IDN2_NOT_NFC:
	case IDN2_2HYPHEN:
	case IDN2_HYPHEN_STARTEND:
	case IDN2_LEADING_COMBINING:
	case IDN2_DISALLOWED:
	case IDN2_CONTEXTJ:
	case IDN2_CONTEXTJ_NO_RULE:
	case IDN2_CONTEXTO:
	case IDN2_CONTEXTO_NO_RULE:
	case IDN2_UNASSIGNED:
	case IDN2_DOT_IN_LABEL:
	case IDN2_INVALID_TRANSITIONAL:
	case IDN2_INVALID_NONTRANSITIONAL:
		return "it holds a character that names do not have";
	default:
		return "it is no name in DNS";
	}
}

static int read_idn(const char *text, size_t length, struct postern_domain *out, const char **why)
{
	uint8_t copy[TEXT_MAX + 1];
	uint8_t *name = NULL;

	memcpy(copy, text, length);
	copy[length] = '\0';
	const int rc = idn2_lookup_u8(copy, &name, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc == IDN2_MALLOC)
		return -ENOMEM;
	if (rc != IDN2_OK)
		return wrong(why, idn_reason(rc));
	const size_t n = strlen((const char *)name);
	int status = postern_domain_parse((const char *)name, n, out);
	if (status != 0)
		status = wrong(why, plain_reason((const char *)name, n));
	idn2_free(name);
	return status;
}

int postern_domain_read(
	const char *text, size_t length, struct postern_domain *out, const char **why)
{
	bool ascii = true;

	if (length > TEXT_MAX)
		return wrong(why, TOO_LONG);
	if (memchr(text, '\0', length))
		return wrong(why, "it holds a NUL");
	for (size_t i = 0; i < length; i++)
		ascii = ascii && (unsigned char)text[i] < 0x80;
	if (!ascii || has_alabel(text, length))
		return read_idn(text, length, out, why);
	return postern_domain_parse(text, length, out) == 0
		       ? 0
		       : wrong(why, plain_reason(text, length));
}
