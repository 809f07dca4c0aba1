// SPDX-License-Identifier: BSD-2-Clause

#include "base/hash.h"

#include <errno.h>
#include <sys/random.h>

int base_secret_draw(struct base_secret *secret)
{
	// Requests of up to 256 bytes are never cut short once the generator is seeded (getrandom(2)).
	const ssize_t n = getrandom(secret->bytes, sizeof(secret->bytes), 0);

	return n == (ssize_t)sizeof(secret->bytes) ? 0 : -EIO;
}
