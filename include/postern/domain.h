// SPDX-License-Identifier: BSD-2-Clause
// Domain names as both halves compare them: one spelling for each name, so that equal names are
// equal bytes.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Longest name without its trailing dot (RFC 1035 2.3.4: 255 octets on the wire, of which the
// first length and the root's are two), and longest label.
#define POSTERN_DOMAIN_MAX 253
#define POSTERN_LABEL_MAX  63

// A normalised name: lower case, no trailing dot, one label or more of letters, digits, '-' and
// '_', none empty, none with '-' at an end, the last one begun by a letter (RFC 3261 25.1,
// toplabel), so that no spelling of an IP address is ever a name. ASCII only: whoever takes
// U-labels from an operator turns them to A-labels before.
struct postern_domain {
	uint8_t length;
	char text[POSTERN_DOMAIN_MAX + 1]; // NUL behind the name
};

// Normalises `length` bytes of text; one trailing dot is taken off. 0, or -EINVAL, and then *out
// is undefined. Any thread.
int postern_domain_parse(const char *text, size_t length, struct postern_domain *out);

// The same of a name as an operator writes it: U-labels become A-labels (IDNA 2008 by way of UTS 46,
// non-transitional), A-labels are looked at, and the full stops of other scripts are full stops. What
// IDNA forbids in a label is refused: characters without a use in names, labels that only look like
// another's A-label, mixed directions. 0; -EINVAL with what is wrong in *why, a constant; -ENOMEM.
// Any thread; allocates.
int postern_domain_read(
	const char *text, size_t length, struct postern_domain *out, const char **why);

bool postern_domain_equal(const struct postern_domain *a, const struct postern_domain *b);

// True if `name` is `parent` or lies below it, compared label by label.
bool postern_domain_is_within(
	const struct postern_domain *name, const struct postern_domain *parent);
