// SPDX-License-Identifier: BSD-2-Clause
// Normalising domain names. One is looked at in every message, so the usual, short ones are taken
// sixteen bytes at a time where the CPU can.

#include "postern/domain.h"

#include <errno.h>
#include <string.h>

#if defined(__SSE2__) && !defined(POSTERN_PLAIN)
#include <emmintrin.h>
#define SHORT_MAX 63 // a name of one label fits in any case, and a bit of 64 is left
#else
#define SHORT_MAX 0
#endif

static bool is_lower(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

// Whether the label name[start..end) may stand where it does.
static bool label_is_good(const char *name, size_t start, size_t end)
{
	const size_t length = end - start;

	return length > 0 && length <= POSTERN_LABEL_MAX && name[start] != '-' &&
	       name[end - 1] != '-';
}

// Writes a name in lower case. False if it is none, but for the letter that its last label must begin
// with. *label: where that begins.
static bool read_long(char *name, const char *text, size_t length, size_t *label)
{
	*label = 0;
	for (size_t i = 0; i < length; i++) {
		const uint8_t c = lower((uint8_t)text[i]);

		name[i] = (char)c;
		if (is_lower(c) || is_digit(c) || c == '-' || c == '_')
			continue;
		if (c != '.' || !label_is_good(name, *label, i))
			return false;
		*label = i + 1;
	}
	return label_is_good(name, *label, length);
}

#if SHORT_MAX

// Bytes of [first, last], both ASCII. Those of 0x80 and above are negative and in no range.
static inline __m128i in_range(__m128i v, char first, char last)
{
	return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)(first - 1))),
		_mm_cmplt_epi8(v, _mm_set1_epi8((char)(last + 1))));
}

static inline uint64_t bits_of(__m128i v, size_t at)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(v) << at;
}

static inline uint64_t load8(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

// Up to sixteen bytes, zeros behind them. Loaded in pieces that overlap, none of which reaches further
// than the text: bytes that were just copied cannot be read back as a whole without waiting.
static inline __m128i load_short(const char *text, size_t length)
{
	uint64_t low = 0, high = 0;

	if (length == 16)
		return _mm_loadu_si128((const __m128i *)(const void *)text);
	if (length >= 8) {
		low = load8(text);
		high = length > 8 ? load8(text + length - 8) >> (8 * (16 - length)) : 0;
	} else if (length >= 4) {
		uint32_t first, last;

		memcpy(&first, text, 4);
		memcpy(&last, text + length - 4, 4);
		low = first | (uint64_t)last << (8 * (length - 4));
	} else {
		for (size_t i = 0; i < length; i++)
			low |= (uint64_t)(uint8_t)text[i] << (8 * i);
	}
	return _mm_set_epi64x((long long)high, (long long)low);
}

// What stands where in a name, a bit for each byte.
struct seen {
	uint64_t good, dots, hyphens;
};

// Lowers sixteen bytes and notes what they are.
static inline __m128i look(__m128i v, size_t at, struct seen *seen)
{
	v = _mm_or_si128(v, _mm_and_si128(in_range(v, 'A', 'Z'), _mm_set1_epi8(0x20)));
	const __m128i dot = _mm_cmpeq_epi8(v, _mm_set1_epi8('.'));
	const __m128i hyphen = _mm_cmpeq_epi8(v, _mm_set1_epi8('-'));
	const __m128i other =
		_mm_or_si128(_mm_or_si128(in_range(v, 'a', 'z'), in_range(v, '0', '9')),
			_mm_cmpeq_epi8(v, _mm_set1_epi8('_')));

	seen->dots |= bits_of(dot, at);
	seen->hyphens |= bits_of(hyphen, at);
	seen->good |= bits_of(_mm_or_si128(other, _mm_or_si128(dot, hyphen)), at);
	return v;
}

static inline void store(char *to, __m128i v)
{
	_mm_storeu_si128((__m128i *)(void *)to, v);
}

// The same for a name of at most SHORT_MAX bytes, which is written to `name` in blocks of sixteen.
static bool read_short(char *name, const char *text, size_t length, size_t *label)
{
	struct seen seen = {0, 0, 0};
	size_t i = 0;

	for (; i + 16 < length; i += 16)
		store(name + i,
			look(_mm_loadu_si128((const __m128i *)(const void *)(text + i)), i, &seen));
	store(name + i, look(load_short(text + i, length - i), i, &seen));
	const uint64_t name_bits = (UINT64_C(1) << length) - 1;
	const uint64_t dots = seen.dots & name_bits;
	const uint64_t hyphens = seen.hyphens & name_bits;
	const uint64_t begins = dots << 1 | 1;
	const uint64_t ends = dots | UINT64_C(1) << length;

	*label = dots != 0 ? 64 - (size_t)__builtin_clzll(dots) : 0;
	// No label is empty, begins or ends with a hyphen.
	return (~seen.good & name_bits) == 0 && (begins & ends) == 0 && (begins & hyphens) == 0 &&
	       (hyphens << 1 & ends) == 0;
}

#else

static bool read_short(char *name, const char *text, size_t length, size_t *label)
{
	return read_long(name, text, length, label);
}

#endif

int postern_domain_parse(const char *text, size_t length, struct postern_domain *out)
{
	size_t label;

	if (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0 || length > POSTERN_DOMAIN_MAX)
		return -EINVAL;
	if (!(length <= SHORT_MAX ? read_short(out->text, text, length, &label)
				  : read_long(out->text, text, length, &label)) ||
		!is_lower(lower((uint8_t)text[label])))
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
