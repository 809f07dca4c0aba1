// SPDX-License-Identifier: BSD-2-Clause
// Single values: from what operators write to the one spelling in which they are kept.

#include "control/policy/policy.h"

#include "postern/addr.h"
#include "postern/domain.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTE 60

static int wrong(char why[static POLICY_WHY], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int wrong(char why[static POLICY_WHY], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, POLICY_WHY, format, args);
	va_end(args);
	return -EINVAL;
}

// In quotes, cut, and with what terminals would obey replaced.
struct quoted {
	char text[QUOTE + 8];
};

static struct quoted quote(const char *text, size_t length)
{
	struct quoted q;
	const size_t shown = length > QUOTE ? QUOTE : length;

	q.text[0] = '"';
	for (size_t i = 0; i < shown; i++)
		q.text[i + 1] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ||
						(unsigned char)text[i] >= 0x80
					? '?'
					: text[i];
	snprintf(q.text + shown + 1, sizeof(q.text) - shown - 1, "\"%s",
		length > QUOTE ? "..." : "");
	return q;
}

static int keep(const char *text, char **out)
{
	*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

static int read_bool(const char *text, size_t length, char **out, char why[static POLICY_WHY])
{
	static const char *const words[2][4] = {
		{"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};

	for (size_t value = 0; value < 2; value++)
		for (size_t i = 0; i < 4; i++)
			if (strlen(words[value][i]) == length &&
				strncasecmp(text, words[value][i], length) == 0)
				return keep(words[value][0], out);
	return wrong(why, "%s is neither true nor false", quote(text, length).text);
}

static int read_number(const struct policy_field *f, const char *text, size_t length, char **out,
	char why[static POLICY_WHY])
{
	uint64_t value = 0;
	char canonical[16];
	bool good = length > 0;

	for (size_t i = 0; i < length && good; i++) {
		good = isdigit((unsigned char)text[i]) && value <= UINT32_MAX;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (!good || value < f->minimum || value > f->maximum)
		return wrong(why, "%s is no number that it may be", quote(text, length).text);
	snprintf(canonical, sizeof(canonical), "%u", (unsigned)value);
	return keep(canonical, out);
}

static int read_choice(const struct policy_field *f, const char *text, size_t length, char **out,
	char why[static POLICY_WHY])
{
	for (const char *const *c = f->choices; *c; c++)
		if (policy_name_equal(*c, text, length))
			return keep(*c, out);
	return wrong(why, "%s is not a value of it", quote(text, length).text);
}

static int read_domain(const char *text, size_t length, char **out, char why[static POLICY_WHY])
{
	struct postern_domain domain;
	const char *reason = "";
	const int status = postern_domain_read(text, length, &domain, &reason);

	if (status == -EINVAL && memchr(text, '*', length))
		reason = "suffix=true of an entry, not a \"*\", takes the domains below one";
	if (status == -EINVAL)
		return wrong(why, "%s is no domain: %s", quote(text, length).text, reason);
	return status != 0 ? status : keep(domain.text, out);
}

// Valid UTF-8 without what steers a terminal (RFC 3629 4).
static bool is_text(const char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		const unsigned char c = (unsigned char)text[i];
		const size_t n = c < 0x80   ? 1
				 : c < 0xc2 ? 0
				 : c < 0xe0 ? 2
				 : c < 0xf0 ? 3
				 : c < 0xf5 ? 4
					    : 0;

		if (n == 0 || i + n > length || c < 0x20 || c == 0x7f)
			return false;
		for (size_t j = 1; j < n; j++)
			if (((unsigned char)text[i + j] & 0xc0) != 0x80)
				return false;
		// Overlong forms, surrogates, beyond the last plane.
		const unsigned char second = n > 1 ? (unsigned char)text[i + 1] : 0;
		if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
			(c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f))
			return false;
		i += n;
	}
	return true;
}

static int read_text(const struct policy_field *f, const char *text, size_t length, char **out,
	char why[static POLICY_WHY])
{
	if (length > f->maximum)
		return wrong(why, "it is longer than %u bytes", f->maximum);
	if (!is_text(text, length))
		return wrong(why, "%s holds what is no text on one line, in UTF-8",
			quote(text, length).text);
	*out = strndup(text, length);
	return *out ? 0 : -ENOMEM;
}

static struct postern_prefix network_of(struct postern_prefix p)
{
	const unsigned from = postern_addr_is_v4(&p.addr) ? 96u + p.length : p.length;

	for (unsigned bit = from; bit < 128; bit++)
		p.addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return p;
}

static int read_prefix(const char *text, size_t length, char **out, char why[static POLICY_WHY])
{
	char copy[64], canonical[POSTERN_PREFIX_TEXT];
	struct postern_prefix prefix;
	struct postern_addr addr;

	if (length >= sizeof(copy))
		return wrong(why, "%s is no network", quote(text, length).text);
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (strlen(copy) == length && postern_addr_parse(copy, &addr) == 0)
		prefix = (struct postern_prefix){addr, postern_addr_is_v4(&addr) ? 32 : 128};
	else if (strlen(copy) != length || postern_prefix_parse(copy, &prefix) != 0)
		return wrong(why, "%s is no network", quote(text, length).text);
	const struct postern_prefix net = network_of(prefix);
	if (memcmp(&net.addr, &prefix.addr, sizeof(net.addr)) != 0)
		return wrong(why, "%s has bits beyond its length; its network is %s",
			quote(text, length).text, postern_prefix_format(&net, canonical));
	return keep(postern_prefix_format(&prefix, canonical), out);
}

// Adds an element to a list that is kept with commas between.
static bool append(char **list, size_t *size, const char *one)
{
	const size_t more = one ? strlen(one) : 0;
	char *grown = realloc(*list, *size + more + 2);

	if (!grown)
		return false;
	if (*size > 0)
		grown[(*size)++] = ',';
	memcpy(grown + *size, one ? one : "", more + 1);
	*size += more;
	*list = grown;
	return true;
}

// "a, b" or "a;b" or "a b": each read for itself, none twice.
static int read_list(const struct policy_field *f, const char *text, size_t length, char **out,
	char why[static POLICY_WHY])
{
	char *list = NULL;
	size_t size = 0, n = 0, at = 0;
	int status = 0;

	while (status == 0) {
		while (at < length && strchr(" ,;\t", text[at]) && text[at] != '\0')
			at++;
		size_t end = at;
		while (end < length && (text[end] == '\0' || !strchr(" ,;\t", text[end])))
			end++;
		if (end == at)
			break;
		char *one = NULL;
		status = f->type == POLICY_DOMAINS ? read_domain(text + at, end - at, &one, why)
						   : read_prefix(text + at, end - at, &one, why);
		if (status == 0 && ++n > f->maximum)
			status = wrong(why, "there are more than %u of them", f->maximum);
		if (status == 0 && !append(&list, &size, one))
			status = -ENOMEM;
		free(one);
		at = end;
	}
	if (status != 0) {
		free(list);
		return status;
	}
	*out = list;
	return list ? 0 : keep("", out);
}

static int read_name(const struct policy_field *f, const char *text, size_t length, char **out,
	char why[static POLICY_WHY])
{
	if (length > 0 && (text[0] == ' ' || text[length - 1] == ' '))
		return wrong(why, "%s begins or ends with a space", quote(text, length).text);
	return read_text(f, text, length, out, why);
}

int policy_value_read(const struct policy_field *f, const char *text, size_t length, char **out,
	char why[static POLICY_WHY])
{
	int status = 0;

	*out = NULL;
	if (length == 0) {
		if (f->flags & POLICY_REQUIRED)
			return wrong(why, "it is missing");
		return keep("", out);
	}
	switch (f->type) {
	case POLICY_BOOL:
		status = read_bool(text, length, out, why);
		break;
	case POLICY_NUMBER:
		status = read_number(f, text, length, out, why);
		break;
	case POLICY_CHOICE:
		status = read_choice(f, text, length, out, why);
		break;
	case POLICY_DOMAIN:
		status = read_domain(text, length, out, why);
		break;
	case POLICY_NAME:
		status = read_name(f, text, length, out, why);
		break;
	case POLICY_TEXT:
		status = read_text(f, text, length, out, why);
		break;
	case POLICY_DOMAINS:
	case POLICY_PREFIXES:
		status = read_list(f, text, length, out, why);
		break;
	}
	// The default has one spelling, too.
	if (status == 0 && *out && f->standard && strcmp(*out, f->standard) == 0)
		(*out)[0] = '\0';
	return status;
}

const char *policy_value_expect(const struct policy_field *f, char *text, size_t size)
{
	int used;

	switch (f->type) {
	case POLICY_BOOL:
		return "true or false";
	case POLICY_NUMBER:
		snprintf(text, size, "a whole number from %u to %u", f->minimum, f->maximum);
		return text;
	case POLICY_CHOICE:
		used = snprintf(text, size, "one of");
		for (const char *const *c = f->choices; *c && used >= 0 && (size_t)used < size; c++)
			used += snprintf(text + used, size - (size_t)used, "%s %s",
				c == f->choices ? "" : ",", *c);
		return text;
	case POLICY_DOMAIN:
		return "a name such as contoso.com";
	case POLICY_NAME:
		snprintf(text, size, "a name of 1 to %u bytes", f->maximum);
		return text;
	case POLICY_TEXT:
		snprintf(text, size, "a text on one line, of at most %u bytes", f->maximum);
		return text;
	case POLICY_DOMAINS:
		snprintf(text, size, "at most %u names with commas between", f->maximum);
		return text;
	case POLICY_PREFIXES:
		snprintf(text, size, "at most %u networks such as 192.0.2.0/24 with commas between",
			f->maximum);
		return text;
	}
	return "";
}
