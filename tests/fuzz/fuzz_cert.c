// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a certificate whose names are read, as a revocation list, and as what a ticket brings
// along. Names that come out are normalised and lie inside; numbers on a list are found again.

#include "cert/crl.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void check_names(const X509 *x)
{
	struct cert_names n;
	void *memory;

	cert_names_read(x, &n, &memory);
	CHECK(n.n <= CERT_NAMES_MAX);
	for (unsigned i = 0; n.problem == CERT_GOOD && i < n.n + n.has_cn; i++) {
		struct postern_domain d;

		CHECK(strlen(n.names[i].text) == n.names[i].length);
		CHECK(postern_domain_parse(n.names[i].text, n.names[i].length, &d) == 0);
		CHECK(memcmp(d.text, n.names[i].text, d.length + 1u) == 0);
	}
	OPENSSL_free(memory);
}

static void check_list(const uint8_t *data, size_t size)
{
	struct cert_list *l;
	char why[128];

	if (cert_list_read(NULL, data, size, &l, why, sizeof(why)) != 0) {
		CHECK(strlen(why) > 0);
		return;
	}
	for (uint32_t i = 0; i < l->n; i++)
		CHECK(cert_list_has(l, l->serials[i].bytes, l->serials[i].size));
	CHECK(l->n_points <= CERT_POINTS_MAX);
	cert_list_release(l);
}

// The first half a leaf, the second the bytes of its ticket.
static void check_ticket(const X509 *x, const uint8_t *data, size_t size)
{
	static const uint8_t zero[CERT_DIGEST_SIZE];
	struct cert_trust trust = {.store = NULL};
	uint8_t bytes[CERT_PACKED_MAX + CERT_DIGEST_SIZE * 2 + 1], again[CERT_PACKED_MAX];
	const size_t n = size < CERT_PACKED_MAX ? size : CERT_PACKED_MAX;
	struct cert_verdict *v;

	bytes[0] = 1;
	memcpy(bytes + 1, zero, sizeof(zero));
	memcpy(bytes + 33, zero, sizeof(zero));
	memcpy(bytes + 65, data, n);
	v = cert_verdict_unpack(NULL, &trust, x, bytes, n + 65);
	if (v == NULL)
		return;
	// What was read comes out the same, but for flags of which only two bits count.
	CHECK(cert_verdict_pack(v, again) == n + 65);
	cert_verdict_release(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned char *at = data;
	X509 *x, *empty;

	if (size > 65536)
		return 0;
	empty = X509_new();
	x = d2i_X509(NULL, &at, (long)size);
	if (x != NULL)
		check_names(x);
	if (empty != NULL)
		check_ticket(x != NULL ? x : empty, x != NULL ? at : data,
			x != NULL ? size - (size_t)(at - data) : size);
	check_list(data, size);
	X509_free(x);
	X509_free(empty);
	ERR_clear_error();
	return 0;
}
