// SPDX-License-Identifier: BSD-2-Clause
// The names that a certificate proves, one by one, for whoever compares them with what is wanted.

#pragma once

#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>

// Calls `each` with every DNS name and every host of a sip URI without user part (RFC 5922 section
// 7.1), as they stand there and none of them empty; with the subject's common name only if there is no
// alternative name at all, or if it `counts` all the same. They are a stranger's: any bytes, NUL
// included, and compared whole, without regard to case and without wildcards (RFC 5922 section 7.2).
// Any thread.
void pool_names_each(const X509 *certificate, bool subject_counts,
	void (*each)(void *user, const char *name, size_t length), void *user);
