// SPDX-License-Identifier: BSD-2-Clause
// How often somebody may begin: a bucket of tokens for each key, in a table of fixed size. When a set is
// full the key that has rested longest gives way: its bucket is the fullest.

#include "tls/private.h"

#include <openssl/crypto.h>

#include <errno.h>

#define SETS 1024
#define WAYS 4

struct rate {
	uint64_t key; // 0: nobody's
	struct base_bucket bucket;
};

struct tls_rates {
	struct rate sets[SETS][WAYS];
};

int tls_rates_new(struct tls_rates **out)
{
	*out = OPENSSL_zalloc(sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

bool tls_rates_take(
	struct tls_rates *r, uint64_t key, uint64_t now_us, uint32_t rate, uint32_t burst)
{
	struct rate *set = r->sets[key % SETS], *at = set;

	if (rate == 0)
		return true;
	key |= 1;
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].key == key) {
			at = &set[i];
			break;
		}
		if (set[i].bucket.filled_us < at->bucket.filled_us)
			at = &set[i];
	}
	if (at->key != key)
		*at = (struct rate){key, {now_us, burst}};
	return base_bucket_take(&at->bucket, now_us, rate, 1000000, burst);
}
