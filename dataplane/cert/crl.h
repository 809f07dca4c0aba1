// SPDX-License-Identifier: BSD-2-Clause
// A revocation list as it is kept: for this folder, and for the fuzzer of its reading.

#pragma once

#include "cert/private.h"

#define CERT_LIST_BYTES_MAX (64u << 20) // the largest that public authorities have are below 40 MB
#define CERT_POINT_ALL      0u          // a list of all that its issuer has issued

struct cert_serial {
	uint8_t bytes[CERT_SERIAL_MAX];
	uint8_t size;
};

// Not changed once it has been read.
struct cert_list {
	uint32_t references; // atomic: entries of the set
	uint32_t n;
	struct cert_serial *serials; // sorted
	int64_t this_update, next_update;
	uint64_t number;
	uint64_t points[CERT_POINTS_MAX]; // none: it is of all
	uint8_t n_points;
	bool users_only, issuers_only;
};

// `issuer` NULL: whose it is and the signature are not looked at, for the fuzzer. Errors are those of
// cert_crls_set().
int cert_list_read(const X509 *issuer, const void *bytes, size_t size, struct cert_list **out,
	char *why, size_t why_size);
void cert_list_release(struct cert_list *l);
bool cert_list_has(const struct cert_list *l, const uint8_t *serial, uint8_t size);
