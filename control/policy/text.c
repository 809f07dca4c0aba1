// SPDX-License-Identifier: BSD-2-Clause
// Files as Windows and others write them, as UTF-8. Store thread.

#include "control/policy/bulk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int policy_text_read(int fd, size_t most, char **out, size_t *length)
{
	size_t room = 1u << 16, used = 0;
	char *text = malloc(room + 1);

	while (text) {
		const ssize_t n = pread(fd, text + used, room - used, (off_t)used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			const int err = errno;

			free(text);
			return -err;
		}
		used += (size_t)n;
		if (n == 0) {
			text[used] = '\0';
			*out = text;
			*length = used;
			return 0;
		}
		if (used > most) {
			free(text);
			return -EFBIG;
		}
		if (used < room)
			continue;
		char *grown = realloc(text, 2 * room + 1);
		if (!grown)
			break;
		text = grown;
		room *= 2;
	}
	free(text);
	return -ENOMEM;
}

static size_t put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static uint32_t unit_at(const unsigned char *text, size_t at, bool big)
{
	return big ? (uint32_t)text[at] << 8 | text[at + 1]
		   : (uint32_t)text[at + 1] << 8 | text[at];
}

// RFC 2781. Half a pair becomes what no text may hold, and is refused where it stands.
static char *from_utf16(const char *text, size_t length, bool big, size_t *out_length)
{
	const unsigned char *u = (const unsigned char *)text;
	// Two bytes become three at most.
	char *out = malloc(length / 2 * 3 + 4);
	size_t used = 0;

	for (size_t i = 0; out && i + 1 < length; i += 2) {
		uint32_t c = unit_at(u, i, big);

		if (c >= 0xd800 && c < 0xdc00 && i + 3 < length) {
			const uint32_t low = unit_at(u, i + 2, big);

			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				i += 2;
			}
		}
		used += put_utf8(out + used, c);
	}
	if (out) {
		if (length % 2 != 0)
			out[used++] = (char)0xff;
		out[used] = '\0';
		*out_length = used;
	}
	return out;
}

int policy_text_decode(char **text, size_t *length)
{
	const unsigned char *t = (const unsigned char *)*text;
	const bool little = *length >= 2 && t[0] == 0xff && t[1] == 0xfe;
	const bool big = *length >= 2 && t[0] == 0xfe && t[1] == 0xff;
	// Without a mark: what begins with an ASCII character in two bytes is UTF-16 all the same.
	const bool bare_little = *length >= 2 && t[0] != 0 && t[1] == 0;
	const bool bare_big = *length >= 2 && t[0] == 0 && t[1] != 0;

	if (little || big || bare_little || bare_big) {
		const size_t mark = little || big ? 2 : 0;
		char *decoded = from_utf16(*text + mark, *length - mark, big || bare_big, length);

		if (!decoded)
			return -ENOMEM;
		free(*text);
		*text = decoded;
		return 0;
	}
	if (*length >= 3 && t[0] == 0xef && t[1] == 0xbb && t[2] == 0xbf) {
		memmove(*text, *text + 3, *length - 3 + 1);
		*length -= 3;
	}
	return 0;
}
