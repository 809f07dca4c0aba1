// SPDX-License-Identifier: BSD-2-Clause
// JA4 (FoxIO, the BSD-licensed base): what a client's TLS library is known by. It tells an operator that
// somebody has changed his software, and is no proof of anything.

#include "base/sha256.h"
#include "relay/hello.h"

#include <stdio.h>
#include <string.h>

// What is sorted at most; beyond, nobody speaks whose fingerprint is in any list.
#define VALUES_MAX 256u

#define EXTENSION_SERVER_NAME 0u
#define EXTENSION_ALPN        16u

// Bytes of hash that are shown.
#define SHOWN 6u

// "0a0b," of each value of two lists, and the "_" between them.
#define TEXT_SIZE (5u * 2u * VALUES_MAX + 2u)

struct values {
	uint16_t items[VALUES_MAX];
	unsigned n;     // kept
	unsigned count; // all
};

static unsigned word(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static bool is_grease(unsigned value)
{
	return (value & 0x0f0fu) == 0x0a0au && value >> 8 == (value & 0xffu);
}

static void add(struct values *v, unsigned value, bool shown)
{
	if (is_grease(value))
		return;
	v->count++;
	if (shown && v->n < VALUES_MAX)
		v->items[v->n++] = (uint16_t)value;
}

// Lists are short and nearly sorted, or random and still short.
static void sort(struct values *v)
{
	for (unsigned i = 1; i < v->n; i++) {
		const uint16_t one = v->items[i];
		unsigned at = i;

		for (; at > 0 && v->items[at - 1] > one; at--)
			v->items[at] = v->items[at - 1];
		v->items[at] = one;
	}
}

static size_t hex(char *to, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		to[2 * i] = digits[bytes[i] >> 4];
		to[2 * i + 1] = digits[bytes[i] & 15];
	}
	return 2 * n;
}

// "002f,0035".
static size_t list_write(char *to, const struct values *v)
{
	size_t length = 0;

	for (unsigned i = 0; i < v->n; i++) {
		const uint8_t bytes[2] = {(uint8_t)(v->items[i] >> 8), (uint8_t)v->items[i]};

		if (i > 0)
			to[length++] = ',';
		length += hex(to + length, bytes, sizeof(bytes));
	}
	return length;
}

static void hash_write(char *to, const char *text, size_t length)
{
	uint8_t hash[BASE_SHA256_SIZE] = {0};

	if (length > 0)
		base_sha256(text, length, hash);
	hex(to, hash, SHOWN);
}

static const char *version_of(uint16_t version)
{
	switch (version) {
	case POSTERN_TLS13:
		return "13";
	case POSTERN_TLS12:
		return "12";
	case POSTERN_TLS11:
		return "11";
	case POSTERN_TLS10:
		return "10";
	case POSTERN_SSL3:
		return "s3";
	default:
		return "00";
	}
}

static bool is_alphanumeric(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// First and last character of the first protocol; of their hexadecimal form if they are no characters.
static void alpn_write(char *to, const struct relay_hello *h)
{
	to[0] = to[1] = '0';
	if (h->alpn_length < 2)
		return;
	const uint8_t first = h->alpn[1], last = h->alpn[h->alpn[0]];

	if (is_alphanumeric(first) && is_alphanumeric(last)) {
		to[0] = (char)first;
		to[1] = (char)last;
		return;
	}
	char digits[2];

	hex(digits, &first, 1);
	to[0] = digits[0];
	hex(digits, &last, 1);
	to[1] = digits[1];
}

static unsigned shown(unsigned count)
{
	return count < 99 ? count : 99;
}

void relay_ja4(struct relay_hello *h)
{
	struct values ciphers = {.n = 0}, extensions = {.n = 0}, signatures = {.n = 0};
	char text[TEXT_SIZE], begin[16], alpn[2];
	bool has_name = false;

	h->ja4[0] = '\0';
	if (h->kind != POSTERN_HELLO_TLS)
		return;
	for (unsigned i = 0; i < h->ciphers_length; i += 2)
		add(&ciphers, word(h->ciphers + i), true);
	for (unsigned i = 0; i < h->extensions_length; i += 4 + word(h->extensions + i + 2)) {
		const unsigned type = word(h->extensions + i);

		has_name |= type == EXTENSION_SERVER_NAME;
		add(&extensions, type, type != EXTENSION_SERVER_NAME && type != EXTENSION_ALPN);
	}
	for (unsigned i = 0; i < h->signatures_length; i += 2)
		add(&signatures, word(h->signatures + i), true);
	sort(&ciphers);
	sort(&extensions);
	alpn_write(alpn, h);
	snprintf(begin, sizeof(begin), "t%s%c%02u%02u%c%c_", version_of(h->version),
		has_name ? 'd' : 'i', shown(ciphers.count), shown(extensions.count), alpn[0],
		alpn[1]);
	const size_t at = strlen(begin);

	memcpy(h->ja4, begin, at);
	hash_write(h->ja4 + at, text, list_write(text, &ciphers));
	h->ja4[at + 2 * SHOWN] = '_';
	size_t length = list_write(text, &extensions);

	if (length > 0 && signatures.n > 0) {
		text[length++] = '_';
		length += list_write(text + length, &signatures);
	}
	hash_write(h->ja4 + at + 2 * SHOWN + 1, text, length);
	h->ja4[at + 4 * SHOWN + 1] = '\0';
}
