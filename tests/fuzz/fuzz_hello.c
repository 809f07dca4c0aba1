// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as the first of a client. What must hold: the pieces in which they come change nothing, more is
// asked for only when more is there to come, and what is told is bounded and of allowed characters.

#include "relay/hello.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool right)
{
	if (!right)
		abort();
}

static void check(enum relay_hello_state state, struct relay_hello *h, size_t size)
{
	if (state == RELAY_HELLO_MORE) {
		need(h->need > size);
		need(h->need <= size + RELAY_HELLO_MAX + 5);
		return;
	}
	need(strlen(h->name) == h->name_length);
	for (const char *c = h->name; *c; c++)
		need((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '.' ||
			*c == '-' || *c == '_');
	if (state == RELAY_HELLO_BAD)
		return;
	need(h->kind < POSTERN_HELLOS);
	relay_ja4(h);
	need(strlen(h->ja4) == (h->kind == POSTERN_HELLO_TLS ? 36u : 0u));
	(void)relay_hello_offers(h, "sip", 3);
}

// The first byte is the size of the pieces, 0 for one.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct relay_hello whole, pieces;
	static struct iovec iov[1 << 14];
	unsigned n = 0;

	if (size == 0 || size > sizeof(iov) / sizeof(iov[0]))
		return 0;
	const size_t piece = data[0] > 0 ? data[0] : 1;
	uint8_t *copy = malloc(size);

	need(copy != NULL);
	memcpy(copy, data, size);
	for (size_t at = 1; at < size; at += piece)
		iov[n++] = (struct iovec){copy + at, size - at < piece ? size - at : piece};
	const struct iovec one = {copy + 1, size - 1};

	for (unsigned last = 0; last < 2; last++) {
		const enum relay_hello_state a =
			relay_hello_read(&one, size > 1, last != 0, &whole);
		const enum relay_hello_state b = relay_hello_read(iov, n, last != 0, &pieces);

		need(a == b && (last == 0 || a != RELAY_HELLO_MORE));
		check(a, &whole, size - 1);
		check(b, &pieces, size - 1);
		need(whole.kind == pieces.kind && whole.version == pieces.version &&
			whole.need == pieces.need && strcmp(whole.name, pieces.name) == 0 &&
			strcmp(whole.ja4, pieces.ja4) == 0);
	}
	free(copy);
	return 0;
}
